"""Another bundle for everybody on a channel: what is refused, with which ways out, and what force ends."""

import pytest
from factories import NOW, a_bundle
from histories import SECONDS_BETWEEN, History

from edge.domain.changes.commands import (
    ChannelSettings,
    CreateChannel,
    DeleteBundle,
    DeleteChannel,
    MoveRollout,
    NewArm,
    PublishBundle,
    RollBack,
    SegmentSettings,
    SetChannel,
    SetSegment,
    StartExperiment,
    StartRollout,
    StopExperiment,
    Undo,
    WithdrawBundle,
)
from edge.domain.changes.replacing import what_was_replaced
from edge.domain.changes.taking_back import TAKEN_BACK_LIMIT
from edge.domain.errors import EdgeError
from edge.domain.model import Phase
from edge.domain.schedule.rollout import Move

READY = (
    *(PublishBundle(bundle=a_bundle(version)) for version in ("1.0.1", "1.0.2", "1.1.0", "1.2.0")),
    CreateChannel(name="production", settings=ChannelSettings(public=True, bundle="1.0.2")),
    CreateChannel(name="empty"),
    SetSegment(name="team", settings=SegmentSettings(where='custom_id == "team"')),
    SetSegment(name="droids", settings=SegmentSettings(where='platform == "android"')),
)
ARMS = (NewArm(name="control", bundle="1.0.2", weight=50_000), NewArm(name="new", bundle="1.2.0", weight=50_000))


def rollout(**changes) -> StartRollout:
    return StartRollout(**({"channel": "production", "bundle": "1.1.0", "steps": (10_000,)} | changes))


def experiment(**changes) -> StartExperiment:
    return StartExperiment(**({"channel": "production", "name": "colours", "arms": ARMS} | changes))


def moved(move: Move) -> MoveRollout:
    return MoveRollout(channel="production", move=move)


def offers(bundle: str, channel: str = "production", **terms) -> SetChannel:
    return SetChannel(name=channel, settings=ChannelSettings(bundle=bundle), **terms)


def published(version: str, **terms) -> PublishBundle:
    return PublishBundle(bundle=a_bundle(version), **({"channel": "production"} | terms))


@pytest.mark.parametrize(
    ("before", "command", "code", "says"),
    [
        ((rollout(),), published("2.0.0"), "rollout_active", "`edge rollout promote com.example.app production`"),
        ((rollout(),), published("2.0.0"), "rollout_active", "`edge rollout rollback com.example.app production`"),
        ((rollout(),), published("2.0.0"), "rollout_active", "--force"),
        (
            (rollout(), moved(Move.PAUSE)),
            offers("1.2.0"),
            "rollout_active",
            "a rollout of 1.1.0 is running on channel 'production'",
        ),
        ((rollout(),), offers("builtin"), "rollout_active", "a rollout of 1.1.0 is running on channel 'production'"),
        (
            (rollout(),),
            published("1.1.0"),
            "rollout_active",
            "promote com.example.app production` offers it to all devices",
        ),
        ((experiment(),), published("2.0.0"), "experiment_active", "`edge experiment stop com.example.app production"),
        ((experiment(),), offers("1.2.0"), "experiment_active", "`edge rollback com.example.app production`"),
        ((experiment(segment="team"),), offers("1.2.0"), "experiment_active", "--force"),
        (
            (rollout(), experiment(segment="team")),
            offers("1.2.0"),
            "rollout_active",
            "a rollout of 1.1.0 is running on channel 'production'",
        ),
        (
            (rollout(), experiment(segment="team")),
            StopExperiment(channel="production", keep="new"),
            "rollout_active",
            "first",
        ),
        ((rollout(),), DeleteChannel(name="production"), "channel_in_use", "edge rollback com.example.app production"),
        ((experiment(),), DeleteChannel(name="production"), "channel_in_use", "edge rollback"),
        # A rollout under an experiment that has all its devices reaches nobody.
        ((experiment(),), rollout(), "experiment_active", "`edge experiment stop"),
        ((experiment(segment="team"),), rollout(segments=("team",)), "experiment_active", "colours"),
        ((experiment(segment="team"),), rollout(segments=("team",), first=("team",)), "experiment_active", "colours"),
        ((rollout(),), experiment(), "rollout_active", "--segment"),
        ((rollout(segments=("team",)),), experiment(segment="team"), "rollout_active", "--segment"),
        # Lower versions.
        ((), published("1.0.1"), "lower_version", "--downgrade"),
        ((), offers("1.0.1"), "lower_version", "has offered since 2023-11-14 23:"),
        ((), published("1.0.2-rc.1"), "lower_version", "1.0.2-rc.1 is below 1.0.2"),
        (
            (offers("1.2.0"), WithdrawBundle(version="1.2.0", reason="x")),
            offers("1.0.1"),
            "lower_version",
            "1.0.1 is below 1.0.2",
        ),
        ((), rollout(bundle="1.0.1"), "lower_version", "pass --downgrade if you mean it"),
        ((), experiment(arms=(*ARMS[:1], NewArm(name="old", bundle="1.0.1", weight=50_000))), "lower_version", "1.0.1"),
        # What the channel was rolled back from.
        ((offers("1.2.0"), RollBack(channel="production")), published("1.2.0"), "taken_back", "(by 'test')"),
        ((offers("1.2.0"), RollBack(channel="production")), offers("1.2.0"), "taken_back", "at 2023-11-15 01:"),
        ((offers("1.2.0"), RollBack(channel="production")), rollout(bundle="1.2.0"), "taken_back", "--again"),
        ((offers("1.2.0"), RollBack(channel="production")), experiment(), "taken_back", "a higher version"),
        ((offers("builtin"),), offers("1.0.2"), "taken_back", "was rolled back from 1.0.2"),
        ((published("2.0.0"), Undo(revision=-1)), published("2.0.0"), "taken_back", "was rolled back from 2.0.0"),
        ((offers("1.0.1", downgrade=True),), offers("1.0.2"), "taken_back", "was rolled back from 1.0.2"),
        ((rollout(), moved(Move.ROLL_BACK)), published("1.1.0"), "taken_back", "was rolled back from 1.1.0"),
        ((rollout(), RollBack(channel="production")), rollout(), "taken_back", "was rolled back from 1.1.0"),
        ((rollout(), Undo(revision=-1)), rollout(), "taken_back", "was rolled back from 1.1.0"),
        ((rollout(), offers("1.0.1", force=True, downgrade=True)), offers("1.1.0"), "taken_back", "1.1.0"),
        ((experiment(), RollBack(channel="production")), offers("1.2.0"), "taken_back", "was rolled back from 1.2.0"),
        (
            (published("2.0.0"), RollBack(channel="production"), DeleteBundle(version="2.0.0")),
            published("2.0.0"),
            "taken_back",
            "",
        ),
        # If current.
        ((), published("2.0.0", if_current="1.0.1"), "not_current", "has offered 1.0.2 since"),
        ((), offers("1.2.0", if_current="nothing"), "not_current", "(set by 'test')"),
        ((), offers("1.2.0", "empty", if_current="1.0.1"), "not_current", "offers nothing, not 1.0.1"),
        ((), SetChannel(name="production", settings=ChannelSettings(ios=False), if_current="1.0.1"), "not_current", ""),
        ((), published("2.0.0", channel=None, if_current="1.0.2"), "missing_channel", "name one"),
    ],
)
def test_what_is_refused_changes_nothing_and_names_the_ways_out(before, command, code, says):
    history = History(*READY, *before)
    state = history.state
    with pytest.raises(EdgeError) as caught:
        history.do(command)
    assert (caught.value.code, says in caught.value.message) == (code, True), caught.value.message
    assert history.state is state


@pytest.mark.parametrize(
    ("before", "command"),
    [
        ((), published("1.1.0")),
        ((), published("1.0.1", downgrade=True)),
        ((), published("1.0.2+build.2")),
        ((), offers("builtin")),
        ((offers("builtin"),), offers("1.0.1")),
        ((), rollout(bundle="1.0.1", downgrade=True)),
        ((), experiment(arms=(*ARMS[:1], NewArm(name="old", bundle="1.0.1", weight=50_000)), downgrade=True)),
        # What the channel was rolled back from, where that is meant, and what it did not go back from.
        ((offers("1.2.0"), RollBack(channel="production")), offers("1.2.0", again=True)),
        ((offers("1.2.0"), RollBack(channel="production")), published("1.2.0", again=True)),
        ((offers("1.2.0"), RollBack(channel="production")), rollout(bundle="1.2.0", again=True)),
        ((offers("1.2.0"), RollBack(channel="production")), experiment(again=True)),
        ((offers("1.2.0"), RollBack(channel="production")), offers("1.2.0", "empty")),
        ((offers("1.2.0"), RollBack(channel="production")), RollBack(channel="production", to="1.2.0")),
        ((offers("1.2.0"), RollBack(channel="production")), Undo(revision=-1, force=True)),
        (
            (offers("1.2.0"), RollBack(channel="production")),
            SetChannel(name="production", settings=ChannelSettings(ios=False)),
        ),
        ((rollout(), moved(Move.PROMOTE), Undo(revision=-1)), moved(Move.PROMOTE)),
        ((experiment(), StopExperiment(channel="production", keep="control")), offers("1.2.0")),
        ((), offers("1.0.1", "empty", if_current="nothing")),
        ((), offers("1.2.0", if_current="1.0.2")),
        ((offers("builtin"),), offers("1.2.0", if_current="builtin")),
        ((offers("1.2.0"), WithdrawBundle(version="1.2.0", reason="x")), offers("1.1.0")),  # above what stands in
        ((rollout(), moved(Move.ROLL_BACK)), published("2.0.0")),
        ((rollout(), moved(Move.PROMOTE)), published("2.0.0")),
        ((rollout(),), SetChannel(name="production", settings=ChannelSettings(ios=False))),
        ((experiment(segment="team"),), rollout()),
        ((experiment(segment="team"),), rollout(segments=("team", "droids"))),
        ((experiment(segment="team"),), rollout(segments=("team",), first=("droids",))),
        ((rollout(), experiment(segment="team")), StopExperiment(channel="production", keep="control")),
        ((rollout(), experiment(segment="team")), moved(Move.PROMOTE)),
        # Ways back need no word.
        ((offers("1.2.0"),), RollBack(channel="production")),
        ((offers("1.2.0"),), RollBack(channel="production", to="1.0.1")),
        ((rollout(),), RollBack(channel="production", to="1.0.1")),
    ],
)
def test_what_is_done(before, command):
    history = History(*READY, *before)
    revision = history.state.revision
    assert history.do(command).revision == revision + 1


@pytest.mark.parametrize(
    "command",
    [
        published("1.0.2"),
        offers("1.0.2", if_current="1.0.1"),  # it is there already
        offers("1.0.2", force=True),
    ],
)
def test_what_a_channel_offers_already_changes_nothing_and_ends_nothing(command):
    history = History(*READY, rollout())
    state = history.state
    assert history.do(command) is state


@pytest.mark.parametrize(
    ("before", "command", "phase"),
    [
        ((), published("2.0.0"), None),
        ((rollout(),), published("2.0.0", force=True), Phase.ROLLED_BACK),
        ((rollout(), moved(Move.PAUSE)), offers("1.2.0", force=True), Phase.ROLLED_BACK),
        ((rollout(),), offers("1.1.0", force=True), Phase.PROMOTED),
        ((experiment(),), published("2.0.0", force=True), None),
        (
            (rollout(), experiment(segment="team")),
            offers("1.2.0", force=True),
            Phase.ROLLED_BACK,
        ),
    ],
)
def test_force_ends_what_is_on_its_way_in_the_same_revision(before, command, phase):
    history = History(*READY, *before)
    old = history.state
    new = history.do(command)
    channel = new.channels["production"]
    assert new.revision == old.revision + 1
    assert (channel.rollout.phase if channel.rollout else None, channel.experiment) == (phase, None)
    replaced = what_was_replaced(old, new, "production")
    assert (replaced.bundle, replaced.by, replaced.changed) == ("1.0.2", "test", NOW + 5_000)
    assert (replaced.rollout.phase if replaced.rollout else None) is phase
    assert replaced.experiment == (old.channels["production"].experiment and "colours")


def test_what_a_channel_went_back_from_is_forgotten_once_it_is_offered_again():
    history = History(*READY, offers("1.2.0"), RollBack(channel="production"))
    (left,) = history.state.channels["production"].taken_back
    assert (left.bundle, left.at, left.by) == ("1.2.0", history.now - SECONDS_BETWEEN, "test")
    assert history.do(offers("1.2.0", again=True)).channels["production"].taken_back == ()
    assert [each.bundle for each in history.do(RollBack(channel="production")).channels["production"].taken_back] == [
        "1.2.0"
    ]


def test_a_channel_remembers_so_many_that_it_went_back_from_and_no_more():
    history = History(*READY)
    versions = [f"2.0.{number}" for number in range(TAKEN_BACK_LIMIT + 1)]
    for version in versions:
        history.do(published(version), RollBack(channel="production"))
    assert [each.bundle for each in history.state.channels["production"].taken_back] == versions[1:]


def test_what_stood_in_for_a_withdrawn_bundle_is_what_is_replaced():
    history = History(*READY, offers("1.1.0"), WithdrawBundle(version="1.1.0", reason="x"))
    replaced = what_was_replaced(history.state, history.do(offers("1.2.0")), "production")
    assert (replaced.bundle, replaced.withdrawn) == ("1.0.2", "1.1.0")


def test_nothing_is_replaced_where_the_channel_is_new_or_offers_what_it_did():
    history = History(*READY)
    old = history.state
    assert what_was_replaced(old, history.do(published("2.0.0", channel=None)), "production") is None
    assert what_was_replaced(old, history.do(offers("1.0.1", "empty")), "empty").bundle is None
    created = history.do(CreateChannel(name="beta", settings=ChannelSettings(bundle="1.0.1")))
    assert what_was_replaced(old, created, "beta") is None
