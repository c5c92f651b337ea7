"""Reads the counts of what has been folded. Never writes."""

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from edge.telemetry.folding.database import open_for_reading

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
    with closing(connection):
        rows = connection.execute(
            "SELECT bundle, action, platform, sum(n) FROM counts WHERE app = ? AND day >= ?"
            " GROUP BY bundle, action, platform ORDER BY bundle, action, platform",
            (app, first_day),
        )
        return [Count(*row) for row in rows]


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
