"""Reads the counts of what has been folded. Never writes."""

from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from edge.telemetry.folding.database import open_for_reading
from edge.telemetry.folding.schema import action_of
from edge.telemetry.folding.words import NO_APP, WordKind, read_group

DAY_SECONDS = 86_400


class Count(NamedTuple):
    """`n` events of a bundle and action on a platform; `bundle` is a version name."""

    bundle: str
    action: str
    platform: str
    n: int


def read_counts(database: Path, app: str, *, since: float | None = None) -> list[Count]:
    """Events of one app, sorted by bundle, action and platform; empty when nothing was ever folded.

    `since`, in epoch seconds, includes its whole day (UTC), since counts are kept by day. Raises NewerSchema.
    """
    connection = open_for_reading(database)
    if connection is None:
        return []
    first_day = int(since // DAY_SECONDS) if since is not None else 0
    counts: Counter[tuple[str, str, str]] = Counter()
    with closing(connection):
        rows = connection.execute(
            "SELECT bundles.word, subjects.word, labels.word, sum(n) FROM sums_day"
            " JOIN words AS bundles ON bundles.id = bundle JOIN words AS subjects ON subjects.id = subject"
            " JOIN words AS labels ON labels.id = grp"
            " WHERE sums_day.app = (SELECT id FROM words WHERE app = ? AND kind = ? AND word = ?) AND period >= ?"
            " GROUP BY bundle, subject, grp",
            (NO_APP, WordKind.APP, app, first_day),
        )
        for bundle, subject, group, n in rows:
            action = action_of(subject)
            if action is not None:
                counts[bundle, action, read_group(group).platform] += n
    return [Count(*labels, n) for labels, n in sorted(counts.items())]


def read_duplicates(database: Path, app: str) -> int:
    """Repeated events of one app, which were not counted again, since the beginning. Raises NewerSchema."""
    connection = open_for_reading(database)
    if connection is None:
        return 0
    with closing(connection):
        row = connection.execute("SELECT n FROM duplicates WHERE app = ?", (app,)).fetchone()
        return int(row[0]) if row else 0


def read_totals(database: Path) -> dict[str, int]:
    """`folded`, `duplicates` and `malformed` records, `torn_tails` and `damaged` places of segments, since the
    beginning. Raises NewerSchema."""
    connection = open_for_reading(database)
    if connection is None:
        return {}
    with closing(connection):
        return dict(connection.execute("SELECT name, n FROM totals"))


def counted_to_end(database: Path, segment: str) -> int | None:
    """How many bytes a segment had that is counted to its end; None for one that is not. Raises NewerSchema."""
    connection = open_for_reading(database)
    if connection is None:
        return None
    with closing(connection):
        query = "SELECT offset FROM segments WHERE name = ? AND finished_ms IS NOT NULL"
        row = connection.execute(query, (segment,)).fetchone()
    return int(row[0]) if row else None
