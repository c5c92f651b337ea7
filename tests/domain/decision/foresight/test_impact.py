"""What a change would do: to what channels offer, and to where devices end up."""

import pytest
from factories import MOMENT, a_bundle, a_change, a_check, a_released_app, a_snapshot

from edge.domain.changes.apply import apply
from edge.domain.changes.commands import (
    ChannelSettings,
    CreateChannel,
    DeleteBundle,
    DeleteChannel,
    MoveRollout,
    NewArm,
    PublishBundle,
    RollBack,
    SetChannel,
    StartExperiment,
    StartRollout,
    WithdrawBundle,
)
from edge.domain.decision.foresight.impact import ChannelImpact, Offering, count_devices, impact_of
from edge.domain.facts import NO_FACTS
from edge.domain.schedule.rollout import Move


def carried_out(state, *commands):
    for command in commands:
        state = apply(state, a_change(command))
    return state


def released():
    """1.0.1, then 1.1.0 for everybody; 1.2.0 offered to nobody."""
    return carried_out(
        a_released_app("1.0.1"),
        PublishBundle(bundle=a_bundle("1.1.0"), channel="production"),
        PublishBundle(bundle=a_bundle("1.2.0")),
    )


NOW_OFFERED = Offering("1.1.0", public=True, last_good="1.0.1")
START = StartRollout(channel="production", bundle="1.2.0", steps=(50_000,))
ARMS = (NewArm(name="a", bundle="1.1.0", weight=50_000), NewArm(name="b", bundle="1.2.0", weight=50_000))
TRY = StartExperiment(channel="production", name="look", arms=ARMS)
BUILTIN = SetChannel(name="production", settings=ChannelSettings(bundle="builtin"))
REPLACE = CreateChannel(name="beta", settings=ChannelSettings(public=True, bundle="1.2.0"), replace=True)

# What was done before, the change, and what becomes of the channels that it changes.
CASES = {
    "a withdrawal falls back": (
        (),
        WithdrawBundle(version="1.1.0", reason="x"),
        {"production": Offering("1.0.1", public=True, last_good="1.0.1")},
    ),
    "without a last good one it falls back to builtin": (
        (WithdrawBundle(version="1.0.1", reason="x"),),
        WithdrawBundle(version="1.1.0", reason="x"),
        {"production": Offering("builtin", public=True, last_good=None)},
    ),
    "builtin": ((), BUILTIN, {"production": Offering("builtin", public=True, last_good="1.0.1")}),
    "a rollback": ((), RollBack(channel="production"), {"production": Offering("1.0.1", public=True, last_good=None)}),
    "what nobody is offered": ((), DeleteBundle(version="1.2.0"), {}),
    "a deleted channel": ((), DeleteChannel(name="production"), {"production": None}),
    "a new channel": ((), CreateChannel(name="beta"), {"beta": Offering(None, public=False, last_good=None)}),
    "another public channel": (
        (),
        REPLACE,
        {
            "beta": Offering("1.2.0", public=True, last_good=None),
            "production": Offering("1.1.0", public=False, last_good="1.0.1"),
        },
    ),
    "a rollout": ((), START, {"production": Offering("1.1.0", public=True, last_good="1.0.1", rollout="1.2.0")}),
    "its promotion": (
        (START,),
        MoveRollout(channel="production", move=Move.PROMOTE),
        {"production": Offering("1.2.0", public=True, last_good="1.1.0")},
    ),
    "an experiment": ((), TRY, {"production": Offering("1.1.0", public=True, last_good="1.0.1", experiment="look")}),
}


@pytest.mark.parametrize(("before", "command", "expected"), CASES.values(), ids=CASES)
def test_the_channels_that_change_are_told_as_they_were_and_will_be(before, command, expected):
    state = carried_out(released(), *before)
    impact = impact_of(state, carried_out(state, command))
    assert {each.channel: each.after for each in impact.channels} == expected
    assert [each.channel for each in impact.channels] == sorted(expected)


def test_bundles_that_are_withdrawn_or_go_are_named_once():
    state = carried_out(released(), WithdrawBundle(version="1.0.1", reason="x"))
    after = carried_out(state, WithdrawBundle(version="1.1.0", reason="x"), DeleteBundle(version="1.2.0"))
    impact = impact_of(state, after)
    assert (impact.withdrawn, impact.removed) == (("1.1.0",), ("1.2.0",))
    assert impact.channels == (
        ChannelImpact(
            "production",
            Offering("1.1.0", public=True, last_good=None),
            Offering("builtin", public=True, last_good=None),
        ),
    )


def test_no_change_has_no_impact_and_a_new_app_neither():
    assert not impact_of(released(), released()).channels
    assert not impact_of(None, carried_out(a_released_app(), DeleteChannel(name="production"))).channels


def test_devices_are_counted_by_where_they_end_up():
    state = released()
    after = carried_out(state, WithdrawBundle(version="1.1.0", reason="x"))
    runs = {"1.0.0": 3, "1.0.1": 2, "1.1.0": 5}
    checks = [a_check(version_name=version) for version, n in runs.items() for _ in range(n)]
    asked = [(check, NO_FACTS) for check in checks]
    counted = count_devices(a_snapshot(state), a_snapshot(after), asked, MOMENT)
    assert counted.moves == {(runs, "1.1.0", "1.0.1"): n for runs, n in (("builtin", 3), ("1.0.1", 2), ("1.1.0", 5))}
    assert counted.running == {"builtin": 3, "1.0.1": 2, "1.1.0": 5}


def test_a_device_that_hears_nothing_new_goes_on_with_what_it_has():
    state = released()
    after = carried_out(state, DeleteChannel(name="production"))
    asked = [(a_check(version_name="1.0.1"), NO_FACTS), (a_check(version_name="1.1.0"), NO_FACTS)]
    assert count_devices(a_snapshot(state), a_snapshot(after), asked, MOMENT).moves == {("1.0.1", "1.1.0", "1.0.1"): 1}
    assert not count_devices(a_snapshot(state), a_snapshot(state), asked, MOMENT).moves
