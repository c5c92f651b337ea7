"""A node whose view is too old offers nothing new; what was taken back it still takes from devices."""

import pytest
from decision_world import CHECKS, FACTS, a_view
from factories import MOMENT, NOW, a_bundle, a_check, a_snapshot, an_app, failed
from histories import STORIES, a_history
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.domain.changes.commands import (
    ChannelSettings,
    CreateChannel,
    MoveRollout,
    PublishBundle,
    RollBack,
    StartRollout,
    WithdrawBundle,
)
from edge.domain.decision.decide import decide
from edge.domain.decision.explain import StepOutcome, explain
from edge.domain.decision.outcomes import Blocked, Offer, Reason, RevertToBuiltin, UpToDate
from edge.domain.facts import DeviceFacts
from edge.domain.schedule.freshness import Staleness
from edge.domain.schedule.rollout import Moment, Move

STALENESS = Staleness(NOW - 2_000, NOW, 2_000, 900)
STALE = MOMENT._replace(stale=STALENESS)
PUBLIC = CreateChannel(name="production", settings=ChannelSettings(public=True))


def publish(version, channel="production"):
    return PublishBundle(bundle=a_bundle(version), channel=channel)


def told(decision):
    match decision:
        case Offer(bundle):
            return bundle.version
        case RevertToBuiltin():
            return "builtin"
        case Blocked(reason):
            return reason.code
    return decision.code


BOTH = (PUBLIC, publish("1.0.1"), publish("1.0.2"))
ROLLOUT = StartRollout(channel="production", bundle="1.0.2", steps=(100_000,))
UPLOADED = (PUBLIC, publish("1.0.1"), publish("1.0.2", None), ROLLOUT)
WITHDRAWN = (*BOTH, WithdrawBundle(version="1.0.2", reason="it crashes"))

# What was changed before the node was cut off, what the device runs, and what it hears then.
CASES = [
    pytest.param(BOTH, "1.0.1", "1.0.2", "stale", id="a new bundle"),
    pytest.param(BOTH, "1.0.0", "1.0.2", "stale", id="the first bundle of a fresh app"),
    pytest.param(BOTH, "1.0.2", "up_to_date", "up_to_date", id="nothing new"),
    pytest.param(UPLOADED, "1.0.1", "1.0.2", "stale", id="a rollout"),
    pytest.param(WITHDRAWN, "1.0.2", "1.0.1", "1.0.1", id="away from a withdrawn bundle"),
    pytest.param(WITHDRAWN, "1.0.1", "bundle_withdrawn", "bundle_withdrawn", id="stays"),
    pytest.param(WITHDRAWN, "1.0.0", "1.0.1", "stale", id="what stands in for a withdrawn bundle is new to others"),
    pytest.param((*BOTH, RollBack(channel="production")), "1.0.2", "1.0.1", "1.0.1", id="rolled back"),
    pytest.param(
        (*BOTH, RollBack(channel="production", to="builtin")), "1.0.2", "builtin", "builtin", id="forced to builtin"
    ),
    pytest.param(
        (*UPLOADED, MoveRollout(channel="production", move=Move.ROLL_BACK)),
        *("1.0.2", "1.0.1", "1.0.1"),
        id="a rollout that was rolled back",
    ),
    pytest.param(
        (*UPLOADED, MoveRollout(channel="production", move=Move.PAUSE)),
        *("1.0.1", "rollout_paused", "rollout_paused"),
        id="a paused rollout takes in nobody",
    ),
]


@pytest.mark.parametrize(("commands", "runs", "fresh", "stale"), CASES)
def test_what_a_device_hears_of_a_node_that_was_cut_off(commands, runs, fresh, stale):
    snapshot, check = a_snapshot(an_app(*commands)), a_check(version_name=runs)
    assert told(decide(snapshot, check, MOMENT)) == fresh
    assert told(decide(snapshot, check, STALE)) == stale


def test_a_bundle_that_failed_on_the_device_stays_withheld_and_what_stands_in_is_new_to_it():
    snapshot = a_snapshot(an_app(*BOTH))
    facts = DeviceFacts(failures=failed("1.0.2"))
    assert told(decide(snapshot, a_check(version_name="1.0.0"), MOMENT, facts)) == "1.0.1"
    assert told(decide(snapshot, a_check(version_name="1.0.0"), STALE, facts)) == "stale"


def test_explain_says_why_with_times():
    steps, decision = explain(a_snapshot(an_app(*BOTH)), a_check(version_name="1.0.1"), STALE)
    assert decision == Blocked(Reason.STALE, "1.0.2")
    assert (steps[-1].rule, steps[-1].outcome) == ("stale", StepOutcome.STOPS)
    assert steps[-1].saw == STALENESS._asdict() | {"way_back": False}
    fresh, _ = explain(a_snapshot(an_app(*BOTH)), a_check(version_name="1.0.1"), MOMENT)
    assert "stale" not in {step.rule for step in fresh}


@settings(max_examples=60)
@given(STORIES, st.lists(st.tuples(CHECKS, FACTS, st.floats(-2_000, 60_000)), min_size=1, max_size=8))
def test_a_stale_node_says_what_a_fresh_one_says_or_nothing_and_nothing_of_a_way_back_is_lost(commands, questions):
    history = a_history(commands)
    snapshot = a_view(history.state)
    for check, facts, after in questions:
        moment = Moment(history.now + after, history.now + after)
        stale = moment._replace(stale=STALENESS)
        before, now = decide(snapshot, check, moment, facts), decide(snapshot, check, stale, facts)
        assert now == before or (isinstance(now, Blocked) and now.reason is Reason.STALE)
        if now != before:
            assert isinstance(before, Offer)  # reverting to builtin is always a way back
        if isinstance(before, UpToDate | RevertToBuiltin | Blocked):
            assert now == before
        steps, _ = explain(snapshot, check, stale, facts)
        assert (steps[-1].rule == "stale") == (now != before)
