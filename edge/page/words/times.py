"""Moments as text and as `<time>`. All are UTC, in seconds since the epoch; `now` is passed in.

Today is `14:21:40`, another day `12 Nov, 09:14`, another year `12 Nov 2025, 09:14`. An age stands beside a moment, or
alone where seconds do not matter.
"""

from datetime import UTC, datetime

from markupsafe import Markup

from edge.page.words.numbers import UNKNOWN, duration

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def moment(at: float | None, now: float, *, to_minute: bool = False) -> str:
    """`14:21:40`, or with `to_minute` `14:21`; not today: `12 Nov, 09:14`."""
    if at is None:
        return UNKNOWN
    then, today = _utc(at), _utc(now)
    if then.date() == today.date():
        return then.strftime("%H:%M" if to_minute else "%H:%M:%S")
    return f"{_day(then, today)}, {then:%H:%M}"


def day(at: float, now: float) -> str:
    """`27 Nov`; another year with it."""
    return _day(_utc(at), _utc(now))


def weekday(at: float, now: float) -> str:
    """`Sat 28 Nov, 00:00`: for what is planned."""
    then = _utc(at)
    return f"{_DAYS[then.weekday()]} {_day(then, _utc(now))}, {then:%H:%M}"


def clock(at: float, *, to_second: bool = False) -> str:
    """`14:21`: an axis of one day; or `14:21:40`, of some minutes."""
    return f"{_utc(at):%H:%M:%S}" if to_second else f"{_utc(at):%H:%M}"


def time_tag(at: float | None, now: float, *, to_minute: bool = False) -> Markup:
    """The moment in a `<time>` that a machine can read."""
    if at is None:
        return Markup.escape(UNKNOWN)
    return Markup('<time datetime="{}">{}</time>').format(stamp(at), moment(at, now, to_minute=to_minute))


def stamp(at: float) -> str:
    """`2026-11-27T14:32:05Z`."""
    return f"{_utc(at):%Y-%m-%dT%H:%M:%SZ}"


def age(at: float, now: float) -> str:
    """`11 min ago`, `in 2 h 48 min`, `now`."""
    apart = now - at
    if abs(apart) < 1:
        return "now"
    whole = abs(apart) if abs(apart) >= 60 else int(abs(apart))
    return f"{duration(whole)} ago" if apart > 0 else f"in {duration(whole)}"


def with_age(at: float, now: float) -> str:
    """`14:18, 14 min ago`."""
    return f"{moment(at, now, to_minute=True)}, {age(at, now)}"


def _day(then: datetime, today: datetime) -> str:
    year = "" if then.year == today.year else f" {then.year}"
    return f"{then.day} {_MONTHS[then.month - 1]}{year}"


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
