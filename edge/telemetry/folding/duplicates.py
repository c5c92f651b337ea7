"""What counts once for good: a device in an experiment's arm, an outcome by its id.

Every worker that a device in an experiment's arm contacts notes it, and again after a restart; the device counts once,
however long that takes. So does an outcome that a team's system sends again. Keys are kept beside the figures and
change in the same transaction. Beyond a limit the oldest keys of the app that has the most are dropped, so that no app
drains what is remembered of another's; what is dropped may then count twice. Reports are `seen_reports`.
"""

import sqlite3
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b

WINDOW_SECONDS = 3600  # a plugin retries within seconds or at its next start; later it is another report
EXPOSED_LIMIT = 2_000_000  # devices of all experiments together, 90 bytes each
OUTCOMES_LIMIT = 2_000_000  # of all apps together, 90 bytes each
KEPT_SECONDS = 2 * WINDOW_SECONDS  # by the node's clock: the window, and a live segment's lag

ROOM_SHARE = 100  # of the limit is freed at once: counting the keys of all apps takes 50 ms
OWNERS_KEPT = 10_000

_KEYS_PER_QUERY = 500  # SQLite's own limit of variables was once 999


class RememberedKeys:
    """For one fold, in the caller's transaction. `table` is "exposed" or "outcome_ids". `limit` is in keys."""

    def __init__(self, connection: sqlite3.Connection, limit: int, *, table: str) -> None:
        self._connection = connection
        self._limit = limit
        self._table = table
        self._held = int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608  at most

    def find_duplicates(self, received: Iterable[tuple[int, int, str]]) -> list[bool]:
        """For each key, epoch time in milliseconds and app, in order, whether it is a duplicate; the others are
        remembered."""
        received = list(received)
        known = self._look_up([key for key, _, _ in received])
        new: dict[int, tuple[int, int]] = {}
        found: list[bool] = []
        for key, at_ms, app in received:
            again = key in known
            if not again:
                known.add(key)
                new[key] = (at_ms, owner_of(app))
            found.append(again)
        self._remember(new)
        return found

    def _look_up(self, keys: list[int]) -> set[int]:
        found: set[int] = set()
        keys = sorted(set(keys))  # neighbours are on one page of the table
        for start in range(0, len(keys), _KEYS_PER_QUERY):
            some = keys[start : start + _KEYS_PER_QUERY]
            marks = ",".join("?" * len(some))
            rows = self._connection.execute(f"SELECT key FROM {self._table} WHERE key IN ({marks})", some)  # noqa: S608  marks alone
            found.update(key for (key,) in rows)
        return found

    def _remember(self, new: dict[int, tuple[int, int]]) -> None:
        self._connection.executemany(
            f"INSERT OR REPLACE INTO {self._table} (key, received_ms, owner) VALUES (?, ?, ?)",  # noqa: S608
            sorted((key, at_ms, owner) for key, (at_ms, owner) in new.items()),
        )
        self._held += len(new)
        if self._held > self._limit:
            self._make_room(self._limit - self._limit // ROOM_SHARE)

    def _make_room(self, left: int) -> None:
        """Drop keys until at most `left` are held, always from the apps that have the most."""
        rows = self._connection.execute(f"SELECT owner, count(*) FROM {self._table} GROUP BY owner")  # noqa: S608
        counts = dict(rows.fetchall())
        self._held = sum(counts.values())
        for owner, kept in share_fairly(counts, left).items():
            excess = counts[owner] - kept
            if excess:
                oldest = f"SELECT key FROM {self._table} WHERE owner = ? ORDER BY received_ms LIMIT ?"  # noqa: S608
                self._connection.execute(f"DELETE FROM {self._table} WHERE key IN ({oldest})", (owner, excess))  # noqa: S608
                self._held -= excess


def share_fairly(wanted: dict[int, int], room: int) -> dict[int, int]:
    """How many of `room` each gets: all that it wants, or as many as each other that does not get that."""
    shares: dict[int, int] = {}
    for number, (owner, n) in enumerate(sorted(wanted.items(), key=lambda each: each[1])):
        shares[owner] = min(n, room // (len(wanted) - number))
        room -= shares[owner]
    return shares


@lru_cache(OWNERS_KEPT)
def owner_of(app: str) -> int:
    """A signed 64-bit hash, as SQLite holds it; never 0 but by accident."""
    return int.from_bytes(blake2b(app.encode(), digest_size=8).digest(), "big", signed=True)
