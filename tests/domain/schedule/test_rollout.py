"""A rollout's arithmetic and its life cycle."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.errors import Conflict
from edge.domain.model import Phase, Rollout
from edge.domain.schedule.rollout import (
    GRACE_SECONDS,
    LIFE_CYCLE,
    Move,
    life_cycle_diagram,
    life_cycle_lines,
    move,
    next_step_at,
    proven_time,
    share_at,
    step_at,
)
from edge.domain.shares import WHOLE_SHARE

BEGAN, EVERY = 1_000.0, 600
STEPS = (1_000, 5_000, 25_000)
RUNNING = Rollout(bundle="1.0.2", salt="a", steps=STEPS, every_seconds=EVERY, began=BEGAN, started=BEGAN)
PAUSED = replace(RUNNING, phase=Phase.PAUSED, step=1, frozen=5_000)
BY_PHASE = {
    Phase.RUNNING: RUNNING,
    Phase.PAUSED: PAUSED,
    Phase.PROMOTED: replace(RUNNING, phase=Phase.PROMOTED, frozen=1_000),
    Phase.ROLLED_BACK: replace(RUNNING, phase=Phase.ROLLED_BACK, frozen=1_000),
}
ACTIVE = (Phase.RUNNING, Phase.PAUSED)
# Written out: what the life cycle must say.
LEGAL = {
    (Phase.RUNNING, Move.PAUSE): Phase.PAUSED,
    (Phase.PAUSED, Move.RESUME): Phase.RUNNING,
    (Phase.RUNNING, Move.ADVANCE): Phase.RUNNING,
    **{(phase, Move.PROMOTE): Phase.PROMOTED for phase in ACTIVE},
    **{(phase, Move.ROLL_BACK): Phase.ROLLED_BACK for phase in ACTIVE},
}


@pytest.mark.parametrize(
    ("now", "step", "share", "next_at"),
    [
        (0.0, 0, 1_000, 1_600.0),  # before it began
        (1_000.0, 0, 1_000, 1_600.0),
        (1_599.999, 0, 1_000, 1_600.0),
        (1_600.0, 1, 5_000, 2_200.0),
        (2_199.999, 1, 5_000, 2_200.0),
        (2_200.0, 2, 25_000, None),
        (1e12, 2, 25_000, None),
    ],
)
def test_steps_begin_on_the_second(now, step, share, next_at):
    assert (step_at(RUNNING, now), share_at(RUNNING, now), next_step_at(RUNNING, now)) == (step, share, next_at)


@pytest.mark.parametrize(
    ("rollout", "step", "share", "next_at"),
    [
        (replace(RUNNING, every_seconds=0), 0, 1_000, None),
        (replace(RUNNING, every_seconds=0, step=2), 2, 25_000, None),
        (replace(RUNNING, step=1, began=9_000.0), 1, 5_000, 9_600.0),
        (replace(RUNNING, step=1, began=8_400.0), 2, 25_000, None),
        (PAUSED, 1, 5_000, None),
        (replace(PAUSED, frozen=7), 1, 7, None),
        (BY_PHASE[Phase.PROMOTED], 0, WHOLE_SHARE, None),
        (BY_PHASE[Phase.ROLLED_BACK], 0, 0, None),
    ],
)
def test_a_rollout_after_a_while(rollout, step, share, next_at):
    assert (step_at(rollout, 9_000.0), share_at(rollout, 9_000.0)) == (step, share)
    assert next_step_at(rollout, 9_000.0) == next_at


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("wanted", Move)
def test_every_move_from_every_phase(phase, wanted):
    after = LEGAL.get((phase, wanted))
    if after is not None:
        assert move(BY_PHASE[phase], wanted, 1_100.0).phase is after
        return
    with pytest.raises(Conflict, match=rf"{wanted.value} needs .*; this one is {phase.value}") as caught:
        move(BY_PHASE[phase], wanted, 1_100.0)
    assert caught.value.code == "illegal_move"


@pytest.mark.parametrize("now", [2_200.0, 1e9])
def test_there_is_no_step_behind_the_last(now):
    with pytest.raises(Conflict, match="promote") as caught:
        move(RUNNING, Move.ADVANCE, now)
    assert caught.value.code == "last_step"


@pytest.mark.parametrize(
    ("moves", "now", "share"),
    [
        ([(Move.PAUSE, 1_100)], 9_000, 1_000),
        ([(Move.PAUSE, 1_600)], 9_000, 5_000),
        ([(Move.PAUSE, 900)], 9_000, 1_000),  # by a clock that was behind
        ([(Move.PAUSE, 1_700), (Move.RESUME, 5_000)], 5_000, 5_000),
        ([(Move.PAUSE, 1_700), (Move.RESUME, 5_000)], 5_599, 5_000),
        ([(Move.PAUSE, 1_700), (Move.RESUME, 5_000)], 5_600, 25_000),
        ([(Move.ADVANCE, 1_001)], 1_001, 5_000),
        ([(Move.ADVANCE, 1_001)], 1_600, 5_000),
        ([(Move.ADVANCE, 1_001)], 1_601, 25_000),
        ([(Move.ADVANCE, 1_001), (Move.ADVANCE, 1_002)], 1_002, 25_000),
        ([(Move.ADVANCE, 1_650)], 1_650, 25_000),
        ([(Move.PAUSE, 1_700), (Move.RESUME, 5_000), (Move.PAUSE, 5_100)], 9_000, 5_000),
        ([(Move.PAUSE, 1_700), (Move.PROMOTE, 1_800)], 1_800, WHOLE_SHARE),
        ([(Move.PAUSE, 1_700), (Move.ROLL_BACK, 1_800)], 1_800, 0),
    ],
)
def test_the_share_after_moves(moves, now, share):
    rollout = RUNNING
    for wanted, at in moves:
        rollout = move(rollout, wanted, float(at))
    assert share_at(rollout, float(now)) == share


def test_an_end_remembers_the_step_it_came_in():
    assert [move(RUNNING, end, 1_700.0).step for end in (Move.PAUSE, Move.PROMOTE, Move.ROLL_BACK)] == [1, 1, 1]
    assert move(PAUSED, Move.ROLL_BACK, 9_000.0).step == 1


def test_help_and_diagram_say_what_the_table_says():
    assert (
        {line.split()[0] for line in life_cycle_lines()}
        == {wanted.value for wanted in Move}
        == {wanted.value for wanted in LIFE_CYCLE}
    )
    arrows = {line.strip() for line in life_cycle_diagram().splitlines() if "-->" in line and "[*]" not in line}
    assert arrows == {f"{before.value} --> {after.value}: {wanted.value}" for (before, wanted), after in LEGAL.items()}


@pytest.mark.parametrize(
    ("clock", "issued", "before", "proven"),
    [
        (1_000.0, 1_000.0, 0.0, 1_000.0),
        (1_300.0, 1_000.0, 0.0, 1_300.0),
        (1_300.1, 1_000.0, 0.0, 1_300.0),  # a node that is cut off, or whose clock is fast
        (1e12, 1_000.0, 0.0, 1_000.0 + GRACE_SECONDS),
        (900.0, 1_000.0, 0.0, 900.0),  # a slow clock is its own
        (900.0, 1_000.0, 950.0, 950.0),  # one that stepped back is not
        (900.0, 500.0, 950.0, 950.0),
        (1_000.0, 0.0, 0.0, GRACE_SECONDS),  # no head yet
    ],
)
def test_proven_time(clock, issued, before, proven):
    assert proven_time(clock, issued, before) == proven


# --- whatever the moves ---

ROLLOUTS = st.builds(
    lambda steps, every: replace(RUNNING, steps=tuple(sorted(steps)), every_seconds=every),
    st.sets(st.integers(1, WHOLE_SHARE), min_size=1, max_size=8),
    st.sampled_from([0, 60, 600]),
)
MOVES = st.lists(st.tuples(st.sampled_from([Move.PAUSE, Move.RESUME, Move.ADVANCE]), st.floats(0, 2_000)), max_size=20)


@given(ROLLOUTS, MOVES)
def test_no_sequence_of_moves_lowers_the_share(rollout, moves):
    now = BEGAN
    for wanted, wait in moves:
        share, step = share_at(rollout, now), step_at(rollout, now)
        now += wait
        assert share_at(rollout, now) >= share
        try:
            after = move(rollout, wanted, now)
        except Conflict:
            continue
        if wanted is Move.ADVANCE:
            assert step_at(after, now) == step_at(rollout, now) + 1
        else:
            assert share_at(after, now) == share_at(rollout, now)
            assert step_at(after, now) == step_at(rollout, now) >= step
        rollout = after
    assert share_at(rollout, now) in rollout.steps


@given(ROLLOUTS, st.floats(0, 1e6), st.floats(0, 1e6), st.booleans())
def test_the_share_never_falls_with_time_and_stands_still_in_a_pause(rollout, one, other, paused):
    first, second = sorted((one, other))
    if paused:
        rollout = move(rollout, Move.PAUSE, first)
        assert share_at(rollout, first) == share_at(rollout, second) == share_at(rollout, 0.0)
    assert share_at(rollout, first) <= share_at(rollout, second)
    assert (next_at := next_step_at(rollout, first)) is None or step_at(rollout, next_at) == step_at(rollout, first) + 1


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 1e4)), min_size=1, max_size=8), st.randoms())
def test_proven_time_depends_on_what_was_read_not_on_the_order(readings, chance):
    def after(all_readings):
        proven = 0.0
        for clock, issued in all_readings:
            later = proven_time(clock, issued, proven)
            assert proven <= later <= max(proven, issued + GRACE_SECONDS)
            proven = later
        return proven

    shuffled = list(readings)
    chance.shuffle(shuffled)
    assert after(readings) == after(shuffled)
