"""Who can take what a channel offers: each device by the real decision."""

import pytest
from factories import MOMENT, a_bundle, a_change, a_check, a_released_app, a_snapshot

from edge.domain.changes.apply import apply
from edge.domain.changes.commands import (
    ChannelSettings,
    CreateChannel,
    MoveRollout,
    NewArm,
    PublishBundle,
    RollBack,
    SetChannel,
    StartExperiment,
    StartRollout,
    WithdrawBundle,
)
from edge.domain.decision.foresight.reach import count_reach, newly_offered, with_offer_to_all
from edge.domain.facts import NO_FACTS
from edge.domain.schedule.rollout import Move


def reach_of(check, *commands):
    state = a_released_app("1.0.1")
    for command in commands:
        state = apply(state, a_change(command))
    seen = count_reach(a_snapshot(state), "production", [(check, NO_FACTS)], MOMENT)
    return dict(seen.outcomes), seen.elsewhere


def settings(**given):
    return SetChannel(name="production", settings=ChannelSettings(**given))


NEW = PublishBundle(bundle=a_bundle("1.1.0"), channel="production")
MAJOR = PublishBundle(bundle=a_bundle("2.0.0"), channel="production")
TRY = StartExperiment(
    channel="production",
    name="look",
    arms=(NewArm(name="a", bundle="1.1.0", weight=50_000), NewArm(name="b", bundle="1.1.0", weight=50_000)),
)
OLD = a_check(version_name="1.0.1")

CASES = {
    "a newer bundle": (OLD, (NEW,), ({"offer": 1}, 0)),
    "the same one": (OLD, (), ({"has_it": 1}, 0)),
    "a rule keeps it": (OLD, (MAJOR,), ({"disable_auto_update_to_major": 1}, 0)),
    "builtin": (OLD, (settings(bundle="builtin"),), ({"offer": 1}, 0)),
    "an arm of an experiment": (OLD, (PublishBundle(bundle=a_bundle("1.1.0")), TRY), ({"another_bundle": 1}, 0)),
    "on no channel": (OLD, (settings(public=False),), ({}, 1)),
    "on another channel": (a_check(default_channel="beta"), (CreateChannel(name="beta"),), ({}, 1)),
}


@pytest.mark.parametrize("case", CASES)
def test_each_device_is_counted_by_what_becomes_of_its_check(case):
    check, commands, expected = CASES[case]
    assert reach_of(check, *commands) == expected


def after(state, *commands):
    for command in commands:
        state = apply(state, a_change(command))
    return state


NEXT = PublishBundle(bundle=a_bundle("2.0.0"))
START = StartRollout(channel="production", bundle="2.0.0", steps=(1_000,))
PROMOTE = MoveRollout(channel="production", move=Move.PROMOTE)

OFFERING = {
    "a publish": ((), NEW, True),
    "a publish on no channel": ((), NEXT, False),
    "a rollout": ((NEXT,), START, True),
    "its promotion": ((NEXT, START), PROMOTE, True),
    "its end": ((NEXT, START), RollBack(channel="production"), False),
    "a withdrawal": ((NEXT,), WithdrawBundle(version="2.0.0", reason="x"), False),
    "a setting": ((), settings(self_set=True), False),
}


@pytest.mark.parametrize("case", OFFERING)
def test_a_change_newly_offers_what_not_all_were_offered(case):
    before, change, offers = OFFERING[case]
    state = after(a_released_app("1.0.1"), *before)
    assert newly_offered(state, after(state, change)) == (["production"] if offers else [])


def test_who_could_take_a_rollout_is_counted_as_if_all_were_offered_it():
    state = with_offer_to_all(after(a_released_app("1.0.1"), NEXT, START), "production")
    seen = count_reach(a_snapshot(state), "production", [(OLD, NO_FACTS)], MOMENT)
    assert seen.outcomes == {"disable_auto_update_to_major": 1}
