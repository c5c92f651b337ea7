"""Deletes what the database of figures has of a single device. Sums, sketches and histograms name nobody, and stay."""

import sqlite3

from edge.domain.statistics.device_key import device_key
from edge.domain.statistics.tally import MINUTE_MS
from edge.telemetry.behaviour.rows import Judgement, erase_device
from edge.telemetry.folding.words import NO_APP, WordKind
from edge.telemetry.push.push_upkeep import erase_from_push
from edge.telemetry.trials.trial_upkeep import erase_from_experiments
from edge.telemetry.votes.watch_rows import erase_votes

_MINUTES = ("offered_min", "failed_min", "healthy_min", "word_first_min")


def erase_rows(connection: sqlite3.Connection, app: str, device: str, until_ms: int) -> tuple[int, list[Judgement]]:
    """How many rows, and what takes the device out of the table of behaviour. In the caller's transaction; again, it
    finds nothing. A device of which all that is kept came after `until_ms` has begun anew, and stays; a row that goes
    on from before goes whole, with what it has of the time since."""
    key = device_key(app, device)
    word = connection.execute(
        "SELECT id FROM words WHERE app = ? AND kind = ? AND word = ?", (NO_APP, WordKind.APP, app)
    ).fetchone()
    number = word[0] if word else None
    pushed = erase_from_push(connection, number, key, until_ms)
    if _began_later(connection, number, key, until_ms):
        return pushed, []
    rows = pushed + connection.execute("SELECT count(*) FROM behaviour WHERE key = ?", (key,)).fetchone()[0]
    judgements = [erase_device(connection, key)] if rows else []
    for table in ("devices", "steps", "customs"):
        query = f"DELETE FROM {table} WHERE app = ? AND key = ?"  # noqa: S608  names of ours
        rows += connection.execute(query, (number, key)).rowcount
    rows += erase_from_experiments(connection, app, key) + erase_votes(connection, app, key)
    return rows, judgements


def _began_later(connection: sqlite3.Connection, app: int | None, key: int, until_ms: int) -> bool:
    """By the first word that was counted, and by the minutes of all steps: workers' records come in no order."""
    found = connection.execute("SELECT first_ms FROM devices WHERE app = ? AND key = ?", (app, key)).fetchone()
    if found is None or found[0] <= until_ms:
        return False
    earlier = " OR ".join(f"{each} <= :minute" for each in _MINUTES)
    query = f"SELECT 1 FROM steps WHERE app = :app AND key = :key AND ({earlier})"  # noqa: S608  names of ours
    values = {"app": app, "key": key, "minute": until_ms // MINUTE_MS}
    return connection.execute(query, values).fetchone() is None
