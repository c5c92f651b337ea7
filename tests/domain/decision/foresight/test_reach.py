"""Who can take what a channel offers: each device by the real decision."""

import pytest
from factories import MOMENT, a_bundle, a_change, a_check, a_released_app, a_snapshot

from edge.domain.changes.apply import apply
from edge.domain.changes.commands import (
    ChannelSettings,
    CreateChannel,
    NewArm,
    PublishBundle,
    SetChannel,
    StartExperiment,
)
from edge.domain.decision.foresight.reach import count_reach
from edge.domain.facts import NO_FACTS


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
