"""Undo: the state before the last change, what of it needs force, and where a rollout goes on."""

import pytest
from factories import NOW, a_bundle, a_change, digest
from histories import PUBLISHED, SECONDS_BETWEEN, History, as_before

from edge.domain.changes.apply import apply
from edge.domain.changes.commands import (
    ChannelSettings,
    ClearOverride,
    CreateChannel,
    DeleteBundle,
    DeleteChannel,
    DeleteIdSet,
    DeleteSegment,
    MoveRollout,
    NewArm,
    PublishBundle,
    PutIdSet,
    RollBack,
    SegmentSettings,
    SetChannel,
    SetOverride,
    SetSegment,
    StartExperiment,
    StartRollout,
    StopExperiment,
    Undo,
    WithdrawBundle,
)
from edge.domain.errors import Conflict
from edge.domain.model import Phase
from edge.domain.schedule.rollout import Move, share_at, step_at

STEPS = (1_000, 5_000, 20_000, 50_000, 100_000)
EVERY = 1_500  # seconds; the histories make a change every 1,000
ROLLOUT = StartRollout(channel="production", bundle="1.0.2", steps=STEPS, every_seconds=EVERY)
ARMS = (NewArm(name="a", bundle="1.0.1", weight=50_000), NewArm(name="b", bundle="1.0.3", weight=50_000))
EXPERIMENT = StartExperiment(channel="production", name="colours", arms=ARMS)
DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"
VIP = PutIdSet(name="vip", blob=digest("vip"), ids=2)
BACK = RollBack(channel="production")


def a_move(wanted: Move) -> MoveRollout:
    return MoveRollout(channel="production", move=wanted)


def offers(bundle: str, **terms: bool) -> SetChannel:
    return SetChannel(name="production", settings=ChannelSettings(bundle=bundle), **terms)


PAUSE, RESUME, ADVANCE, PROMOTE, END = map(a_move, Move)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ((ROLLOUT, PAUSE), "resume the rollout on channel 'production'"),
        ((ROLLOUT, END), "resume the rollout on channel 'production'"),
        ((ROLLOUT, PAUSE, END), "resume the rollout on channel 'production'"),
        ((ROLLOUT, BACK), "resume the rollout on channel 'production'"),
        ((WithdrawBundle(version="1.0.4", reason="x"),), "offer the withdrawn bundle '1.0.4' again"),
        ((ROLLOUT, WithdrawBundle(version="1.0.2", reason="x")), "'1.0.2' again; resume the rollout"),
        ((EXPERIMENT, BACK), "resume experiment 'colours'"),
        ((EXPERIMENT, StopExperiment(channel="production", keep="b")), "resume experiment 'colours'"),
        ((offers("1.0.2"), BACK), "offer '1.0.2', which was rolled back, on channel 'production' again"),
        (
            (offers("1.0.2"), offers("1.0.1", downgrade=True)),
            "offer '1.0.2', which was rolled back, on channel 'production'",
        ),
        ((offers("builtin"),), "offer '1.0.1', which was rolled back, on channel 'production'"),
        ((offers("1.0.2"), Undo(revision=-1)), "offer '1.0.2', which was rolled back, on channel 'production'"),
    ],
)
def test_undoing_a_stop_needs_force(changes, says):
    history = History(*PUBLISHED, *changes)
    stopped, before = history.state, history.before
    with pytest.raises(Conflict) as caught:
        history.undo()
    assert (caught.value.code, says in caught.value.message) == ("undoes_a_stop", True), caught.value.message
    assert history.state is stopped
    assert as_before(history.undo(force=True)) == as_before(before)


@pytest.mark.parametrize(
    "changes",
    [
        (offers("1.0.2"),),
        (PublishBundle(bundle=a_bundle("2.0.0"), channel="production"),),
        (PublishBundle(bundle=a_bundle("2.0.0")),),
        (DeleteBundle(version="1.1.0"),),
        (CreateChannel(name="inner", settings=ChannelSettings(bundle="1.0.1")),),
        (CreateChannel(name="inner", settings=ChannelSettings(public=True), replace=True),),
        (CreateChannel(name="inner"), DeleteChannel(name="inner")),
        (SetChannel(name="production", settings=ChannelSettings(spread_seconds=60, windows=("Mon 01:00-02:00 UTC",))),),
        (SetOverride(device=DEVICE, channel="beta"),),
        (SetOverride(device=DEVICE, channel="beta"), ClearOverride(device=DEVICE)),
        (SetSegment(name="droids", settings=SegmentSettings(channel="beta")),),
        (DeleteSegment(name="droids"),),
        (VIP,),
        (VIP, DeleteIdSet(name="vip")),
        (VIP, PutIdSet(name="vip", blob=digest("others"), ids=9)),
        (ROLLOUT,),
        (ROLLOUT, ADVANCE),
        (ROLLOUT, PROMOTE),
        (ROLLOUT, PAUSE, RESUME),
        (ROLLOUT, PAUSE, PROMOTE),
        (EXPERIMENT,),
    ],
)
def test_undoing_anything_else_needs_none(changes):
    history = History(*PUBLISHED, *changes)
    before, revision = history.before, history.state.revision
    undone = history.undo()
    assert as_before(undone) == as_before(before)
    assert (undone.revision, undone.recent[-1].id) == (revision + 1, history.changes[-1].id)


# --- what comes back otherwise than it was ---


@pytest.mark.parametrize(
    ("moves", "phase", "step"),
    [
        # Started and stopped 1,000 s later, in its first step; undone another 1,000 s later.
        ((PAUSE,), Phase.RUNNING, 0),
        ((END,), Phase.RUNNING, 0),
        ((PROMOTE,), Phase.RUNNING, 0),
        ((offers("1.0.2", force=True),), Phase.RUNNING, 0),  # it has arrived
        ((PAUSE, END), Phase.PAUSED, 0),
        ((PAUSE, PROMOTE), Phase.PAUSED, 0),
        ((ADVANCE, PAUSE), Phase.RUNNING, 1),
        ((PAUSE, RESUME, ADVANCE, END), Phase.RUNNING, 1),
    ],
)
def test_a_rollout_goes_on_from_the_share_that_it_had(moves, phase, step):
    history = History(*PUBLISHED, ROLLOUT, *moves)
    at = history.now
    rollout = history.undo(force=True).channels["production"].rollout
    assert (rollout.phase, share_at(rollout, at)) == (phase, STEPS[step])
    if phase is Phase.RUNNING:
        assert (share_at(rollout, at + EVERY - 1), share_at(rollout, at + EVERY)) == (STEPS[step], STEPS[step + 1])
    else:
        assert share_at(rollout, at + 1e9) == STEPS[step]


def test_an_undone_pause_does_not_make_up_for_the_time_that_it_took():
    history = History(*PUBLISHED, ROLLOUT, SetOverride(device=DEVICE, channel="beta"), PAUSE)
    stopped = history.now - SECONDS_BETWEEN
    before = history.before.channels["production"].rollout
    assert step_at(before, stopped) == 1
    for revision in range(3):
        history.attempt(Undo(revision=revision))  # refused; time passes
    rollout = history.undo(force=True).channels["production"].rollout
    assert step_at(rollout, history.now - SECONDS_BETWEEN) == 1 < step_at(before, history.now - SECONDS_BETWEEN)


def test_a_rollout_that_another_change_left_alone_is_not_touched():
    history = History(*PUBLISHED, ROLLOUT, SetOverride(device=DEVICE, channel="beta"))
    before = history.state.channels["production"].rollout
    assert history.undo().channels["production"].rollout == before


@pytest.mark.parametrize(
    ("changes", "rolled_back"),
    [
        ((offers("1.0.2"),), True),  # to what was before is a way back
        ((offers("1.0.2"), BACK), False),  # and to what was rolled back, forward
        ((offers("1.0.2"), Undo(revision=-1)), False),
        ((offers("1.0.2"), BACK, SetChannel(name="production", settings=ChannelSettings(prod=False))), True),
    ],
)
def test_an_undo_that_changes_the_bundle_is_a_change_of_its_own(changes, rolled_back):
    history = History(*PUBLISHED, *changes)
    kept, at = history.state.channels["production"], history.now
    channel = history.undo(force=True).channels["production"]
    assert channel.rolled_back is rolled_back
    assert channel.changed == (kept.changed if channel.bundle == kept.bundle else at)


def test_a_name_that_was_published_stays_used_up():
    history = History(*PUBLISHED, PublishBundle(bundle=a_bundle("2.0.0")))
    at = history.now
    retired = history.undo().retired["2.0.0"]
    assert (retired.zip, retired.deleted) == (digest("zip 2.0.0"), at)
    other = a_bundle("2.0.0", content=digest("other"), zip=digest("other zip"))
    with pytest.raises(Conflict, match="other files") as caught:
        history.do(PublishBundle(bundle=other))
    assert caught.value.code == "version_taken"
    assert "2.0.0" not in history.do(PublishBundle(bundle=a_bundle("2.0.0"))).retired


def test_a_deleted_bundle_comes_back_with_its_place():
    history = History(*PUBLISHED, offers("1.0.2"), offers("1.0.3"), DeleteBundle(version="1.0.1"))
    restored = history.undo()
    assert (restored.channels["production"].earlier, "1.0.1" in restored.retired) == (("1.0.1", "1.0.2"), False)
    assert restored.bundles["1.0.1"].manifest == a_bundle("1.0.1").manifest


# --- what cannot be undone ---


def test_the_latest_revision_alone_is_undone():
    history = History(*PUBLISHED, offers("1.0.2"))
    latest = history.state.revision
    for revision in (latest - 1, latest + 1, 0):
        with pytest.raises(Conflict, match=f"which is {latest}") as caught:
            history.do(Undo(revision=revision, force=True))
        assert caught.value.code == "head_moved"


def test_an_apps_beginning_is_not_undone():
    history = History()
    with pytest.raises(Conflict) as caught:
        history.undo()
    assert caught.value.code == "nothing_to_undo"


def test_an_undo_that_comes_again_is_known():
    history = History(*PUBLISHED, offers("1.0.2"))
    change = a_change(Undo(revision=history.state.revision), at=NOW)
    after = apply(history.state, change, history.before)
    assert apply(after, change, history.state) is after
    with pytest.raises(Conflict):
        apply(after, a_change(Undo(revision=history.state.revision)), history.state)


@pytest.mark.parametrize(
    ("changes", "wanted", "says"),
    [
        ((offers("1.0.2"),), 3, "latest revision of app 'com.example.app', which is 12, not 3"),
        (
            (offers("1.0.2"), Undo(revision=-1)),
            12,
            "revision 13 is itself an undo, and undoing it restores revision 12",
        ),
        ((offers("1.0.2"), Undo(revision=-1)), 11, "`edge rollback com.example.app CHANNEL --to V`"),
    ],
)
def test_a_revision_that_undo_cannot_reach_is_told_with_what_it_can(changes, wanted, says):
    history = History(*PUBLISHED, *changes)
    with pytest.raises(Conflict) as caught:
        history.do(Undo(revision=wanted))
    assert (caught.value.code, says in caught.value.message) == ("head_moved", True), caught.value.message
