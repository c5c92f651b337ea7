"""Duplicates: a report that is sent again counts once, and so does a device in an experiment's arm.

A plugin that received no answer sends its reports again, although they may be stored. A report's key is the whole
stored event, its app included, without the time at which this node received it. An event without the device's own
timestamp has no key, since two equal ones may both have happened. Keys are kept beside the counts and change in the
same transaction. Beyond a limit the oldest keys are dropped; their duplicates then count twice.

Every worker that a device in an experiment's arm contacts notes it, and again after a restart; the device counts once,
however long that takes.
"""

import sqlite3
from collections.abc import Iterable

WINDOW_SECONDS = 3600  # a plugin retries within seconds or at its next start; later it is another report
# Some 50 bytes each on disk: an hour of 280 events a second. A busier node remembers less than the hour.
REMEMBERED_LIMIT = 1_000_000
EXPOSED_LIMIT = 2_000_000  # devices of all experiments together, 50 bytes each
KEPT_SECONDS = 2 * WINDOW_SECONDS  # by the node's clock: the window, and a live segment's lag

_KEYS_PER_QUERY = 500  # SQLite's own limit of variables was once 999


class RememberedKeys:
    """For one fold, in the caller's transaction. `table` is "seen" or "exposed". An equal key within `window_seconds`
    is a duplicate; None: at any time. `limit` is in keys."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        limit: int = REMEMBERED_LIMIT,
        *,
        table: str = "seen",
        window_seconds: int | None = WINDOW_SECONDS,
    ) -> None:
        self._connection = connection
        self._limit = limit
        self._table = table
        self._window_seconds = window_seconds
        self._held = int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608  at most

    def find_duplicates(self, received: Iterable[tuple[int | None, int]]) -> list[bool]:
        """For each key and epoch time in milliseconds, in order, whether it is a duplicate. Remembers the others."""
        received = list(received)
        known = self._look_up([key for key, _ in received if key is not None])
        new: dict[int, int] = {}
        found: list[bool] = []
        for key, at_ms in received:
            before_ms = known.get(key) if key is not None else None
            again = before_ms is not None and self._is_within(abs(at_ms - before_ms))
            if key is not None and not again:
                known[key] = new[key] = at_ms
            found.append(again)
        self._remember(new)
        return found

    def _is_within(self, apart_ms: int) -> bool:
        return self._window_seconds is None or apart_ms <= self._window_seconds * 1000

    def forget(self, now_ms: int) -> None:
        """Forget reports too old to have duplicates among the records still to come."""
        oldest_ms = now_ms - KEPT_SECONDS * 1000
        self._held -= self._connection.execute("DELETE FROM seen WHERE received_ms < ?", (oldest_ms,)).rowcount

    def _look_up(self, keys: list[int]) -> dict[int, int]:
        found: dict[int, int] = {}
        keys = sorted(set(keys))  # neighbours are on one page of the table
        for start in range(0, len(keys), _KEYS_PER_QUERY):
            some = keys[start : start + _KEYS_PER_QUERY]
            marks = ",".join("?" * len(some))
            rows = self._connection.execute(f"SELECT key, received_ms FROM {self._table} WHERE key IN ({marks})", some)  # noqa: S608  marks alone
            found.update(rows.fetchall())
        return found

    def _remember(self, new: dict[int, int]) -> None:
        self._connection.executemany(
            f"INSERT OR REPLACE INTO {self._table} (key, received_ms) VALUES (?, ?)",  # noqa: S608
            sorted(new.items()),
        )
        self._held += len(new)
        excess = self._held - self._limit
        if excess > 0:
            oldest = f"SELECT key FROM {self._table} ORDER BY received_ms LIMIT ?"  # noqa: S608
            forgotten = self._connection.execute(f"DELETE FROM {self._table} WHERE key IN ({oldest})", (excess,))  # noqa: S608
            self._held -= forgotten.rowcount
