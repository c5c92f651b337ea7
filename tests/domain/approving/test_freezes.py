"""In a freeze nothing changes for devices, and rollouts stand still; what stops a release passes."""

import pytest
from factories import NOW, a_bundle
from histories import guard_acting
from hypothesis import given
from hypothesis import strategies as st
from two_people import BOB, Team

from edge.domain.app_parts.protection import RolloutHold
from edge.domain.changes.approving.approval_commands import EndFreeze, SetApproval, StartFreeze
from edge.domain.changes.commands import (
    ChannelSettings,
    DeleteBundle,
    MoveRollout,
    PublishBundle,
    RollBack,
    SegmentSettings,
    SetChannel,
    SetSegment,
    StartRollout,
    Undo,
    WithdrawBundle,
)
from edge.domain.changes.guard.acting import is_due
from edge.domain.changes.guard.guard_commands import Finding, GuardDeed, GuardSettings, SetGuard
from edge.domain.errors import EdgeError, Invalid, NotFound
from edge.domain.guarding.watch import watches_of
from edge.domain.model import Phase, Rollout
from edge.domain.schedule.rollout import Move, begins_after, is_held, next_step_at, share_at, step_at, step_began

FREE = SetApproval(channel="production", people=1)
STEPS = (1_000, 5_000, 50_000)
ROLLOUT = StartRollout(channel="production", bundle="1.0.3", steps=STEPS, every_seconds=3_600)
OFFER = SetChannel(name="production", settings=ChannelSettings(bundle="1.0.4"), force=True)


def frozen(*before, seconds: int = 86_400, channels=(), except_rollback=False) -> Team:
    team = Team(*before, protect=FREE)
    begins = team.now
    team.do(
        StartFreeze(begins=begins, ends=begins + seconds, channels=channels, except_rollback=except_rollback),
        reason="Black Friday",
    )
    return team


REFUSED = {
    "publish": PublishBundle(bundle=a_bundle("7.0.0"), channel="production"),
    "roll out": ROLLOUT,
    "another channel": SetChannel(name="beta", settings=ChannelSettings(bundle="1.0.4")),
    "settings": SetChannel(name="production", settings=ChannelSettings(emulator=False)),
    "withdraw": WithdrawBundle(version="1.0.1", reason="bad"),
    "a segment that leads": SetSegment(name="droids", settings=SegmentSettings(channel="beta")),
    "a rollback": RollBack(channel="production", to="builtin"),
}


@pytest.mark.parametrize("way", REFUSED)
def test_what_devices_are_offered_does_not_change(way):
    team = frozen()
    known = team.state
    with pytest.raises(EdgeError, match="Black Friday") as refused:
        team.do(REFUSED[way])
    assert (refused.value.code, team.state) == ("frozen", known)
    assert "2023-11-15" in str(refused.value) and "ann@example.com" in str(refused.value)


def test_what_changes_nothing_for_devices_is_done():
    team = frozen()
    team.do(PublishBundle(bundle=a_bundle("7.0.0")))
    team.do(DeleteBundle(version="7.0.0"))
    team.do(SetGuard(channel="production", settings=GuardSettings(max_failure=1_000)))


def test_a_rollback_passes_if_it_is_excepted():
    team = frozen(OFFER, except_rollback=True)
    team.do(RollBack(channel="production"))
    assert team.state.channels["production"].bundle == "1.0.1"
    with pytest.raises(EdgeError, match="A rollback passes"):
        team.do(Undo(revision=-1, force=True))


def test_a_freeze_of_one_channel_leaves_the_others():
    team = frozen(channels=("production",))
    team.do(SetChannel(name="beta", settings=ChannelSettings(bundle="1.0.4")))
    with pytest.raises(EdgeError, match="frozen"):
        team.do(OFFER)


def test_before_and_after_a_freeze_all_is_as_ever():
    team = Team(protect=FREE)
    team.do(StartFreeze(begins=team.now + 600, ends=team.now + 1_200))
    team.do(OFFER)
    team.now += 600
    with pytest.raises(EdgeError, match="frozen"):
        team.do(RollBack(channel="production"))
    team.now += 600
    team.do(RollBack(channel="production"))
    assert team.state.freezes == ()


def test_a_freeze_is_ended_before_its_time():
    team = frozen()
    (freeze,) = team.state.freezes
    team.do(EndFreeze(freeze=freeze.id), BOB)
    team.do(OFFER)
    with pytest.raises(NotFound, match="has: none"):
        team.do(EndFreeze(freeze=freeze.id))


def test_what_was_approved_waits_for_the_end_of_a_freeze():
    team = Team()
    proposal = team.propose(OFFER)
    team.do(StartFreeze(begins=team.now, ends=team.now + 600))
    with pytest.raises(EdgeError, match="frozen"):
        team.approve(proposal)
    team.now += 600
    team.approve(proposal)
    assert team.state.channels["production"].bundle == "1.0.4"


@pytest.mark.parametrize(
    ("begins", "ends"), [(0, 0), (0, -60), (400 * 86_400, 401 * 86_400), (0, 367 * 86_400)], ids=str
)
def test_a_freeze_that_makes_no_sense_is_refused(begins, ends):
    team = Team(protect=FREE)
    with pytest.raises(Invalid):
        team.do(StartFreeze(begins=team.now + begins, ends=team.now + ends))


# --- rollouts ---


def test_a_rollout_is_held_at_its_share_and_goes_on_afterwards():
    team = frozen(ROLLOUT, seconds=36_000)
    rollout = team.state.channels["production"].rollout
    (freeze,) = team.state.freezes
    assert [share_at(rollout, at) for at in (freeze.begins, freeze.ends - 1, freeze.ends)] == [1_000, 1_000, 1_000]
    due = rollout.began + 3_600 + 36_000
    assert next_step_at(rollout, freeze.begins) == due
    assert [step_at(rollout, at) for at in (due - 1, due, due + 3_600)] == [0, 1, 2]
    assert step_began(rollout, due + 10) == due


def test_a_freeze_that_is_ended_early_holds_no_longer():
    team = frozen(ROLLOUT, seconds=36_000)
    held = team.now
    team.do(EndFreeze(freeze=team.state.freezes[0].id))
    rollout = team.state.channels["production"].rollout
    assert rollout.holds == (RolloutHold(held - 60, held),)
    assert next_step_at(rollout, held) == rollout.began + 3_600 + 60


def test_what_a_freeze_held_stays_held_when_it_is_over_and_forgotten():
    team = frozen(ROLLOUT, seconds=7_200)
    (freeze,) = team.state.freezes
    team.now = freeze.ends + 10
    team.do(PublishBundle(bundle=a_bundle("7.0.0")))
    rollout = team.state.channels["production"].rollout
    assert (team.state.freezes, rollout.holds) == ((), (RolloutHold(freeze.begins, freeze.ends),))


def test_a_rollout_that_is_resumed_forgets_the_holds_before():
    team = frozen(ROLLOUT, seconds=600)
    team.now += 3_600
    team.do(MoveRollout(channel="production", move=Move.PAUSE))
    team.do(MoveRollout(channel="production", move=Move.RESUME))
    assert team.state.channels["production"].rollout.holds == ()


def test_the_guard_stops_a_release_in_a_freeze_and_lets_none_advance():
    gated = SetGuard(channel="production", settings=GuardSettings(auto_advance=True))
    team = frozen(gated, ROLLOUT, seconds=36_000)
    team.now += 7_200
    (watch,) = watches_of(team.state)
    assert not is_due(watch, team.now) and is_due(watch, team.state.freezes[0].ends + 3_600)
    with pytest.raises(EdgeError, match="frozen"):
        team.do(guard_acting(watch, GuardDeed.ADVANCE, Finding.PASSES, team.now), "guard")
    team.do(guard_acting(watch, GuardDeed.PAUSE, Finding.FAILS, team.now), "guard")
    assert team.state.channels["production"].rollout.phase is Phase.PAUSED


_seconds = st.integers(0, 2_000)


@given(
    st.lists(st.tuples(st.integers(-500, 2_000), st.integers(1, 400)), max_size=4),
    st.sampled_from((60, 100, 300)),
    st.integers(0, 3),
)
def test_a_step_takes_its_time_outside_of_holds(spans, every, step):
    holds, last = [], -1_000
    for begins, lasts in sorted(spans):
        if begins > last:
            holds.append(RolloutHold(NOW + begins, NOW + begins + lasts))
            last = begins + lasts
    steps = (1_000, 2_000, 3_000, 4_000, 5_000)
    rollout = Rollout(
        bundle="1.0.1", salt="a", steps=steps, every_seconds=every, began=NOW, step=step, holds=tuple(holds)
    )
    ran, at = 0, step  # by the second
    for second in range(5_000):
        now = NOW + second
        held = any(hold.begins <= now < hold.ends for hold in holds)
        while not held and ran >= every and at + 1 < len(steps):
            ran, at = ran - every, at + 1
            assert begins_after(rollout, at - step) == now
        assert (step_at(rollout, now), is_held(rollout, now)) == (at, held)
        ran += not held
