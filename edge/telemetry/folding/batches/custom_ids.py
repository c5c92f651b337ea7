"""Which device stated which custom id last: outcomes may name people so. Hashes alone; in the caller's transaction."""

import sqlite3
from hashlib import blake2b

CUSTOM_IDS_LIMIT = 1_000_000  # of an app: 60 bytes each; beyond it those that were stated longest ago are forgotten


class CustomIds:
    """What a batch states is written by `store`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._stated: dict[tuple[int, int], tuple[int, int]] = {}

    def state(self, app: int, custom_id: str, device: int, at_ms: int, known: int) -> int:
        """Returns the number that stands for the custom id; `known` is the one that the device stated before."""
        number = _number_of(custom_id)
        if number == known:
            return number
        before = self._stated.get((app, number))
        if before is None or at_ms >= before[1]:
            self._stated[app, number] = (device, at_ms)
        return number

    def device_of(self, app: int, custom_id: str) -> int | None:
        number = _number_of(custom_id)
        stated = self._stated.get((app, number))
        if stated is not None:
            return stated[0]
        query = "SELECT key FROM customs WHERE app = ? AND hash = ?"
        row = self._connection.execute(query, (app, number)).fetchone()
        return int(row[0]) if row else None

    def store(self) -> None:
        self._connection.executemany(
            "INSERT INTO customs VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET key = excluded.key, at_ms = excluded.at_ms WHERE excluded.at_ms >= at_ms",
            sorted((app, number, device, at_ms) for (app, number), (device, at_ms) in self._stated.items()),
        )
        for app in sorted({app for app, _ in self._stated}):
            _keep_latest(self._connection, app)


def forget_custom_ids(connection: sqlite3.Connection, app: int, before_ms: int) -> int:
    """Those that devices stated before then which are not known any more; returns how many."""
    query = (
        "DELETE FROM customs WHERE app = ? AND at_ms < ?"
        " AND NOT EXISTS (SELECT 1 FROM devices WHERE devices.app = customs.app AND devices.key = customs.key)"
    )
    return connection.execute(query, (app, before_ms)).rowcount


def _keep_latest(connection: sqlite3.Connection, app: int) -> None:
    (n,) = connection.execute("SELECT count(*) FROM customs WHERE app = ?", (app,)).fetchone()
    if n > CUSTOM_IDS_LIMIT:
        oldest = "SELECT hash FROM customs WHERE app = ? ORDER BY at_ms LIMIT ?"
        connection.execute(
            f"DELETE FROM customs WHERE app = ? AND hash IN ({oldest})",  # noqa: S608  a constant
            (app, app, n - CUSTOM_IDS_LIMIT),
        )


def _number_of(custom_id: str) -> int:
    return int.from_bytes(blake2b(custom_id.encode(), digest_size=8).digest(), "big", signed=True)
