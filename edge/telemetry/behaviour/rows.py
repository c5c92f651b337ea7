"""The rows of behaviour, one a device, beside the figures: written in the fold's transaction, so exactly once.

A device is judged at the first fold of a UTC day in which it was heard of. What workers read is made of the judgements
in these rows (`behaviour_pages`), after the commit, and can be made again from them at any time.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from struct import Struct
from typing import Any, NamedTuple

from edge.domain.behaviour.daily_counts import NO_SEGMENTS, RING_DAYS, DailyCounts, Judging, Use, judged, with_use
from edge.domain.facts import NOT_JUDGED, Behaviour
from edge.telemetry.behaviour.damaged_rows import note_damaged_row
from edge.telemetry.behaviour.feature_names import FeatureNames
from edge.telemetry.behaviour.judgements import (
    JUDGEMENT_BYTES,
    FeatureBits,
    encode_judgement,
    parse_judgement,
    with_features,
)

BEHAVIOUR_SCHEMA = """
CREATE TABLE IF NOT EXISTS behaviour (
    key INTEGER PRIMARY KEY, app INTEGER NOT NULL, first_day INTEGER NOT NULL, last_day INTEGER NOT NULL,
    told INTEGER NOT NULL, sessions INTEGER NOT NULL, errors INTEGER NOT NULL, seconds BLOB, features INTEGER NOT NULL,
    update_day INTEGER NOT NULL, update_delay_hours INTEGER, install_seconds INTEGER,
    judged_day INTEGER NOT NULL, judgement BLOB
);
CREATE TABLE IF NOT EXISTS behaviour_apps (id INTEGER PRIMARY KEY, app TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS behaviour_features (
    app INTEGER NOT NULL, name TEXT NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (app, name)
);
CREATE TABLE IF NOT EXISTS behaviour_refused (app INTEGER PRIMARY KEY, n INTEGER NOT NULL);
"""
# behaviour.key: `device_key`, which the app is part of. sessions, errors, features: 64 bits, with a sign. seconds: NULL
# for none. behaviour_refused: how often a name of a feature found no place.

_CHUNK = 500  # keys in one question; SQLite takes 999 at least
_SECONDS = Struct(f"<{RING_DAYS}H")
_NO_SECONDS = (0,) * RING_DAYS
_ROW = "SELECT first_day, last_day, told, sessions, errors, CAST(seconds AS BLOB), features, update_day,"
_ROW += " update_delay_hours, install_seconds, key, judged_day, CAST(judgement AS BLOB) FROM behaviour"
_PUT = "INSERT OR REPLACE INTO behaviour VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

JudgingOf = Callable[[str], Judging]


def no_judging(app: str) -> Judging:
    """A `JudgingOf` for apps without segments."""
    return NO_SEGMENTS


class Judgement(NamedTuple):
    """What the table of behaviour is to show of a device, once the transaction is committed; None: nothing."""

    device: int
    encoded: bytes | None
    last_day: int


class NotedBatch(NamedTuple):
    """`places` are bits of features that names got, by app and name; `is_whole_table` tells that a bit changed its
    name, after which the table has to be made again. `refused` counts names that got none, by app."""

    judgements: list[Judgement]
    places: dict[tuple[str, str], int]
    is_whole_table: bool
    refused: Counter[str]


class _Kept(NamedTuple):
    counts: DailyCounts
    judged_day: int
    judgement: bytes | None


def note_batch(connection: sqlite3.Connection, uses: Iterable[Use], judging_of: JudgingOf = no_judging) -> NotedBatch:
    """Add what a batch says of devices, and judge those whose day has begun. In the transaction of the caller, who
    passes one `Use` for each device and day, and puts what is returned into the table after the commit."""
    names = FeatureNames(connection)
    refused: Counter[str] = Counter()
    judgements: list[Judgement] = []
    by_device: defaultdict[int, list[Use]] = defaultdict(list)
    for use in uses:
        by_device[use.device].append(use)
    remaining = iter(by_device.items())
    while chunk := dict(islice(remaining, _CHUNK)):
        kept = _read(connection, list(chunk))
        rows = []
        for device, listed in chunk.items():
            before = kept.get(device)
            if len(listed) > 1:
                listed.sort(key=_day_of)
            after = _noted(before, listed, names, judging_of, refused)
            if after is not before:
                rows.append(_row(device, names.app_of(listed[0].app), after))
                if before is None or after.judgement != before.judgement:
                    judgements.append(Judgement(device, after.judgement, after.counts.last_day))
        connection.executemany(_PUT, rows)
    connection.executemany(
        "INSERT INTO behaviour_refused VALUES (?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
        [(names.app_of(app), n) for app, n in refused.items()],
    )
    return NotedBatch(judgements, names.added, bool(names.freed), refused)


def read_counts_of(connection: sqlite3.Connection, device: int) -> tuple[DailyCounts, Behaviour] | None:
    """A device's row, and its latest judgement; None: it was not heard of. `device` is a `device_key`."""
    kept = _read(connection, [device]).get(device)
    if kept is None:
        return None
    rows = connection.execute(
        "SELECT name, place FROM behaviour_features WHERE app = (SELECT app FROM behaviour WHERE key = ?)", (device,)
    )
    places = dict(rows.fetchall())
    return kept.counts, parse_judgement(with_features(kept.judgement, kept.counts.features), places.get)


def all_judgements(connection: sqlite3.Connection) -> Iterator[Judgement]:
    """Of every device, those heard of last coming last."""
    for key, judgement, features, last_day in connection.execute(
        "SELECT key, CAST(judgement AS BLOB), features, last_day FROM behaviour ORDER BY last_day"
    ):
        if judgement is not None and len(judgement) != JUDGEMENT_BYTES:
            continue  # judged anew when it is heard of
        yield Judgement(key, with_features(judgement, _unsigned(features)), last_day)


def all_places(connection: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """The bits of all features, by app and name."""
    rows = connection.execute(
        "SELECT behaviour_apps.app, name, place FROM behaviour_features"
        " JOIN behaviour_apps ON behaviour_apps.id = behaviour_features.app"
    )
    return {(app, name): place for app, name, place in rows}


def erase_device(connection: sqlite3.Connection, device: int) -> Judgement:
    """Forget a device, in the caller's transaction. What is returned takes it out of the table."""
    connection.execute("DELETE FROM behaviour WHERE key = ?", (device,))
    return Judgement(device, None, 0)


def forget_oldest(connection: sqlite3.Connection, before_day: int, limit: int) -> list[Judgement]:
    """Forget devices that were last heard of before `before_day`, and beyond `limit` devices those heard of longest
    ago. In the caller's transaction; what is returned takes them out of the table."""
    (n,) = connection.execute("SELECT count(*) FROM behaviour").fetchone()
    rows = connection.execute("SELECT key FROM behaviour WHERE last_day < ?", (before_day,)).fetchall()
    if n - len(rows) > limit:
        rows = connection.execute("SELECT key FROM behaviour ORDER BY last_day LIMIT ?", (n - limit,)).fetchall()
    connection.executemany("DELETE FROM behaviour WHERE key = ?", rows)
    return [Judgement(device, None, 0) for (device,) in rows]


def _noted(
    before: _Kept | None, uses: Sequence[Use], names: FeatureNames, judging_of: JudgingOf, refused: Counter[str]
) -> _Kept:
    """`before` itself if nothing changes."""
    counts, judged_day, judgement = before or (None, 0, None)
    for use in uses:
        bits = 0
        if use.features is not None:
            bits, none = names.bits_of(use.app, use.features, judging_of(use.app).features)
            refused[use.app] += none
        counts = with_use(counts, use, bits)
        if use.day > judged_day:
            judgement = _judgement(counts, use, judgement, judging_of(use.app), names)
            judged_day = use.day
    assert counts is not None, "a device is in a batch because of a use"
    if before is not None and counts is before.counts and judged_day == before.judged_day:
        return before
    return _Kept(counts, judged_day, judgement)


def _judgement(counts: DailyCounts, use: Use, before: bytes | None, judging: Judging, names: FeatureNames) -> bytes:
    place_of = names.places(use.app).get
    was = parse_judgement(before, place_of) if judging.parts else NOT_JUDGED
    found = judged(counts, use.day, was, judging, FeatureBits(counts.features, place_of))
    return encode_judgement(found, counts.features)


def _day_of(use: Use) -> int:
    return use.day


def _read(connection: sqlite3.Connection, devices: Sequence[int]) -> dict[int, _Kept]:
    marks = ", ".join("?" * len(devices))
    rows = connection.execute(f"{_ROW} WHERE key IN ({marks})", devices)
    return {row[10]: _kept(connection, row) for row in rows.fetchall()}


def _kept(connection: sqlite3.Connection, row: tuple[Any, ...]) -> _Kept:
    """Without what cannot be read of it: a judgement is then made anew."""
    first_day, last_day, told, sessions, errors, seconds, features, *update = row[:10]
    judged_day, judgement = row[11:]
    if seconds is not None and len(seconds) != _SECONDS.size:
        note_damaged_row(connection, f"the seconds of use of a device (behaviour, {row[10]})", ValueError(len(seconds)))
        seconds = None
    if judgement is not None and len(judgement) != JUDGEMENT_BYTES:
        note_damaged_row(connection, f"the judgement of a device (behaviour, {row[10]})", ValueError(len(judgement)))
        judged_day, judgement = 0, None
    seconds = _NO_SECONDS if seconds is None else _SECONDS.unpack(seconds)
    rings = _unsigned(sessions), _unsigned(errors), seconds
    counts = DailyCounts(first_day, last_day, told, *rings, _unsigned(features), *update)
    return _Kept(counts, judged_day, judgement)


def _row(device: int, app: int, kept: _Kept) -> tuple[object, ...]:
    counts = kept.counts
    return (
        device,
        app,
        *counts[:3],
        _signed(counts.sessions),
        _signed(counts.errors),
        None if counts.seconds == _NO_SECONDS else _SECONDS.pack(*counts.seconds),
        _signed(counts.features),
        *counts[7:10],
        kept.judged_day,
        kept.judgement,
    )


def _unsigned(number: int) -> int:
    return number if number >= 0 else number + (1 << 64)


def _signed(number: int) -> int:
    return number if number < 1 << 63 else number - (1 << 64)
