"""Who runs a bundle over time: its adoption curve, and when it passes a share. Exact to the minute.

At minute t a bundle is run by the devices that have begun to say so at t or before, and have not ended by t.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

import msgspec

from edge.domain.statistics.definitions import Definition, Figure, figure, share

MARKS = (0.5, 0.9, 0.95)  # shares whose time is shown
POINTS_LIMIT = 500  # of a curve: more than a screen has columns

NO_OFFER = "it was not offered, or so long ago that single devices are no longer known"
NOT_HEARD = "no device of its channel was heard of since it was first offered"


class AdoptionChange(NamedTuple):
    """In this minute since the epoch, so many devices began and ended to say that they run the bundle."""

    minute: int
    began: int
    ended: int


class CurvePoint(msgspec.Struct, frozen=True, kw_only=True):
    """The share of `of` (see the curve) that runs the bundle at `at`, in seconds since the epoch."""

    at: int
    devices: int
    share: float


class MarkFigure(msgspec.Struct, frozen=True, kw_only=True):
    """How long after its first offer the bundle passed this share of the devices."""

    share: float
    time: Figure


class Adoption(msgspec.Struct, frozen=True, kw_only=True):
    """`running` devices at the end, the share that they are, and that 24 hours after the first offer (`first_offer`, in
    seconds since the epoch; null: unknown), the times to reach shares, and the curve between the first offer and the
    end. One denominator for all: the devices of the bundle's channels heard of since the first offer, and those that
    run it."""

    first_offer: int | None
    running: Figure
    now: Figure
    after_24_hours: Figure
    marks: list[MarkFigure]
    curve: list[CurvePoint]


def build_adoption(changes: Iterable[AdoptionChange], first: int | None, until: int, of: int, points: int) -> Adoption:
    """`first` and `until` in minutes since the epoch; the curve has at most `points`."""
    ordered = sorted(changes)
    running = _running(ordered, until)
    if first is None or not of:
        why = NO_OFFER if first is None else NOT_HEARD
        unknown = figure(Definition.ADOPTION, None, unknown=why)
        marks = [MarkFigure(share=m, time=figure(Definition.TIME_TO_SHARE, None, unknown=why)) for m in MARKS]
        return Adoption(
            first_offer=first and first * 60, running=figure(Definition.RUNNING, running), now=unknown,
            after_24_hours=unknown, marks=marks, curve=[],
        )  # fmt: skip
    day = first + 24 * 60
    return Adoption(
        first_offer=first * 60,
        running=figure(Definition.RUNNING, running),
        now=share(Definition.ADOPTION, running, of, NOT_HEARD),
        after_24_hours=share(Definition.ADOPTION, _running(ordered, day), of, NOT_HEARD)
        if day <= until
        else figure(Definition.ADOPTION, None, of=of, unknown="24 hours are not over"),
        marks=[MarkFigure(share=mark, time=_time_to(ordered, mark, first, until, of)) for mark in MARKS],
        curve=curve(ordered, _grid(first, until, points), of),
    )


def minute_of_share(changes: Iterable[AdoptionChange], mark: float, until: int, of: int) -> int | None:
    """The first minute, `until` included, in which at least the share `mark` of `of` runs the bundle."""
    least, devices = math.ceil(mark * of - 1e-9), 0
    for minute, began, ended in sorted(changes):
        if minute > until:
            return None
        devices += began - ended
        if of and devices >= least:
            return minute
    return None


def most_at_once(changes: Iterable[AdoptionChange], until: int) -> int:
    """How many devices at most ran the bundle in one minute, `until` included."""
    each_minute = accumulate(each.began - each.ended for each in sorted(changes) if each.minute <= until)
    return max(each_minute, default=0)


def curve(changes: Iterable[AdoptionChange], minutes: Sequence[int], of: int) -> list[CurvePoint]:
    """The points at `minutes`, which rise."""
    ordered, at, devices, points = sorted(changes), 0, 0, []
    for minute in minutes:
        while at < len(ordered) and ordered[at].minute <= minute:
            devices += ordered[at].began - ordered[at].ended
            at += 1
        points.append(CurvePoint(at=minute * 60, devices=devices, share=devices / of))
    return points


def _running(ordered: Sequence[AdoptionChange], minute: int) -> int:
    return sum(each.began - each.ended for each in ordered if each.minute <= minute)


def _time_to(ordered: Sequence[AdoptionChange], mark: float, first: int, until: int, of: int) -> Figure:
    minute = minute_of_share(ordered, mark, until, of)
    if minute is None:
        return figure(Definition.TIME_TO_SHARE, None, of=of, unknown="not reached")
    return figure(Definition.TIME_TO_SHARE, max(minute - first, 0) * 60, of=of)


def _grid(first: int, until: int, points: int) -> list[int]:
    """Minutes from `first` to `until`, evenly; both ends are among them."""
    last, count = max(until, first), min(points, POINTS_LIMIT, max(until - first, 0) + 1)
    if count < 2:
        return [last]
    return sorted({first + round(index * (last - first) / (count - 1)) for index in range(count)})
