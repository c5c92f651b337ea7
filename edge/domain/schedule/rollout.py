"""A rollout's arithmetic: its share at a moment, and which moves are legal. Pure; time is an argument.

The same rollout, device and moment have the same result on every node.
"""

import enum
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from edge.domain.errors import Conflict
from edge.domain.model import Phase, Rollout
from edge.domain.schedule.freshness import Staleness
from edge.domain.shares import WHOLE_SHARE

# How far a node's clock may be ahead of the last head that it verified before its rollouts wait. Heads are signed again
# every minute and read every second: a node that gets none for this long may have missed a pause.
GRACE_SECONDS = 300.0


class Moment(NamedTuple):
    """Two readings of time, in seconds since the epoch, and whether the node's view of its apps is too old."""

    now: float  # the node's clock
    proven: float  # the time that rollouts use: see `proven_time`
    stale: Staleness | None = None  # then nothing new is offered


class Move(enum.Enum):
    """What an operator can do to a rollout; LIFE_CYCLE lists the phases that allow it."""

    PAUSE = "pause"
    RESUME = "resume"
    ADVANCE = "advance"
    PROMOTE = "promote"
    ROLL_BACK = "rollback"


class Legal(NamedTuple):
    """A legal move: from which phases, to which one, and what it means."""

    before: tuple[Phase, ...]
    after: Phase
    meaning: str


_ACTIVE = (Phase.RUNNING, Phase.PAUSED)

LIFE_CYCLE: Mapping[Move, Legal] = {
    Move.PAUSE: Legal((Phase.RUNNING,), Phase.PAUSED, "offer the bundle to no more devices; those that run it keep it"),
    Move.RESUME: Legal(
        (Phase.PAUSED,), Phase.RUNNING, "continue at the same share; the step restarts, and so does the guard's count"
    ),
    Move.ADVANCE: Legal((Phase.RUNNING,), Phase.RUNNING, "start the next step now"),
    Move.PROMOTE: Legal(_ACTIVE, Phase.PROMOTED, "offer the bundle to all devices on the channel"),
    Move.ROLL_BACK: Legal(_ACTIVE, Phase.ROLLED_BACK, "take the bundle back; all devices get what the channel offers"),
}


def proven_time(clock: float, issued: float, before: float = 0.0, grace: float = GRACE_SECONDS) -> float:
    """The time that rollouts use: the node's clock, at most `grace` seconds past `issued`, when the last verified head
    was signed, and never below `before`, the previous result. All in seconds since the epoch.

    So a node that is cut off or whose clock is fast does not run ahead of a pause that has not reached it, and a clock
    that is set back takes the bundle from no device.
    """
    return max(min(clock, issued + grace), before)


def step_at(rollout: Rollout, now: float) -> int:
    """The index of the current step. `now` in seconds since the epoch, here and below."""
    if rollout.frozen is not None or rollout.gated or not rollout.every_seconds or now <= rollout.began:
        return rollout.step
    over = _steps_held(rollout, now) if rollout.holds else int((now - rollout.began) // rollout.every_seconds)
    return min(rollout.step + over, len(rollout.steps) - 1)


def step_began(rollout: Rollout, now: float) -> float:
    """When the current step began, in seconds since the epoch."""
    return begins_after(rollout, step_at(rollout, now) - rollout.step)


def is_held(rollout: Rollout, now: float) -> bool:
    """Whether a freeze keeps its next step from beginning."""
    return any(hold.begins <= now < hold.ends for hold in rollout.holds)


def begins_after(rollout: Rollout, steps: int) -> float:
    """When the step that many after its stored one begins by time: the rollout's clock stands still in a hold, and what
    falls on the beginning of one waits for its end."""
    at = rollout.began + steps * rollout.every_seconds
    if not steps:
        return at
    for hold in rollout.holds:
        if at < hold.begins:
            break
        at += max(0.0, hold.ends - max(hold.begins, rollout.began))
    return at


def _steps_held(rollout: Rollout, now: float) -> int:
    """How many steps are over, where holds count."""
    left = range(1, len(rollout.steps) - rollout.step)
    return next((steps - 1 for steps in left if now < begins_after(rollout, steps)), max(0, len(left)))


def share_at(rollout: Rollout, now: float) -> int:
    """The share that gets the bundle, 0 to WHOLE_SHARE; it never falls while a rollout runs."""
    if rollout.phase.is_active:
        return active_share_at(rollout, now)
    return WHOLE_SHARE if rollout.phase is Phase.PROMOTED else 0


def active_share_at(rollout: Rollout, now: float) -> int:
    """`share_at` of an active rollout, for checks."""
    if rollout.frozen is not None:
        return rollout.frozen
    return rollout.steps[step_at(rollout, now) if rollout.every_seconds else rollout.step]


def next_step_at(rollout: Rollout, now: float) -> float | None:
    """When the next step starts by itself, in seconds since the epoch; None: never."""
    return None if rollout.gated else step_ends(rollout, now)


def step_ends(rollout: Rollout, now: float) -> float | None:
    """When the current step's time is up, in seconds since the epoch: a gated rollout may advance from then on. None:
    never."""
    at = step_at(rollout, now)
    if rollout.phase is not Phase.RUNNING or not rollout.every_seconds or at + 1 >= len(rollout.steps):
        return None
    return begins_after(rollout, at - rollout.step + 1)


def move(rollout: Rollout, wanted: Move, at: float) -> Rollout:
    """The rollout after a move at `at`, in seconds since the epoch. Raises Conflict `illegal_move`, or `last_step` for
    an advance beyond the last."""
    legal = LIFE_CYCLE[wanted]
    if rollout.phase not in legal.before:
        allowed = " or ".join(phase.value for phase in legal.before)
        raise Conflict(
            "illegal_move", f"{wanted.value} needs a rollout that is {allowed}; this one is {rollout.phase.value}"
        )
    step = step_at(rollout, at)
    match wanted:
        case Move.PAUSE:
            began, share = step_began(rollout, at), share_at(rollout, at)
            return replace(rollout, phase=legal.after, step=step, began=began, frozen=share, paused=at)
        case Move.RESUME:
            again = replace(rollout, resumed=rollout.resumed + 1, resumed_at=at)
            return replace(again, phase=legal.after, frozen=None, began=at, paused=0.0)
        case Move.ADVANCE:
            if step + 1 >= len(rollout.steps):
                raise Conflict("last_step", "the rollout is at its last step; promote it to end it")
            return replace(rollout, step=step + 1, began=at)
        case _:
            share = share_at(rollout, at)
            return replace(rollout, phase=legal.after, step=step, began=at, frozen=share, paused=0.0)


def life_cycle_lines() -> list[str]:
    """The life cycle as help text, one line for each move."""
    return [
        f"{wanted.value:9} {' or '.join(phase.value for phase in legal.before)} -> {legal.after.value}: {legal.meaning}"
        for wanted, legal in LIFE_CYCLE.items()
    ]


def life_cycle_diagram() -> str:
    """The life cycle as a state diagram for Mermaid."""
    lines = ["stateDiagram-v2", f"    [*] --> {Phase.RUNNING.value}: start"]
    lines += [
        f"    {phase.value} --> {legal.after.value}: {wanted.value}"
        for wanted, legal in LIFE_CYCLE.items()
        for phase in legal.before
    ]
    return "\n".join([*lines, *(f"    {phase.value} --> [*]" for phase in Phase if not phase.is_active)])
