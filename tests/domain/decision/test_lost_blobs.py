"""A node that lost a blob offers what comes before the bundle, to devices that would be sent it, until it is back."""

import pytest
from factories import MOMENT, a_bundle, a_check, a_snapshot, an_app, digest, failed

from edge.domain.changes.commands import ChannelSettings, CreateChannel, PublishBundle, WithdrawBundle
from edge.domain.decision.decide import decide
from edge.domain.decision.explain import StepName, StepOutcome, explain
from edge.domain.decision.outcomes import Blocked, HoldReason, Offer, Reason, UpToDate
from edge.domain.facts import NO_FACTS, DeviceFacts
from edge.domain.model import Platform
from edge.wire.plugins.forms import plugin_of

TAKES_ZIPS, TAKES_MANIFESTS = "5.10.0", "8.51.14"
ZIP = a_bundle("1.0.2").zip
FILE, PLAIN_FILE = digest("index.html1.0.2blob"), digest("index.html1.0.2")


def releases(*versions, **given):
    commands = [PublishBundle(bundle=a_bundle(version), channel="production") for version in versions]
    return a_snapshot(
        an_app(CreateChannel(name="production", settings=ChannelSettings(public=True)), *commands), **given
    )


def asks(plugin, **changes):
    return a_check(plugin=plugin_of(Platform.ANDROID, plugin), **changes)


def offered(snapshot, check, facts=NO_FACTS):
    decision = decide(snapshot, check, MOMENT, facts)
    return decision.bundle.version if isinstance(decision, Offer) else decision


@pytest.mark.parametrize(
    ("lost", "of_zips", "of_manifests"),
    [
        ((), "1.0.2", "1.0.2"),
        ((ZIP,), "1.0.1", "1.0.2"),
        ((FILE,), "1.0.2", "1.0.1"),
        ((PLAIN_FILE,), "1.0.2", "1.0.1"),
        ((ZIP, FILE), "1.0.1", "1.0.1"),
        (("0" * 64,), "1.0.2", "1.0.2"),
    ],
)
def test_what_comes_before_stands_in_for_the_form_that_is_lost(lost, of_zips, of_manifests):
    snapshot = releases("1.0.1", "1.0.2", damaged=frozenset(lost))
    assert offered(snapshot, asks(TAKES_ZIPS)) == of_zips
    assert offered(snapshot, asks(TAKES_MANIFESTS)) == of_manifests
    again = releases("1.0.1", "1.0.2", before=snapshot)
    assert (offered(again, asks(TAKES_ZIPS)), offered(again, asks(TAKES_MANIFESTS))) == ("1.0.2", "1.0.2")


def test_with_nothing_before_it_the_device_hears_that_there_is_nothing_new():
    snapshot = releases("1.0.2", damaged=frozenset({ZIP, FILE}))
    assert offered(snapshot, asks(TAKES_ZIPS)) == Blocked(Reason.ZIP_LOST, "1.0.2")
    assert offered(snapshot, asks(TAKES_MANIFESTS)) == Blocked(Reason.MANIFEST_LOST, "1.0.2")


def test_a_device_that_runs_the_bundle_needs_nothing_of_it():
    snapshot = releases("1.0.1", "1.0.2", damaged=frozenset({ZIP, FILE}))
    assert offered(snapshot, asks(TAKES_ZIPS, version_name="1.0.2")) == UpToDate("production")


def test_a_device_that_runs_what_stands_in_is_up_to_date_with_the_reason():
    snapshot = releases("1.0.1", "1.0.2", damaged=frozenset({ZIP}))
    assert offered(snapshot, asks(TAKES_ZIPS, version_name="1.0.1")) == UpToDate("production", HoldReason.LOST)


def test_what_stands_in_is_neither_lost_itself_nor_has_it_failed_on_the_device():
    lost = frozenset(a_bundle(version).zip for version in ("1.0.3", "1.0.4"))
    snapshot = releases("1.0.1", "1.0.2", "1.0.3", "1.0.4", damaged=lost)
    assert offered(snapshot, asks(TAKES_ZIPS)) == "1.0.2"
    assert offered(snapshot, asks(TAKES_ZIPS), DeviceFacts(failures=failed("1.0.2"))) == "1.0.1"


def test_no_device_goes_to_something_older_than_it_runs():
    snapshot = releases("1.0.0", "1.0.2", damaged=frozenset({ZIP}))
    assert offered(snapshot, asks(TAKES_ZIPS, version_name="1.0.1")) == Blocked(Reason.ZIP_LOST, "1.0.2")


def test_what_leaves_a_withdrawn_bundle_goes_to_one_that_the_node_has():
    commands = [PublishBundle(bundle=a_bundle(each), channel="production") for each in ("1.0.1", "1.0.2", "1.0.3")]
    state = an_app(
        CreateChannel(name="production", settings=ChannelSettings(public=True)),
        *commands,
        WithdrawBundle(version="1.0.3", reason="broken"),
    )
    snapshot = a_snapshot(state, damaged=frozenset({ZIP}))
    assert offered(snapshot, asks(TAKES_ZIPS, version_name="1.0.3")) == "1.0.1"


def test_explain_says_that_the_node_lost_it():
    snapshot = releases("1.0.1", "1.0.2", damaged=frozenset({ZIP}))
    steps, _ = explain(snapshot, asks(TAKES_ZIPS), MOMENT)
    (step,) = [step for step in steps if step.rule == StepName.FALL_BACK.value]
    assert (step.outcome, step.saw["lost_by_node"], step.saw["bundle"]) == (StepOutcome.DECIDES, True, "1.0.1")
    steps, _ = explain(releases("1.0.2", damaged=frozenset({ZIP})), asks(TAKES_ZIPS), MOMENT)
    assert (steps[-1].rule, steps[-1].outcome) == ("zip_lost", StepOutcome.STOPS)
