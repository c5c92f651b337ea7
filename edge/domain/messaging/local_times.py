"""Readings of a device's own clock as moments. Pure.

A reading is in seconds since the epoch as if the zone were UTC. One that the clock skips, as it goes forward, is the
moment that it would have been without the change: 02:30 is shown as 03:30. One that it shows twice is the first.
"""

from typing import NamedTuple
from zoneinfo import ZoneInfo

from edge.domain.schedule.zones import offset_seconds

_DAY_SECONDS, _MINUTE_SECONDS = 86_400, 60
_AROUND_SECONDS = _DAY_SECONDS  # beyond every offset, and zones never change twice within six days


class QuietEnd(NamedTuple):
    """When quiet hours that hold now are over; None: they do not hold."""

    at: int | None


def reading_at(zone: ZoneInfo, second: int) -> int:
    """What the clock shows at a moment."""
    return second + offset_seconds(zone, second)


def moment_of(zone: ZoneInfo, reading: int, after: int | None = None) -> int:
    """When the clock shows this reading; the first such moment, or with `after` the first that is later, if any is."""
    before, later = (offset_seconds(zone, reading + each) for each in (-_AROUND_SECONDS, _AROUND_SECONDS))
    shown = [reading - each for each in sorted({before, later}, reverse=True)]
    shown = [each for each in shown if reading_at(zone, each) == reading]
    if not shown:
        return reading - before  # in the gap
    if after is None:
        return shown[0]
    return next((each for each in shown if each > after), shown[-1])


def next_moment(zone: ZoneInfo, second_of_day: int, now: int) -> int:
    """The first moment from `now` on at which the clock shows this second of a day."""
    today = reading_at(zone, now) // _DAY_SECONDS
    for day in range(today, today + 4):  # Apia had no 30 December 2011
        found = moment_of(zone, day * _DAY_SECONDS + second_of_day, now - 1)
        if found >= now:
            return found
    raise AssertionError("every clock shows every time within three days, or passes it")


def quiet_until(zone: ZoneInfo, quiet: tuple[int, int], second: int) -> QuietEnd:
    """Whether it is quiet at a moment; from and to are minutes of a day, over midnight if `to` is not after `from`."""
    reading = reading_at(zone, second)
    day, minute = reading // _DAY_SECONDS, reading % _DAY_SECONDS // _MINUTE_SECONDS
    begin, end = quiet
    is_quiet = begin <= minute < end if begin < end else minute >= begin or minute < end
    if not is_quiet:
        return QuietEnd(None)
    over = (day + (minute >= end)) * _DAY_SECONDS + end * _MINUTE_SECONDS
    return QuietEnd(max(moment_of(zone, over, second), second + 1))
