"""How many devices of an app have rows of their own in the figures.

Ids are what devices say: who makes up many shall not fill the disk. Rows go to who comes first, so a known device keeps
its row whatever comes later, and no app takes another's. A device without a row counts in sums and in sketches of
distinct devices; nothing that needs a memory of it (steps, sessions, retention, behaviour, custom ids) is known. Its
vote on a release under guard is kept all the same, in a room of its own (`votes`): that of devices which this node
offered the release.
"""

import sqlite3
from collections.abc import Set

from edge.domain.statistics.device_record import DeviceRecord

FIGURE_DEVICES_LIMIT = 2_000_000  # of an app: some 1 kB each with its steps and behaviour, so 2 GB
BEYOND = "devices_beyond_limit"  # among the totals: devices without a row, in each batch that told of them


class DeviceRoom:
    """Of one batch; in the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection, limit: int = FIGURE_DEVICES_LIMIT) -> None:
        self._connection, self._limit = connection, limit
        self._held: dict[int, int] = {}
        self._new: list[DeviceRecord] = []
        self._beyond = 0

    def begin(self, app: int, key: int, own: Set[int]) -> DeviceRecord:
        """The record of a device that has no row."""
        if not key:  # of no device: it never has one
            return DeviceRecord(app, key, own)
        held = self._held.get(app)
        if held is None:
            row = self._connection.execute("SELECT n FROM device_counts WHERE app = ?", (app,)).fetchone()
            held = int(row[0]) if row else 0
        self._held[app] = held
        if held >= self._limit:
            self._beyond += 1
            found = DeviceRecord(app, key, frozenset())
            found.followed = False
            return found
        self._held[app] = held + 1
        found = DeviceRecord(app, key, own)
        self._new.append(found)
        return found

    def store(self) -> None:
        """Count the rows that were written."""
        self._connection.executemany(
            "INSERT INTO device_counts VALUES (?, 1) ON CONFLICT DO UPDATE SET n = n + 1",
            [(state.app,) for state in self._new if state.first_ms],
        )
        if self._beyond:
            query = "INSERT INTO totals VALUES (?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n"
            self._connection.execute(query, (BEYOND, self._beyond))


def recount_devices(connection: sqlite3.Connection, app: int) -> None:
    """After rows were deleted. In the caller's transaction."""
    connection.execute(
        "INSERT OR REPLACE INTO device_counts SELECT ?1, count(*) FROM devices WHERE app = ?1",
        (app,),
    )
