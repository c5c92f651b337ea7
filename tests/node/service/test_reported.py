"""From a device's events to changes of its facts: which count at all, and what only the snapshot knows of them."""

import msgspec
import pytest
from factories import APP, DEVICE, MOMENT, a_released_app, a_snapshot

from edge.domain.facts import (
    CAUSES,
    NO_FACTS,
    STARTS,
    Cause,
    DeviceFacts,
    Failure,
    FailureStage,
    failure_of,
    is_withheld,
    name_hash,
)
from edge.domain.model import DeviceId
from edge.domain.plugin import Prefer
from edge.facts.changes import Downloaded, Failed, Installed, Offered, change_facts
from edge.node.service.peers import Peer
from edge.node.service.reported import DOWNLOADED, changes_in, downloads_in
from edge.wire.actions import ACTIONS
from edge.wire.stats import Event

OTHER = DeviceId("00009a6b-eefe-490a-9c60-8e965132ae52")
PEER = Peer("192.0.2.1", "192.0.2.1")
SNAPSHOT = a_snapshot(a_released_app("1.0.4"))
OFFERED = DeviceFacts(offered=(name_hash("1.0.4"),))


def changes(*events, facts=OFFERED):
    return [change for _, change in changes_in(events, SNAPSHOT, lambda app, device: facts, MOMENT, PEER)]


def an_event(action, version="", **more):
    fields = {"platform": "android", "plugin": "8.51.14", "native": "1.0.0"} | more
    return Event(app=APP, device=DEVICE, action=action, version=version, **fields)


def failed(version, action, *, age=0.0, dead=False):
    return Failed(APP, DEVICE, version, action, age, dead, PEER.prefix)


def test_every_cause_is_told_and_nothing_else():
    told = changes(*(an_event(action, "1.0.4") for action in sorted(ACTIONS)))
    assert [change.action for change in told] == sorted(CAUSES)


@pytest.mark.parametrize(
    ("said", "named"),
    [("1.0.4", "1.0.4"), ("1.0.4:assets/a.js", "1.0.4"), ("", ""), ("builtin", "1.0.0"), ("1.0.3", "1.0.3")],
)
def test_names_are_as_a_check_says_them(said, named):
    assert changes(an_event("checksum_fail", said)) == [failed(named, "checksum_fail")]


SKEWS = (-3_700, -5, 0, 5, 86_400)  # seconds that a device's clock is ahead of ours


@pytest.mark.parametrize("skew", SKEWS)
def test_an_event_is_as_old_as_the_newest_of_its_report_is_newer(skew):
    def at(seconds):
        return {"device_time_ms": int((MOMENT.now + skew + seconds) * 1_000)}

    told = changes(
        an_event("checksum_fail", **at(-90_000)),
        an_event("download_fail", **at(-1.5)),
        an_event("app_moved_to_foreground", **at(0)),
        an_event("unzip_fail"),
        msgspec.structs.replace(an_event("set", **at(900_000)), device=OTHER),
    )
    assert [change.age for change in told] == [90_000.0, 1.5, 0.0]


@pytest.mark.parametrize("skew", SKEWS)
def test_a_device_is_protected_whatever_its_clock_says(skew):
    """It is offered the same bundle at every launch, every ten minutes, and reports each failure in two events."""
    facts, now, downloads = NO_FACTS, MOMENT.now, 0
    bundle = name_hash("1.0.4")
    for _ in range(20):
        failure = failure_of(facts, bundle)
        if failure is None or not is_withheld(failure, 5, now):
            facts = change_facts(facts, Offered(APP, DEVICE, "1.0.4", "1.0.0", 5), now)
            downloads += 1
            at_ms = int((now + 3 + skew) * 1_000)
            events = [
                an_event("checksum_fail", "1.0.4", device_time_ms=at_ms),
                an_event("download_fail", "1.0.0", device_time_ms=at_ms + 40),
            ]
            for change in changes(*events, facts=facts):
                facts = change_facts(facts, change, now + 4)
        now += 600
    assert downloads == 2


@pytest.mark.parametrize("action", sorted(cause.word for cause in STARTS))
def test_a_failed_start_has_a_name(action):
    assert changes(an_event(action)) == []
    assert changes(an_event(action, "1.0.4")) == [failed("1.0.4", action)]


@pytest.mark.parametrize(
    ("event", "told"),
    [
        (an_event("download_fail", "1.0.3"), True),  # it is offered something
        (an_event("download_fail", "1.0.4"), True),  # of what was offered last
        (an_event("download_fail"), True),
        (an_event("download_fail", "builtin"), True),
        (an_event("download_fail", "1.0.3", default_channel="nowhere"), True),  # not "nothing new"
        (an_event("download_fail", "1.0.3", native="not a version"), True),
        (an_event("finish_download_fail", "1.0.3"), True),
    ],
)
def test_a_download_fail_is_told_where_the_device_may_have_one_under_way(event, told):
    assert bool(changes(event)) is told


def test_a_download_fail_of_a_device_that_is_told_nothing_new_is_a_failed_check():
    offered_else = DeviceFacts(offered=(name_hash("1.0.3"),))
    assert changes(an_event("download_fail", "1.0.4"), facts=offered_else) == []
    assert changes(an_event("checksum_fail", "1.0.4"), facts=offered_else) != []
    electron = an_event("download_fail", "1.0.4", platform="electron", plugin="0.0.1")
    assert changes(electron, facts=offered_else) != []  # it names what was offered


@pytest.mark.parametrize(
    ("event", "dead"),
    [
        (an_event("download_fail", "1.0.3"), False),
        (an_event("download_manifest_file_fail", "1.0.4:a.js"), False),
        (an_event("download_manifest_file_fail", "1.0.4:a.js", platform="ios"), True),
        (an_event("manifest_path_fail", "1.0.4", platform="ios"), True),
        (an_event("download_fail", "1.0.3", platform="ios"), True),  # it was offered a manifest
        (an_event("download_fail", "1.0.3", platform="ios", plugin="6.3.0"), False),  # a zip
    ],
)
def test_on_ios_the_name_of_a_failed_manifest_is_dead(event, dead):
    (change,) = changes(event)
    assert change.dead is dead


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        (NO_FACTS, False),
        (OFFERED, False),
        (DeviceFacts(failures=(Failure(name_hash("1.0.4"), FailureStage.FAILED_ONCE, Cause.DOWNLOAD_FAIL),)), True),
        (DeviceFacts(failures=(Failure(name_hash("1.0.4"), FailureStage.FOR_A_DAY, Cause.CHECKSUM_FAIL),)), True),
        (DeviceFacts(failures=(Failure(name_hash("1.0.4"), FailureStage.FOR_GOOD, Cause.UPDATE_FAIL),)), False),
        (DeviceFacts(failures=(Failure(name_hash("1.0.3"), FailureStage.FAILED_ONCE, Cause.DOWNLOAD_FAIL),)), False),
    ],
)
@pytest.mark.parametrize("action", ["set", "set_next"])
def test_an_installation_is_told_where_its_downloads_failed_before(action, facts, told):
    expected = [Installed(APP, DEVICE, "1.0.4")] if told else []
    assert changes(an_event(action, "1.0.4"), facts=facts) == expected


OPEN = change_facts(NO_FACTS, Offered(APP, DEVICE, "1.0.4", "1.0.0", 5), MOMENT.now)


@pytest.mark.parametrize("action", ["download_complete", "set", "set_next"])
@pytest.mark.parametrize(
    ("facts", "version", "told"),
    [
        (OPEN, "1.0.4", True),
        (OPEN, "1.0.3", False),
        (change_facts(OPEN, Downloaded(APP, DEVICE, "1.0.4"), MOMENT.now), "1.0.4", False),
        (NO_FACTS, "1.0.4", True),  # its offer may wait to be noted
    ],
)
def test_a_download_of_a_bundle_of_ours_is_told_until_it_is_noted(action, facts, version, told):
    found = list(downloads_in([an_event(action, version)], SNAPSHOT, lambda app, device: facts))
    assert found == ([Downloaded(APP, DEVICE, version)] if told else [])


def test_nothing_else_says_that_a_bundle_was_downloaded():
    others = [an_event(action, "1.0.4") for action in sorted(ACTIONS - DOWNLOADED)]
    assert list(downloads_in(others, SNAPSHOT, lambda app, device: OPEN)) == []


@pytest.mark.parametrize(("runs", "dead"), [("1.0.3", False), ("1.0.4", False)])
def test_on_ios_a_zip_that_failed_is_tried_again(runs, dead):
    snapshot = a_snapshot(a_released_app("1.0.4", prefer=Prefer.ZIP))
    event = an_event("download_fail", runs, platform="ios")
    found = changes_in([event], snapshot, lambda app, device: OFFERED, MOMENT, PEER)
    assert [change.dead for _, change in found] == [dead]
