"""Frees the groups that nobody was counted under for as long as sums by the hour stay: each release makes new ones.

What they have by the day is kept without their segments, side and arm. In the caller's transaction.
"""

import sqlite3
from collections import defaultdict

from edge.domain.statistics.observation import Group
from edge.telemetry.behaviour.damaged_rows import note_damaged_row
from edge.telemetry.folding.label_numbers import GROUPS_LIMIT
from edge.telemetry.folding.sketches import UNREADABLE_SKETCH, merged
from edge.telemetry.folding.words import WordKind, Words, encode_group, read_group

_RECENT = ("sums_minute", "sums_hour", "sketches_hour", "histograms_hour")
_DAYS = ("sums_day", "sketches_day", "histograms_day", "retention")
_SUMS = (
    "INSERT INTO sums_day SELECT t.app, period, coarse, bundle, subject, sum(n), sum(total) FROM sums_day t"
    " JOIN freed ON freed.grp = t.grp WHERE t.app = ? GROUP BY period, coarse, bundle, subject"
    " ON CONFLICT DO UPDATE SET n = n + excluded.n, total = total + excluded.total",
    "INSERT INTO histograms_day SELECT t.app, period, coarse, bundle, subject, bucket, sum(n) FROM histograms_day t"
    " JOIN freed ON freed.grp = t.grp WHERE t.app = ? GROUP BY period, coarse, bundle, subject, bucket"
    " ON CONFLICT DO UPDATE SET n = n + excluded.n",
    "INSERT INTO retention SELECT t.app, day, age, coarse, sum(n) FROM retention t"
    " JOIN freed ON freed.grp = t.grp WHERE t.app = ? GROUP BY day, age, coarse"
    " ON CONFLICT DO UPDATE SET n = n + excluded.n",
)


def free_groups(connection: sqlite3.Connection, app: int) -> int:
    """Once an app has used half of its places; returns how many."""
    known = dict(
        connection.execute("SELECT id, word FROM words WHERE app = ? AND kind = ?", (app, WordKind.GROUP)).fetchall()
    )
    if len(known) < GROUPS_LIMIT // 2:
        return 0
    used: set[int] = set()
    for table in _RECENT:
        rows = connection.execute(f"SELECT DISTINCT grp FROM {table} WHERE app = ?", (app,))  # noqa: S608
        used.update(number for (number,) in rows)
    words = Words(connection)
    freed = []
    for number, word in known.items():
        group = read_group(word)
        if number not in used and (group.segments or group.side or group.arm):
            coarse = Group(group.platform, group.channel, kind=group.kind)
            freed.append((number, words.number(app, WordKind.GROUP, encode_group(coarse))))
    if freed:
        _merge(connection, app, freed)
    return len(freed)


def _merge(connection: sqlite3.Connection, app: int, freed: list[tuple[int, int]]) -> None:
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS freed (grp INTEGER PRIMARY KEY, coarse INTEGER NOT NULL)")
    connection.execute("DELETE FROM freed")
    connection.executemany("INSERT INTO freed VALUES (?, ?)", freed)
    for query in _SUMS:
        connection.execute(query, (app,))
    _merge_sketches(connection, app)
    for table in _DAYS:
        connection.execute(f"DELETE FROM {table} WHERE app = ? AND grp IN (SELECT grp FROM freed)", (app,))  # noqa: S608
    connection.execute("DELETE FROM words WHERE id IN (SELECT grp FROM freed)")
    connection.execute("DELETE FROM freed")


def _merge_sketches(connection: sqlite3.Connection, app: int) -> None:
    found: defaultdict[tuple[int, int, int, int], list[int]] = defaultdict(list)
    rows = connection.execute(
        "SELECT t.rowid, period, coalesce(coarse, t.grp), bundle, subject FROM sketches_day t"
        " LEFT JOIN freed ON freed.grp = t.grp WHERE t.app = ?1"
        " AND coalesce(coarse, t.grp) IN (SELECT coarse FROM freed)",
        (app,),
    )
    for row, *place in rows:
        found[tuple(place)].append(row)
    for place, parts in found.items():
        sketch = None
        for row in parts:
            query = "SELECT CAST(sketch AS BLOB) FROM sketches_day WHERE rowid = ?"
            (stored,) = connection.execute(query, (row,)).fetchone()
            try:
                sketch = merged(stored) if sketch is None else merged(sketch, stored)
            except UNREADABLE_SKETCH as error:
                note_damaged_row(connection, f"a sketch of devices (sketches_day, {place})", error)
        if sketch is not None:
            connection.execute("INSERT OR REPLACE INTO sketches_day VALUES (?, ?, ?, ?, ?, ?)", (app, *place, sketch))
