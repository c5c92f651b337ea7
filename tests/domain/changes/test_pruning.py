"""Pruning removes what nobody needs, and never what a channel offers, tries, has on its way or can fall back to."""

import pytest
from factories import NOW, a_bundle, a_change, an_app
from histories import STORIES, a_history
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.changes.apply import apply
from edge.domain.changes.commands import (
    ChannelSettings,
    CreateChannel,
    MoveRollout,
    NewArm,
    PruneBundles,
    PublishBundle,
    RollBack,
    SetChannel,
    StartExperiment,
    StartRollout,
    WithdrawBundle,
)
from edge.domain.changes.pruning import KEEP_LIMIT
from edge.domain.errors import Conflict, Invalid
from edge.domain.schedule.rollout import Move
from edge.domain.states import good_ones

VERSIONS = tuple(f"1.{minor}.0" for minor in range(8))
START = StartRollout(channel="stable", bundle="1.1.0", steps=(1_000,), downgrade=True)
ARMS = (NewArm(name="a", bundle="1.0.0", weight=50_000), NewArm(name="b", bundle="1.2.0", weight=50_000))


def offering(version):
    return SetChannel(name="stable", settings=ChannelSettings(bundle=version))


# What was done with the eight versions, and which stay when none is to be kept for being new.
NEEDED = {
    "nothing": ((), set()),
    "an offer": ((offering("1.3.0"),), {"1.3.0"}),
    "the earlier ones": ((offering("1.1.0"), offering("1.3.0"), offering("1.5.0")), {"1.1.0", "1.3.0", "1.5.0"}),
    "builtin with earlier ones": ((offering("1.1.0"), offering("1.2.0"), offering("builtin")), {"1.1.0"}),
    "a withdrawn offer and its stand-in": (
        (offering("1.1.0"), offering("1.2.0"), WithdrawBundle(version="1.2.0", reason="x")),
        {"1.1.0", "1.2.0"},
    ),
    "an earlier one that was withdrawn": (
        (offering("1.1.0"), offering("1.2.0"), WithdrawBundle(version="1.1.0", reason="x")),
        {"1.2.0"},
    ),
    "a rollout": ((offering("1.4.0"), START), {"1.4.0", "1.1.0"}),
    "a paused one": ((offering("1.4.0"), START, MoveRollout(channel="stable", move=Move.PAUSE)), {"1.4.0", "1.1.0"}),
    "one that was rolled back": ((offering("1.4.0"), START, RollBack(channel="stable")), {"1.4.0"}),
    "arms": (
        (offering("1.4.0"), StartExperiment(channel="stable", name="x", arms=ARMS, downgrade=True)),
        {"1.4.0", "1.0.0", "1.2.0"},
    ),
}


def published(*commands):
    state = an_app(CreateChannel(name="stable"))
    for number, version in enumerate(VERSIONS):
        state = apply(state, a_change(PublishBundle(bundle=a_bundle(version)), at=NOW + number))
    for command in commands:
        state = apply(state, a_change(command, at=NOW + 100))
    return state


@pytest.mark.parametrize(("commands", "needed"), NEEDED.values(), ids=NEEDED)
def test_what_a_channel_needs_stays(commands, needed):
    state = published(*commands)
    after = apply(state, a_change(PruneBundles(keep=0)))
    assert set(after.bundles) == needed
    assert set(after.retired) == set(VERSIONS) - needed
    assert set(apply(state, a_change(PruneBundles(keep=2))).bundles) == needed | set(VERSIONS[-2:])


def test_the_newest_stay_and_pruning_again_changes_nothing():
    after = apply(published(), a_change(PruneBundles(keep=3)))
    assert set(after.bundles) == set(VERSIONS[-3:])
    assert apply(after, a_change(PruneBundles(keep=3))) is after
    assert apply(after, a_change(PruneBundles(keep=KEEP_LIMIT))) is after


def test_a_pruned_name_stays_used_up():
    after = apply(published(), a_change(PruneBundles(keep=0)))
    with pytest.raises(Conflict, match="other files"):
        apply(after, a_change(PublishBundle(bundle=a_bundle("1.0.0", content="f" * 64))))


@pytest.mark.parametrize("keep", [-1, KEEP_LIMIT + 1])
def test_an_odd_number_is_refused(keep):
    with pytest.raises(Invalid) as refused:
        apply(published(), a_change(PruneBundles(keep=keep)))
    assert refused.value.code == "invalid_keep"


@given(story=STORIES, keep=st.integers(0, 4))
def test_after_any_story_every_channel_offers_and_falls_back_as_before(story, keep):
    state = a_history(story).state
    after = apply(state, a_change(PruneBundles(keep=keep)))
    for name, channel in state.channels.items():
        kept = after.channels[name]
        assert (kept.bundle, kept.rollout, kept.experiment) == (channel.bundle, channel.rollout, channel.experiment)
        assert list(good_ones(after, kept)) == list(good_ones(state, channel))
