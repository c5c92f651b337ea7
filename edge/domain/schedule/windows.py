"""Maintenance windows: `Mon-Fri 01:00-05:00 Europe/Paris`, days and wall-clock times in a zone. Stored as this text.

A window follows the local clock and calendar. When the clock jumps forward, a window inside the missing hour stays
closed that day; an hour that occurs twice is open twice. A window across midnight is named by the day it begins on:
`Fri 22:00-02:00` is open on Saturday at 01:00, not on Friday. Only the shown day counts, so it is open then even if, as
in Apia in 2011, there was no Friday.
"""

import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from zoneinfo import ZoneInfo

from edge.domain.errors import Invalid
from edge.domain.schedule.zones import first_change, load_zone, offset_seconds

WINDOW_LIMIT = 100  # characters; all days by name, the times and the longest zone take 72
WINDOWS_PER_CHANNEL_LIMIT = 16  # two for each day of the week, and two to spare; a check may evaluate each zone
HORIZON_SECONDS = 366 * 86_400  # how far ahead to look for an opening

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
ALWAYS = "daily 00:00-24:00 UTC"

_DAY_MINUTES = 1440
_DAY_SECONDS = 86_400
_WEEK_SECONDS = 7 * _DAY_SECONDS
_MONDAY_SECONDS = 3 * _DAY_SECONDS  # 1 January 1970 was a Thursday
_SPAN_LIMIT_SECONDS = _DAY_SECONDS  # below zones.CHANGES_APART_SECONDS
_DAY_NUMBERS = {name.lower(): number for number, name in enumerate(DAYS)}
_TIMES = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When a channel may offer something new: a span of wall-clock minutes on some days, in an IANA time zone."""

    text: str  # the canonical spelling, shown and stored
    days: tuple[int, ...]  # on which it begins, ascending; Monday is 0
    start_minute: int  # of the day, below 1440
    end_minute: int  # of the day it begins on, above `start_minute`; above 1440: over midnight
    zone: str


class _Part(NamedTuple):
    """A part of a window's text, with its place in it."""

    whole: str
    text: str
    column: int  # from 1

    def split(self, separator: str) -> Iterator["_Part"]:
        column = self.column
        for text in self.text.split(separator):
            yield _Part(self.whole, text, column)
            column += len(text) + 1

    def refused(self, why: str) -> Invalid:
        return Invalid("invalid_window", f"window {self.whole!r}, column {self.column}: {why}")


def parse_window(text: str) -> Window:
    """`DAYS HH:MM-HH:MM ZONE`. Days are `daily` or like `Mon,Wed,Fri-Sun`, in any case; an end may be 24:00.

    Raises Invalid `invalid_window` with the column and what is expected there.
    """
    if len(text) > WINDOW_LIMIT:
        raise Invalid(
            "invalid_window", f"window {text[:WINDOW_LIMIT]!r}... exceeds the limit of {WINDOW_LIMIT} characters"
        )
    parts = [part for part in _Part(text, text, 1).split(" ") if part.text]
    missing = ("days like Mon-Fri or daily", "times like 01:00-05:00", "a time zone like Europe/Paris")[len(parts) : 3]
    if missing:
        raise _Part(text, "", len(text.rstrip(" ")) + 1).refused(f"{missing[0]} expected here")
    days_part, times_part, zone_part, *more = parts
    days, (start, end) = _parse_days(days_part), _parse_times(times_part)
    zone = _parse_zone(zone_part)
    if more:
        raise more[0].refused(f"{more[0].text!r} follows the zone; write each window as a separate text")
    canonical = f"{_name_days(days)} {_name_time(start)}-{_name_time(_end_of_day(end))} {zone}"
    return Window(text=canonical, days=days, start_minute=start, end_minute=end, zone=zone)


def canonical_window(text: str) -> str:
    """The canonical spelling of a window. Raises Invalid `invalid_window`."""
    return parse_window(text).text


def canonical_windows(texts: Sequence[str]) -> tuple[str, ...]:
    """A channel's windows as stored: canonical, in the given order, without repeats. Raises Invalid `invalid_window`,
    `too_many_windows`."""
    if len(texts) > WINDOWS_PER_CHANNEL_LIMIT:
        raise Invalid(
            "too_many_windows",
            f"{len(texts)} windows exceed the limit of {WINDOWS_PER_CHANNEL_LIMIT} per channel",
        )
    return tuple(dict.fromkeys(canonical_window(text) for text in texts))


class _Span(NamedTuple):
    """A span during which nothing opens or closes, in seconds since the epoch, end excluded."""

    since: int
    until: int
    is_open: bool


class _ZoneWeek(NamedTuple):
    """All windows in one zone: the seconds of its week, from Monday, at which they open and close, alternating."""

    zone: ZoneInfo
    edges: tuple[int, ...]

    def span(self, second: int) -> _Span:
        of_week = (second + offset_seconds(self.zone, second) + _MONDAY_SECONDS) % _WEEK_SECONDS
        at = bisect_right(self.edges, of_week)
        edge = self.edges[at] if at < len(self.edges) else _WEEK_SECONDS
        until = second + min(edge - of_week, _SPAN_LIMIT_SECONDS)
        return _Span(second, first_change(self.zone, second, until), at % 2 == 1)


class Schedule:
    """The union of a channel's windows. Moments are seconds since the epoch.

    It caches the span around the last moment, so that nearly every check costs two comparisons; results do not depend
    on that.
    """

    __slots__ = ("_last", "_weeks")

    def __init__(self, weeks: Iterable[_ZoneWeek]) -> None:
        self._weeks = tuple(weeks)
        self._last = _Span(0, 0, False)

    def is_open(self, now: float) -> bool:
        last = self._last
        if not last.since <= now < last.until:
            last = self._last = self._span(math.floor(now))
        return last.is_open

    def opens_at(self, now: float) -> float | None:
        """The first moment from `now` on that is open, which may be `now`. None: none within a year."""
        return self._first(now, True)

    def closes_at(self, now: float) -> float | None:
        """The first moment from `now` on that is not open, which may be `now`. None: none within a year."""
        return self._first(now, False)

    def _first(self, now: float, is_open: bool) -> float | None:
        moment = now
        while moment < now + HORIZON_SECONDS:
            span = self._span(math.floor(moment))
            if span.is_open is is_open:
                return moment
            moment = float(span.until)
        return None

    def _span(self, second: int) -> _Span:
        spans = [week.span(second) for week in self._weeks]
        return _Span(second, min(span.until for span in spans), any(span.is_open for span in spans))


def compile_windows(texts: Sequence[str]) -> Schedule:
    """The schedule of a channel with these windows; without any, it is always open. Raises Invalid `invalid_window`;
    for stored windows only if this node's tzdata is too old for the zone."""
    by_zone: dict[str, list[Window]] = {}
    for window in map(parse_window, texts or (ALWAYS,)):
        by_zone.setdefault(window.zone, []).append(window)
    return Schedule(_ZoneWeek(load_zone(zone), _week_edges(windows)) for zone, windows in by_zone.items())


def _week_edges(windows: Iterable[Window]) -> tuple[int, ...]:
    edges: list[int] = []
    for start, end in sorted(span for window in windows for span in _week_spans(window)):
        if edges and start <= edges[-1]:
            edges[-1] = max(edges[-1], end)
        else:
            edges += (start, end)
    return tuple(edges)


def _week_spans(window: Window) -> Iterator[tuple[int, int]]:
    for day in window.days:
        start, end = (day * _DAY_SECONDS + minute * 60 for minute in (window.start_minute, window.end_minute))
        yield start, min(end, _WEEK_SECONDS)
        if end > _WEEK_SECONDS:  # Sunday's night ends on Monday
            yield 0, end - _WEEK_SECONDS


def _parse_days(part: _Part) -> tuple[int, ...]:
    if part.text.lower() == "daily":
        return tuple(range(7))
    return tuple(sorted({day for item in part.split(",") for day in _parse_range(item)}))


def _parse_range(part: _Part) -> Iterator[int]:
    ends = list(part.split("-"))
    first, last = _parse_day(ends[0]), _parse_day(ends[-1])
    if len(ends) > 2:
        raise ends[2].refused(f"{part.text!r} has more than two ends; write a range like Mon-Fri")
    if len(ends) == 2 and first == last:
        raise part.refused(f"{part.text!r} is ambiguous; write {DAYS[first]} or daily")
    return (day % 7 for day in range(first, first + (last - first) % 7 + 1))


def _parse_day(part: _Part) -> int:
    day = _DAY_NUMBERS.get(part.text.lower())
    if day is None:
        raise part.refused(f"{part.text!r} is not a day; expected Mon, Tue, Wed, Thu, Fri, Sat or Sun, or only daily")
    return day


def _parse_times(part: _Part) -> tuple[int, int]:
    match = _TIMES.fullmatch(part.text)
    if match is None:
        raise part.refused(f"{part.text!r} is not a time span; expected HH:MM-HH:MM like 01:00-05:00")
    start_part, end_part = part.split("-")
    start, end = _minute(match[1], match[2]), _minute(match[3], match[4])
    if start is None or start == _DAY_MINUTES:
        raise start_part.refused(f"{start_part.text!r} is not a valid start: 00:00 to 23:59")
    if end is None:
        raise end_part.refused(f"{end_part.text!r} is not a valid end: 00:00 to 24:00")
    if start == end:
        raise part.refused(f"{part.text!r} never opens; the whole day is 00:00-24:00")
    return start, end if end > start else end + _DAY_MINUTES


def _minute(hours: str, minutes: str) -> int | None:
    minute = int(hours) * 60 + int(minutes)
    return minute if int(minutes) < 60 and minute <= _DAY_MINUTES else None


def _parse_zone(part: _Part) -> str:
    try:
        load_zone(part.text)
    except Invalid as error:
        raise part.refused(error.message) from error
    return part.text


def _name_days(days: tuple[int, ...]) -> str:
    """`daily`, or runs of days in order of their first one; a run may continue past Sunday."""
    if len(days) == 7:
        return "daily"
    runs = []
    for first in (day for day in days if (day - 1) % 7 not in days):
        length = next(n for n in range(1, 8) if (first + n) % 7 not in days)
        runs.append(DAYS[first] if length == 1 else f"{DAYS[first]}-{DAYS[(first + length - 1) % 7]}")
    return ",".join(runs)


def _name_time(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _end_of_day(minute: int) -> int:
    return minute - _DAY_MINUTES if minute > _DAY_MINUTES else minute
