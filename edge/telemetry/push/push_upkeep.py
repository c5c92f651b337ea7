"""What goes of devices that take messages: tokens that nobody refreshed, rows that become sums, erased devices. In the
caller's transaction."""

import sqlite3

from edge.telemetry.push.push_schema import EFFECT_HOURS, GONE_DAYS, KEPT_DAYS, LATE_HOURS, TOKEN_DAYS

_DAY_MS, _DAY_MINUTES = 86_400_000, 1_440
SUMS = (
    "count(*), count(nullif(opened, 0)), coalesce(sum(updates > 0), 0), coalesce(sum(sessions > 0), 0),"
    " coalesce(sum(sessions), 0), coalesce(sum(sessions * sessions), 0)"
)  # of push_assigned, in the order of the columns of push_arms


def age_push(connection: sqlite3.Connection, now_ms: int) -> int:
    """How many rows went."""
    execute = connection.execute
    rows = 0
    for kind, days in (("<>", TOKEN_DAYS), ("=", GONE_DAYS)):
        query = f"DELETE FROM push_tokens WHERE token {kind} '' AND seen_ms < ?"  # noqa: S608  signs of ours
        rows += execute(query, (now_ms - days * _DAY_MS,)).rowcount
    rows += execute(
        "DELETE FROM push_devices WHERE NOT EXISTS (SELECT 1 FROM push_tokens AS t"
        " WHERE t.app = push_devices.app AND t.key = push_devices.key AND t.token <> '')"
    ).rowcount
    rows += execute(
        "DELETE FROM push_told WHERE id NOT IN (SELECT told FROM push_devices)"
        " AND app IN (SELECT app FROM push_told GROUP BY app HAVING count(*) > 1000)"
    ).rowcount
    execute("DELETE FROM push_counts")
    execute("INSERT INTO push_counts SELECT app, count(*) FROM push_devices GROUP BY app")
    before = now_ms // 60_000 - (EFFECT_HOURS + LATE_HOURS) * 60
    for (arm,) in execute("SELECT id FROM push_arms WHERE closed = 0 AND last_due < ?", (before,)).fetchall():
        rows += _close(connection, arm)
    forgotten = now_ms // 60_000 - KEPT_DAYS * _DAY_MINUTES
    return rows + execute("DELETE FROM push_arms WHERE closed = 1 AND last_due < ?", (forgotten,)).rowcount


def _close(connection: sqlite3.Connection, arm: int) -> int:
    columns = "devices, opened, updated, active, sessions, squares"
    sums = f"SELECT {SUMS} FROM push_assigned WHERE arm = ?1"  # noqa: S608  names of ours
    connection.execute(f"UPDATE push_arms SET closed = 1, ({columns}) = ({sums}) WHERE id = ?1", (arm,))  # noqa: S608
    return connection.execute("DELETE FROM push_assigned WHERE arm = ?", (arm,)).rowcount


def erase_from_push(connection: sqlite3.Connection, app: int | None, key: int, until_ms: int) -> int:
    """A device's registrations and its rows with messages; sums name nobody. What it registered after `until_ms`
    stays."""
    if app is None:
        return 0
    rows = 0
    place = (app, key)
    rows += connection.execute("DELETE FROM push_assigned WHERE app = ? AND key = ?", place).rowcount
    rows += connection.execute(
        "DELETE FROM push_tokens WHERE app = ? AND key = ? AND seen_ms <= ?", (*place, until_ms)
    ).rowcount
    left = "SELECT 1 FROM push_tokens WHERE app = ? AND key = ? AND token <> ''"
    if connection.execute(left, place).fetchone() is None:
        gone = connection.execute("DELETE FROM push_devices WHERE app = ? AND key = ?", place).rowcount
        connection.execute("UPDATE push_counts SET devices = devices - ? WHERE app = ?", (gone, app))
        rows += gone
    return rows
