"""What a deleted segment had acknowledged: recounted before it goes, and kept for the audit.

One that adds up becomes part of the sum of all such of its node, segment "@<node>", so the tables stay small; one that
does not stays by its name. Segment "" is that of releases that knew one node only.
"""

import sqlite3
from collections import Counter
from contextlib import suppress
from pathlib import Path

from edge.telemetry.spool.segment import UnreadableSegment, node_of
from edge.telemetry.upkeep.recount import KINDS, recount

SETTLED = "@"  # what no segment's name begins with
BEFORE = "before"  # in `segment_counts`: what is before this offset of a segment is in the sums already
_WHOLE = 1 << 62


def acknowledge(connection: sqlite3.Connection, path: Path) -> None:
    """Recount a counted segment that is about to be deleted. In one transaction; again after a crash changes nothing.
    One that cannot be read says nothing: the audit then names it. Raises sqlite3.Error."""
    name = path.stem
    row = connection.execute("SELECT n FROM segment_counts WHERE segment = ? AND name = ?", (name, BEFORE)).fetchone()
    with suppress(OSError, UnreadableSegment):
        found = recount(path, passed=None, since=int(row[0]) if row else 0)
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            fates = _fates(connection, name)
            for counts in (found.counted, found.counted + found.erased):
                if all(accounted_for(fates, kind) == counts[kind] for kind in KINDS):
                    _settle(connection, name, fates, counts)
                    return
            _add(connection, "acknowledged", name, found.counted + found.erased, replace=True)


def forget_deleted(connection: sqlite3.Connection, name: str) -> None:
    """Once the file of a segment that added up is gone."""
    connection.execute("DELETE FROM segment_counts WHERE segment = ? AND name = ? AND n = ?", (name, BEFORE, _WHOLE))


def settled_node(segment: str) -> str | None:
    """Whose settled segments these are, "" where nobody knows; None for a segment's name."""
    return segment.removeprefix(SETTLED) if not segment or segment.startswith(SETTLED) else None


def accounted_for(fates: dict[str, int], kind: str) -> int:
    """How many units of a kind have met any of these fates, "<kind>/<fate>"."""
    return sum(n for fate, n in fates.items() if kind_of(fate) == kind)


def kind_of(fate: str) -> str:
    """A line that cannot be read stands for events."""
    kind = fate.partition("/")[0]
    return "event" if kind == "line" else kind


def _fates(connection: sqlite3.Connection, name: str) -> dict[str, int]:
    rows = connection.execute("SELECT name, n FROM segment_counts WHERE segment = ? AND name <> ?", (name, BEFORE))
    return dict(rows.fetchall())


def _settle(connection: sqlite3.Connection, name: str, fates: dict[str, int], counts: Counter[str]) -> None:
    settled = f"{SETTLED}{node_of(name)}"
    _add(connection, "segment_counts", settled, fates)
    _add(connection, "acknowledged", settled, counts)
    connection.execute("DELETE FROM segment_counts WHERE segment = ?", (name,))
    connection.execute("INSERT INTO segment_counts VALUES (?, ?, ?)", (name, BEFORE, _WHOLE))


def _add(
    connection: sqlite3.Connection, table: str, segment: str, counts: dict[str, int], *, replace: bool = False
) -> None:
    column = "n = excluded.n" if replace else "n = n + excluded.n"
    connection.executemany(
        f"INSERT INTO {table} VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET {column}",  # noqa: S608  names of ours
        [(segment, name, n) for name, n in counts.items()],
    )
