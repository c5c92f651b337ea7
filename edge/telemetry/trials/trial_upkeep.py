"""What is deleted of experiments: those that ended long ago, and single devices that are erased."""

import sqlite3

from edge.telemetry.trials.experiment_book import forget_experiment
from edge.telemetry.trials.trials_schema import KEPT_DAYS

_DAY_MS = 86_400_000


def age_experiments(connection: sqlite3.Connection, now_ms: int) -> int:
    """How many rows went. One that runs and of which nothing was heard for as long has ended unseen. In the caller's
    transaction."""
    before = now_ms - KEPT_DAYS * _DAY_MS
    query = "SELECT id FROM experiments WHERE max(ended_ms, last_ms, began_ms) < ?"
    return sum(forget_experiment(connection, number) for (number,) in connection.execute(query, (before,)).fetchall())


def erase_from_experiments(connection: sqlite3.Connection, app: str, key: int) -> int:
    """A device's rows in all experiments of the app; points are sums, and name nobody. In the caller's transaction."""
    rows = 0
    for (number,) in connection.execute("SELECT id FROM experiments WHERE app = ?", (app,)).fetchall():
        for table in ("trials", "trial_events"):
            query = f"DELETE FROM {table} WHERE experiment = ? AND key = ?"  # noqa: S608  names of ours
            rows += connection.execute(query, (number, key)).rowcount
        devices = "UPDATE experiments SET devices = (SELECT count(*) FROM trials WHERE experiment = ?1) WHERE id = ?1"
        connection.execute(devices, (number,))
    return rows
