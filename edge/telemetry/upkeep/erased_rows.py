"""Deletes what the database of figures has of a single device. Sums, sketches and histograms name nobody, and stay."""

import sqlite3

from edge.domain.statistics.device_key import device_key
from edge.telemetry.behaviour.rows import Judgement, erase_device
from edge.telemetry.folding.words import NO_APP, WordKind


def erase_rows(connection: sqlite3.Connection, app: str, device: str, until_ms: int) -> tuple[int, list[Judgement]]:
    """How many rows, and what takes the device out of the table of behaviour. In the caller's transaction; again, it
    finds nothing. A device that was heard of after `until_ms` has begun anew, and stays."""
    key = device_key(app, device)
    word = connection.execute(
        "SELECT id FROM words WHERE app = ? AND kind = ? AND word = ?", (NO_APP, WordKind.APP, app)
    ).fetchone()
    number = word[0] if word else None
    later = "SELECT 1 FROM devices WHERE app = ? AND key = ? AND last_ms > ?"
    if connection.execute(later, (number, key, until_ms)).fetchone():
        return 0, []
    rows = connection.execute("SELECT count(*) FROM behaviour WHERE key = ?", (key,)).fetchone()[0]
    judgements = [erase_device(connection, key)] if rows else []
    for table in ("devices", "steps", "customs"):
        query = f"DELETE FROM {table} WHERE app = ? AND key = ?"  # noqa: S608  names of ours
        rows += connection.execute(query, (number, key)).rowcount
    return rows, judgements
