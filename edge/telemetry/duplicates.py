"""The same report sent again: told by its bytes, so that it counts once.

A plugin sends its reports again when it heard no answer, although they may be stored. The key is the whole event as it
is stored, its app among it, without the time this node received it; an event without the device's own timestamp has no
key, since two that are equal may both have happened. What was seen is kept beside the counts and changes in their
transaction. It is bounded: beyond the limit the oldest go first, and what they told apart counts twice.
"""

import sqlite3
from collections.abc import Iterable

WINDOW_SECONDS = 3600  # a plugin sends again within seconds or at its next start; later, it is another report
# Some 50 bytes each on disk: an hour of 280 events a second. A busier node remembers less than the hour.
REMEMBERED_LIMIT = 1_000_000
KEPT_SECONDS = 2 * WINDOW_SECONDS  # of the node's clock: the window, and what a segment that still lives may lag behind

_IN_ONE_QUESTION = 500  # keys; SQLite's own limit of variables was 999 once
_FORGET_OLDEST = "DELETE FROM seen WHERE key IN (SELECT key FROM seen ORDER BY received_ms LIMIT ?)"


class Seen:
    """For one fold. Everything happens in the caller's transaction."""

    def __init__(self, connection: sqlite3.Connection, limit: int = REMEMBERED_LIMIT) -> None:
        self._connection = connection
        self._limit = limit
        self._held = int(connection.execute("SELECT count(*) FROM seen").fetchone()[0])  # at most

    def find_duplicates(self, received: Iterable[tuple[int | None, int]]) -> list[bool]:
        """For each key and time in milliseconds, in order: whether the same was received within the window of it.

        What is no duplicate is remembered from its own time on.
        """
        received = list(received)
        known = self._look_up([key for key, _ in received if key is not None])
        new: dict[int, int] = {}
        found: list[bool] = []
        for key, at_ms in received:
            before_ms = known.get(key) if key is not None else None
            again = before_ms is not None and abs(at_ms - before_ms) <= WINDOW_SECONDS * 1000
            if key is not None and not again:
                known[key] = new[key] = at_ms
            found.append(again)
        self._remember(new)
        return found

    def forget(self, now_ms: int) -> None:
        """Forget what is too old for anything that is still to come."""
        oldest_ms = now_ms - KEPT_SECONDS * 1000
        self._held -= self._connection.execute("DELETE FROM seen WHERE received_ms < ?", (oldest_ms,)).rowcount

    def _look_up(self, keys: list[int]) -> dict[int, int]:
        found: dict[int, int] = {}
        keys = sorted(set(keys))  # neighbours in the table are on one page
        for start in range(0, len(keys), _IN_ONE_QUESTION):
            some = keys[start : start + _IN_ONE_QUESTION]
            marks = ",".join("?" * len(some))
            rows = self._connection.execute(f"SELECT key, received_ms FROM seen WHERE key IN ({marks})", some)  # noqa: S608  marks alone
            found.update(rows.fetchall())
        return found

    def _remember(self, new: dict[int, int]) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO seen (key, received_ms) VALUES (?, ?)", sorted(new.items())
        )
        self._held += len(new)
        excess = self._held - self._limit
        if excess > 0:
            self._held -= self._connection.execute(_FORGET_OLDEST, (excess,)).rowcount
