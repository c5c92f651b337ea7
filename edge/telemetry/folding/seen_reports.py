"""Reports that were counted within the last hour: one that a device sends again counts once.

A plugin that received no answer sends its reports again, although they may be stored. A report's key is of its device,
action, version and timestamp, its app included. An event without the device's own timestamp has no key, since two equal
ones may both have happened. Keys are kept beside the figures, in the same transaction, and all in memory while events
are counted. Beyond a limit the oldest keys of the app that has the most are dropped, so that no app's reports, forged
or not, drain what is remembered of another's; duplicates of dropped ones then count twice.
"""

import sqlite3
from array import array
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from secrets import token_bytes

from xxhash import xxh3_64_intdigest

from edge.telemetry.behaviour.damaged_rows import note_damaged_row
from edge.telemetry.folding.duplicates import KEPT_SECONDS, ROOM_SHARE, WINDOW_SECONDS, owner_of, share_fairly

REMEMBERED_LIMIT = 1_000_000  # an hour of 280 events a second: 110 MB in memory, 16 on disk; busier nodes keep less
_SECRET_BYTES = 32
WINDOW_MS = WINDOW_SECONDS * 1000
BITS = (1 << 64) - 1
ODD = 0x9E3779B97F4A7C15  # spreads the bits of a timestamp
_KEY_BYTES = 16  # a key and its time
_WORDS_CACHED = 16_384  # actions and versions of a batch


class SeenReports:
    """In the caller's transaction. `limit` is in keys."""

    def __init__(self, connection: sqlite3.Connection, limit: int = REMEMBERED_LIMIT) -> None:
        self._connection = connection
        self._limit = limit
        self._secret = secret_of(connection, "seen")
        self.times: dict[int, int] = {}  # when each was counted; open to who asks for many
        self._new: defaultdict[int, dict[int, int]] = defaultdict(dict)
        for number, n, packed in connection.execute(
            "SELECT id, n, CAST(keys AS BLOB) FROM seen ORDER BY id"
        ).fetchall():
            if len(packed) != n * _KEY_BYTES:
                self._drop_damaged(number, f"{len(packed)} bytes for {n} keys")
                continue
            self.times.update(zip(*_unpacked(packed), strict=True))
        self._held = int(connection.execute("SELECT coalesce(sum(n), 0) FROM seen").fetchone()[0])

    def device_part(self, app: str, device: str) -> int:
        """The part of a key that is the device's. Keyed: nobody can make a report whose key is another device's."""
        content = f"{app}\0{device}".encode(errors="surrogatepass")
        return int.from_bytes(blake2b(content, digest_size=8, key=self._secret).digest(), "big")

    def note(self, key: int, at_ms: int, app: str) -> bool:
        """Whether the report is a duplicate; else it is remembered."""
        before = self.times.get(key)
        if before is not None and -WINDOW_MS <= at_ms - before <= WINDOW_MS:
            return True
        self.times[key] = at_ms
        self._new[owner_of(app)][key] = at_ms
        return False

    def new_of(self, app: str) -> dict[int, int]:
        """What `note` remembers of an app: for who does as it does, for many. In the order of time."""
        return self._new[owner_of(app)]

    def store(self) -> None:
        """Write down what was noted."""
        rows = [
            (owner, max(new.values()), len(new), _packed(array("Q", new.keys()), array("q", new.values())))
            for owner, new in self._new.items()
            if new
        ]
        self._connection.executemany("INSERT INTO seen (owner, last_ms, n, keys) VALUES (?, ?, ?, ?)", rows)
        self._held += sum(row[2] for row in rows)
        self._new.clear()
        if self._held > self._limit:
            self._make_room(self._limit - self._limit // ROOM_SHARE)

    def _make_room(self, left: int) -> None:
        """Drop keys until at most `left` are held, always from the apps that have the most."""
        counts = dict(self._connection.execute("SELECT owner, sum(n) FROM seen GROUP BY owner").fetchall())
        self._held = sum(counts.values())
        for owner, kept in share_fairly(counts, left).items():
            excess = counts[owner] - kept
            rows = self._connection.execute(
                "SELECT id, n, keys FROM seen WHERE owner = ? ORDER BY last_ms, id", (owner,)
            )
            while excess > 0:
                number, n, packed = rows.fetchone()
                if n > excess:
                    packed = self._keep_rest(number, packed, excess)
                    self._forget_keys(packed)
                else:
                    self._drop([(number, packed)])
                excess -= n

    def _drop_damaged(self, number: int, why: str) -> None:
        note_damaged_row(self._connection, f"a block of known reports (seen, {number})", ValueError(why))
        self._connection.execute("DELETE FROM seen WHERE id = ?", (number,))

    def _keep_rest(self, number: int, packed: bytes, dropped: int) -> bytes:
        """Of a block of which only the first keys go; returns those."""
        keys, times = _unpacked(packed)
        rest = _packed(keys[dropped:], times[dropped:])
        self._connection.execute("UPDATE seen SET n = ?, keys = ? WHERE id = ?", (len(keys) - dropped, rest, number))
        return _packed(keys[:dropped], times[:dropped])

    def _drop(self, rows: Iterable[tuple[int, bytes]]) -> None:
        rows = list(rows)
        for _, packed in rows:
            self._forget_keys(packed)
        self._connection.executemany("DELETE FROM seen WHERE id = ?", ((number,) for number, _ in rows))

    def _forget_keys(self, packed: bytes) -> None:
        for key, at_ms in zip(*_unpacked(packed), strict=True):
            if self.times.get(key) == at_ms:
                del self.times[key]
            self._held -= 1


def forget_reports(connection: sqlite3.Connection, now_ms: int) -> None:
    """Forget reports too old to have duplicates among the records still to come. In the caller's transaction."""
    connection.execute("DELETE FROM seen WHERE last_ms < ?", (now_ms - KEPT_SECONDS * 1000,))


def report_key(device_part: int, action: str, version: str, device_ms: int) -> int:
    """A number of 64 bits, from the `device_part` of its device."""
    return (device_part + words_part(action, version) + device_ms * ODD) & BITS


@lru_cache(_WORDS_CACHED)
def words_part(action: str, version: str) -> int:
    """The part of a key that is the report's words."""
    return xxh3_64_intdigest(f"{action}\0{version}".encode(errors="surrogatepass"))


def _packed(keys: "array[int]", times: "array[int]") -> bytes:
    return keys.tobytes() + times.tobytes()


def _unpacked(packed: bytes) -> tuple["array[int]", "array[int]"]:
    half = len(packed) // 2
    return array("Q", packed[:half]), array("q", packed[half:])


def secret_of(connection: sqlite3.Connection, name: str) -> bytes:
    """A key of this database's own, made when it is first asked for. In the caller's transaction."""
    row = connection.execute("SELECT secret FROM secrets WHERE name = ?", (name,)).fetchone()
    if row is None:
        row = (token_bytes(_SECRET_BYTES),)
        connection.execute("INSERT INTO secrets VALUES (?, ?)", (name, *row))
    return bytes(row[0])
