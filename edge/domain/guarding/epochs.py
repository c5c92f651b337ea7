"""The epochs of a watch: a count that begins again every six hours and at every step of the rollout. Pure.

A count that runs since the start forgets slowly: after 20,000 good attempts, a change to 10 % is noticed after 6,000
more; in an epoch of its own after some hundreds. A vote belongs to the epoch in which its `set` arrived.
"""

from typing import NamedTuple

from edge.domain.guarding.watch import Watch
from edge.domain.model import Rollout
from edge.domain.schedule.rollout import begins_after, share_at, step_at
from edge.domain.shares import WHOLE_SHARE

EPOCH_MS = 6 * 3_600_000
OPEN_EPOCHS = 8  # the latest, two days: a crash is reported at the next start; the rows of older ones can go


class Epoch(NamedTuple):
    """`number` counts from 1. `step` is the rollout's, `share` what it offers, in thousandths of a percent."""

    number: int
    began_ms: int
    step: int
    share: int


def epochs_through(known: tuple[Epoch, ...], watch: Watch, now_ms: int) -> tuple[Epoch, ...]:
    """The epochs until `now_ms`: those `known` already, which never change, and those that have begun since. Keep
    them: a step that somebody started by hand is no longer in the rollout after the next one."""
    epochs = list(known) or [_epoch(1, watch.since_ms, watch.rollout)]
    while (begins_ms := _next_ms(epochs[-1], watch.rollout)) <= now_ms:
        epochs.append(_epoch(epochs[-1].number + 1, begins_ms, watch.rollout))
    return tuple(epochs)


def epoch_of(epochs: tuple[Epoch, ...], at_ms: int) -> Epoch:
    """The one of a vote whose `set` arrived then. The first, if it was before all."""
    return next((each for each in reversed(epochs) if each.began_ms <= at_ms), epochs[0])


def open_epochs(epochs: tuple[Epoch, ...]) -> tuple[Epoch, ...]:
    """The latest, whose counts are judged."""
    return epochs[-OPEN_EPOCHS:]


def _epoch(number: int, began_ms: int, rollout: Rollout | None) -> Epoch:
    if rollout is None:
        return Epoch(number, began_ms, 0, WHOLE_SHARE)
    at = began_ms / 1000
    return Epoch(number, began_ms, step_at(rollout, at), share_at(rollout, at))


def _next_ms(last: Epoch, rollout: Rollout | None) -> int:
    ends_ms = last.began_ms + EPOCH_MS
    if rollout is None:
        return ends_ms
    steps = len(rollout.steps) - rollout.step if rollout.every_seconds and rollout.frozen is None else 1
    # A millisecond late, since `began` has more digits: never before the step itself.
    later = (int(begins_after(rollout, index) * 1000) + 1 for index in range(1, steps))
    starts = (int(rollout.began * 1000), *later)
    return min((ends_ms, *(each for each in starts if each > last.began_ms)))
