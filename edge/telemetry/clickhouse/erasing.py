"""Erasing a device in ClickHouse, after what waits for it has been sent.

An erasure is noted beside the outbox, so it survives a server that is away; it is carried out when every block that
was listed at the time has been sent, and so may name the device no longer. Rows about the device are deleted by its
key, from the next answer on; the bytes go when ClickHouse merges the parts. Sums and sketches, which name nobody, stay.
"""

import sqlite3

from edge.telemetry.clickhouse.server import ClickHouseServer

# Tables with rows of single devices.
DEVICE_TABLES = ("observations", "devices", "latest_words", "device_days", "steps")


def note_erasure(connection: sqlite3.Connection, app: str, device: int) -> None:
    """Within the caller's transaction; `device` is a device_key."""
    (latest,) = connection.execute("SELECT coalesce(max(id), 0) FROM outbox").fetchone()
    connection.execute("INSERT OR REPLACE INTO outbox_erasures VALUES (?, ?, ?)", (app, device, latest))


def waiting_erasures(connection: sqlite3.Connection) -> int:
    """How many devices are still to be erased in ClickHouse."""
    (found,) = connection.execute("SELECT count(*) FROM outbox_erasures").fetchone()
    return int(found)


def erase_where_sent(connection: sqlite3.Connection, server: ClickHouseServer) -> None:
    """Raises ClickHouseFault: what is not erased is tried again."""
    due = connection.execute(
        "SELECT app, device FROM outbox_erasures WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE id <= latest)"
    ).fetchall()
    for app, device in due:
        for table in DEVICE_TABLES:
            server.run(
                f"DELETE FROM {table} WHERE app = {{app:String}} AND device = {{device:Int64}}",
                {"app": app, "device": device},
            )
        connection.execute("DELETE FROM outbox_erasures WHERE app = ? AND device = ?", (app, device))
