"""How a device is used: daily counts that stores of several nodes can add, and what a judgement takes from them.

Facts change for segments once a UTC day, when the device is judged: what depended on them then cannot flap. Days are
in days since the epoch, in UTC, as of the receipt by this node.
"""

from collections.abc import Callable, Container, Iterable
from typing import NamedTuple

from edge.domain.facts import Behaviour

RING_DAYS = 8  # of daily counts: those of a whole week, while the next day begins
WEEK_DAYS = 7
COUNT_LIMIT = 255  # sessions, or errors, of a device and day; more are not counted
SECONDS_STEP = 2  # seconds of use, as a day holds them in 16 bits
FEATURES_LIMIT = 64  # of an app, by name
HOURS_LIMIT = 0xFFFE  # update_delay_hours and install_seconds have 16 bits, one value of which says "unknown"

# Bits of what a device has ever told of; the rest is unknown, which is not 0. An IntFlag took a tenth of a fold.
TOLD_SESSIONS, TOLD_ERRORS, TOLD_MINUTES, TOLD_FEATURES = 1, 2, 4, 8

_BYTE, _ALL = 0xFF, (1 << 8 * RING_DAYS) - 1
_NO_SECONDS = (0,) * RING_DAYS
_STEPS_LIMIT = 0xFFFF


class Use(NamedTuple):
    """What a batch of records says of one device on one day; the defaults say only that the device was heard of.

    `reports_errors`: it sent what only plugins send that also report errors. `features`: None if its app sent none of
    its own events. `update_delay_hours` and `install_seconds` are those of its latest update.
    """

    app: str
    device: int  # `device_key`
    day: int
    sessions: int = 0
    errors: int = 0
    session_seconds: float | None = None
    features: Iterable[str] | None = None
    reports_errors: bool = False
    update_day: int = 0
    update_delay_hours: float | None = None
    install_seconds: float | None = None


class DailyCounts(NamedTuple):
    """A device's row. Rings have one number a day, at the place `day % RING_DAYS`, none older than RING_DAYS before
    `last_day`; `seconds` are in steps of SECONDS_STEP. `features` are bits."""

    first_day: int
    last_day: int
    told: int = 0
    sessions: int = 0
    errors: int = 0
    seconds: tuple[int, ...] = _NO_SECONDS
    features: int = 0
    update_day: int = 0
    update_delay_hours: int | None = None
    install_seconds: int | None = None


class JudgedPart(NamedTuple):
    """The part of a segment that reads behaviour alone. `is_in`: whether a device is in it, by what it was before."""

    place: int
    since: int
    is_in: Callable[[Behaviour], bool]


class Judging(NamedTuple):
    """What an app's segments ask of judgements, as of one of its revisions. `features` are the names they read."""

    revision: int = 0
    parts: tuple[JudgedPart, ...] = ()
    features: frozenset[str] = frozenset()


NO_SEGMENTS = Judging()


def with_use(counts: DailyCounts | None, use: Use, features: int) -> DailyCounts:
    """`features` are the bits of the names in `use`, as far as the app has places for them."""
    if counts is None:
        counts = DailyCounts(use.day, use.day)
    if not _is_news(counts, use, features):
        return counts
    now = aged(counts, use.day)
    if use.day <= now.last_day - RING_DAYS:  # its day has left the rings
        return now._replace(first_day=min(now.first_day, use.day), features=now.features | features)
    latest = use.update_day >= now.update_day
    return DailyCounts(
        min(now.first_day, use.day),
        now.last_day,
        now.told | _told(use),
        _with_count(now.sessions, use.day, use.sessions),
        _with_count(now.errors, use.day, use.errors),
        _with_seconds(now.seconds, use.day, use.session_seconds) if use.session_seconds else now.seconds,
        now.features | features,
        max(now.update_day, use.update_day),
        _latest(now.update_delay_hours, use.update_delay_hours if latest else None),
        _latest(now.install_seconds, use.install_seconds if latest else None),
    )


def merged(one: DailyCounts, other: DailyCounts) -> DailyCounts:
    """The counts of one device on two nodes, in any order; `features` by the same places."""
    day = max(one.last_day, other.last_day)
    one, other = aged(one, day), aged(other, day)
    newer = max(one, other, key=_update_of)
    return DailyCounts(
        min(one.first_day, other.first_day),
        day,
        one.told | other.told,
        _added(one.sessions, other.sessions),
        _added(one.errors, other.errors),
        tuple(min(a + b, _STEPS_LIMIT) for a, b in zip(one.seconds, other.seconds, strict=True)),
        one.features | other.features,
        newer.update_day,
        newer.update_delay_hours,
        newer.install_seconds,
    )


def aged(counts: DailyCounts, day: int) -> DailyCounts:
    """With `day` as the last one, if that is later; what is older than the rings is gone."""
    passed = min(day - counts.last_day, RING_DAYS)
    if passed <= 0:
        return counts
    gone = [(day - back) % RING_DAYS for back in range(passed)]
    kept = _ALL
    for place in gone:
        kept &= ~(_BYTE << 8 * place)
    seconds = counts.seconds
    if seconds != _NO_SECONDS:
        seconds = tuple([0 if place in gone else each for place, each in enumerate(seconds)])
    return DailyCounts(
        counts.first_day,
        day,
        counts.told,
        counts.sessions & kept,
        counts.errors & kept,
        seconds,
        counts.features,
        counts.update_day,
        counts.update_delay_hours,
        counts.install_seconds,
    )


def judged(counts: DailyCounts, day: int, before: Behaviour, judging: Judging, features: Container[str]) -> Behaviour:
    """The judgement of `day`: today and the six days before. `before` is the latest one; `features` the names that the
    device has used."""
    now, told = aged(counts, day), counts.told
    steps = sum(now.seconds) - now.seconds[(day + 1) % RING_DAYS]
    known = (
        max(day - now.first_day, 0),
        _week(now.sessions, day) if told & TOLD_SESSIONS else None,
        _week(now.errors, day) if told & TOLD_ERRORS else None,
        steps * SECONDS_STEP // 60 if told & TOLD_MINUTES else None,
        now.update_delay_hours,
        now.install_seconds,
        features if told & TOLD_FEATURES else None,
        day,
    )
    if not judging.parts:
        return Behaviour(*known, 0, judging.revision)
    found = Behaviour(*known, before.places, before.revision)
    places = sum([1 << part.place for part in judging.parts if part.is_in(found)])
    return Behaviour(*known, places, judging.revision)


def _is_news(counts: DailyCounts, use: Use, features: int) -> bool:
    """False for most: a device that was heard of before on that day, and did nothing that is counted."""
    return bool(
        use.day > counts.last_day
        or use.day < counts.first_day
        or use.sessions
        or use.errors
        or use.session_seconds is not None
        or use.features is not None
        or use.reports_errors
        or use.update_delay_hours is not None
        or use.install_seconds is not None
    )


def _told(use: Use) -> int:
    return (
        (TOLD_SESSIONS if use.sessions else 0)
        | (TOLD_ERRORS if use.errors or use.reports_errors else 0)
        | (TOLD_MINUTES if use.session_seconds is not None else 0)
        | (TOLD_FEATURES if use.features is not None else 0)
    )


def _with_count(ring: int, day: int, n: int) -> int:
    if n <= 0:
        return ring
    shift = 8 * (day % RING_DAYS)
    return ring & ~(_BYTE << shift) | min((ring >> shift & _BYTE) + n, COUNT_LIMIT) << shift


def _with_seconds(ring: tuple[int, ...], day: int, seconds: float) -> tuple[int, ...]:
    if not seconds > 0:
        return ring
    place, steps = day % RING_DAYS, min(round(min(seconds, 1e6) / SECONDS_STEP), _STEPS_LIMIT)
    return (*ring[:place], min(ring[place] + steps, _STEPS_LIMIT), *ring[place + 1 :])


def _latest(before: int | None, now: float | None) -> int | None:
    return before if now is None else min(max(int(now), 0), HOURS_LIMIT)


def _update_of(counts: DailyCounts) -> tuple[int, int, int]:
    unknown = -1
    delay, seconds = counts.update_delay_hours, counts.install_seconds
    return counts.update_day, unknown if delay is None else delay, unknown if seconds is None else seconds


def _added(one: int, other: int) -> int:
    shifts = range(0, 8 * RING_DAYS, 8)
    return sum(min((one >> at & _BYTE) + (other >> at & _BYTE), COUNT_LIMIT) << at for at in shifts)


def _week(ring: int, day: int) -> int:
    """Without the one day of the ring that is older."""
    counts = ring & ~(_BYTE << 8 * ((day + 1) % RING_DAYS))
    return sum(counts.to_bytes(RING_DAYS, "little"))
