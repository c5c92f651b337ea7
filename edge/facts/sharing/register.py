"""The register: what all nodes know of single devices (`domain.sharing`), by name, numbered for those who must hear it.

It is a file beside the table, not part of its slots: only a device that chose a channel or failed has a row (some 250
bytes), all others cost nothing, and no look-up of a check reads it. A change has the next number, and a device's row is
its latest state: whoever asks for all after a number gets what changed since, once, and from 0 everything.

One thread writes; readers have connections of their own (`reading`). What a transaction holds is on disk when it has
ended. A file that SQLite cannot read is set aside: the other nodes know nearly all of it, and tell it again.
"""

import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from edge.domain.facts import day_of
from edge.domain.sharing.state import NOTHING_SHARED, SharedFacts
from edge.store.disk.database_file import BUSY_SECONDS, Tables, open_database, transaction
from edge.store.disk.durable_files import DIRECTORY_MODE
from edge.store.disk.set_aside import set_aside

REGISTER_NAME = "shared.sqlite"
REGISTER_SCHEMA = 1
DEVICES_KEPT = 5_000_000  # rows, 1.3 GB: devices that chose or failed; beyond it those that changed longest ago go
KEPT_DAYS = 400  # a device that was silent so long has other bundles, and its table forgot it, too
NAMED_DAYS = 30  # that the name of an erased device is kept, so that every node hears of it
UNJUDGED_LIMIT = 100_000  # pieces of evidence whose offer is not known yet, 20 MB
UNJUDGED_SECONDS = 86_400.0  # how late a region that was cut off may be with the offer
IN_STEP = "in step"  # the word that names the last start in which all was heard that others know
SESSIONS_KEPT = 1_000  # starts of this node; who was told before them hears everything again
EPOCHS_KEPT = 100  # of a node's evidence, each a start of it: a disk that was put back behind them is judged again

_SCHEMA = f"""
CREATE TABLE devices (
    key BLOB PRIMARY KEY, app TEXT NOT NULL, device TEXT NOT NULL, number INTEGER NOT NULL, brought TEXT NOT NULL,
    prefix TEXT NOT NULL, day INTEGER NOT NULL, erased INTEGER NOT NULL, state BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX devices_by_number ON devices (number) WHERE number > 0;
CREATE INDEX devices_by_day ON devices (day);
CREATE INDEX devices_erased ON devices (day) WHERE erased AND device != '';
CREATE TABLE unjudged (key BLOB NOT NULL, at REAL NOT NULL, evidence BLOB NOT NULL, UNIQUE (key, at, evidence));
CREATE TABLE sessions (id TEXT PRIMARY KEY, began INTEGER NOT NULL);
CREATE TABLE taken (
    node TEXT NOT NULL, epoch TEXT NOT NULL, number INTEGER NOT NULL, turn INTEGER NOT NULL, PRIMARY KEY (node, epoch)
) WITHOUT ROWID;
CREATE TABLE words (name TEXT PRIMARY KEY, word TEXT NOT NULL) WITHOUT ROWID;
PRAGMA user_version = {REGISTER_SCHEMA};
"""
_TABLES = Tables(REGISTER_SCHEMA, _SCHEMA)
_PRAGMAS = ("journal_mode = WAL", "secure_delete = ON", "synchronous = FULL")
_ROW = "SELECT key, app, device, number, brought, prefix, day, state FROM devices"
_TAKE = """
INSERT INTO taken SELECT ?1, ?2, ?3, coalesce(max(turn), 0) + 1 FROM taken WHERE node = ?1
ON CONFLICT (node, epoch) DO UPDATE SET number = max(number, ?3)
"""
_FORGET_EPOCHS = """
DELETE FROM taken WHERE node = ?1
AND turn <= (SELECT turn FROM taken WHERE node = ?1 ORDER BY turn DESC LIMIT 1 OFFSET ?2)
"""
_PUT = "INSERT OR REPLACE INTO devices VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"

KeyOf = Callable[[str, str], bytes]  # a device's key in the table, by its app and its name

_encode = msgspec.msgpack.encode
_decode = msgspec.msgpack.Decoder(SharedFacts).decode


class SharedRow(NamedTuple):
    """What is known of a device. `number` is that of its latest change, 0: nobody has to hear it. `brought`: the node
    that knows all of it. `prefix` of the address whose report changed it last, where this node took that. Some time
    after an erasure `app` and `device` are empty."""

    key: bytes
    app: str
    device: str
    number: int = 0
    brought: str = ""
    prefix: str = ""
    day: int = 0
    state: SharedFacts = NOTHING_SHARED


class RegisterSession(NamedTuple):
    """A start of this node: `id` is random, `began` the last number before it. A restored register goes on with numbers
    that were given before, but never with a session in which they were. What this node brings to others is of one."""

    id: str
    began: int


class RegisterChange(NamedTuple):
    """What one transaction keeps: rows, evidence that waits for its offer (key, time, bytes), keys whose evidence waits
    no longer, what came of nodes (node, epoch, number), words, and numbers that somebody has heard, by key. `again`:
    first of all, everybody has to hear everything."""

    rows: list[SharedRow]
    unjudged: list[tuple[bytes, float, bytes]]
    judged: list[bytes]
    taken: list[tuple[str, str, int]]
    words: list[tuple[str, str]]
    heard: list[tuple[bytes, int]]
    again: bool = False


class SharedRegister:
    """For one thread that writes. `session` is this start's, `last_number` the latest that was given."""

    def __init__(self, directory: Path, seed: int, key_of: KeyOf) -> None:
        """`seed` is the table's, whose keys `key_of` makes. Raises OSError, sqlite3.Error."""
        directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        self.path = directory / REGISTER_NAME
        self._connection = self._opened()
        with transaction(self._connection):
            self._rekey(seed, key_of)
            latest = "SELECT coalesce(max({}), 0) FROM {}"
            self.last_number = max(
                self._number(latest.format("number", "devices")), self._number(latest.format("began", "sessions"))
            )
            self.session = RegisterSession(secrets.token_hex(8), self.last_number)
            self._connection.execute("INSERT INTO sessions VALUES (?, ?)", self.session)
            kept = "SELECT id FROM sessions ORDER BY began DESC, id = ? DESC LIMIT ?"
            self._connection.execute(f"DELETE FROM sessions WHERE id NOT IN ({kept})", (self.session.id, SESSIONS_KEPT))  # noqa: S608
        self._count()

    def unsettled(self) -> frozenset[str]:
        """The starts of this node since it last had heard all that others know, this one included."""
        starts = [each.id for each in all_sessions(self._connection)]
        known = read_word(self._connection, IN_STEP)
        return frozenset(starts[starts.index(known) + 1 :] if known in starts else starts)

    def find(self, key: bytes) -> SharedRow | None:
        return row_at(self._connection, key) if self._rows else None

    def unjudged(self, key: bytes) -> list[tuple[float, bytes]]:
        """Evidence about the device that waits for its offer, the oldest first."""
        if not self._unjudged:
            return []
        ordered = "SELECT at, evidence FROM unjudged WHERE key = ? ORDER BY at, evidence"
        return self._connection.execute(ordered, (key,)).fetchall()

    def keep(self, change: RegisterChange) -> None:
        """All of it, or nothing. Rows and evidence are on disk when it returns; what else there is may be lost, and is
        then as before. Raises sqlite3.Error."""
        durably = change.rows or change.unjudged
        self._connection.execute(f"PRAGMA synchronous = {'FULL' if durably else 'OFF'}")
        room = max(UNJUDGED_LIMIT - self._unjudged, 0)
        with transaction(self._connection):
            many = self._connection.executemany
            if change.again:
                self._owe_all()
            many("DELETE FROM unjudged WHERE key = ?", [(key,) for key in change.judged])
            many("INSERT OR IGNORE INTO unjudged VALUES (?, ?, ?)", change.unjudged[:room])
            many(_PUT, map(_columns, change.rows))
            many("UPDATE devices SET number = 0 WHERE key = ? AND number = ?", change.heard)
            many(_TAKE, change.taken)
            many(_FORGET_EPOCHS, [(node, EPOCHS_KEPT) for node in {node for node, _, _ in change.taken}])
            many("INSERT OR REPLACE INTO words VALUES (?, ?)", change.words)
        self.last_number = max([self.last_number, *(row.number for row in change.rows)])
        self._rows += len(change.rows)
        self._unjudged += len(change.unjudged[:room])

    def tidy(self, now: float) -> None:
        """Forget what is too old or too much, and names of erased devices: as soon as nobody has to hear them. `now` in
        seconds since the epoch. Raises sqlite3.Error."""
        day = day_of(now)
        execute = self._connection.execute
        with transaction(self._connection):
            execute("DELETE FROM devices WHERE day < ?", (day - KEPT_DAYS,))
            execute(
                "UPDATE devices SET app = '', device = '', prefix = '', number = 0 WHERE erased AND device != '' "
                "AND (number = 0 OR day < ? OR NOT EXISTS (SELECT 1 FROM taken))",
                (day - NAMED_DAYS,),
            )
            if self._rows > DEVICES_KEPT:
                self._count()
            beyond = self._rows - DEVICES_KEPT
            if beyond > 0:
                oldest = "SELECT key FROM devices ORDER BY day LIMIT ?"
                execute(f"DELETE FROM devices WHERE key IN ({oldest})", (beyond,))  # noqa: S608
            execute("DELETE FROM unjudged WHERE at < ?", (now - UNJUDGED_SECONDS,))
        execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self._count()

    def close(self) -> None:
        self._connection.close()

    def _owe_all(self) -> None:
        """Nobody is left out; a row keeps its number, unless it has none."""
        execute = self._connection.execute
        execute("UPDATE devices SET brought = '' WHERE brought != ''")
        keys = execute("SELECT key FROM devices WHERE number = 0 AND device != ''").fetchall()
        numbers = range(self.last_number + 1, self.last_number + 1 + len(keys))
        rows = [(number, key) for number, (key,) in zip(numbers, keys, strict=True)]
        self._connection.executemany("UPDATE devices SET number = ? WHERE key = ?", rows)
        self.last_number += len(keys)

    def _number(self, question: str) -> int:
        return int(self._connection.execute(question).fetchone()[0])

    def _count(self) -> None:
        """At least so many: 0 spares the questions."""
        self._rows = self._number("SELECT count(*) FROM devices")
        self._unjudged = self._number("SELECT count(*) FROM unjudged")

    def _opened(self) -> sqlite3.Connection:
        try:
            return open_database(self.path, _TABLES, _PRAGMAS)
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:  # for what is no damage, SQLite has classes of their own
                raise
            set_aside(self.path, str(error), "what other nodes know of devices is asked of them again")
            for suffix in ("-wal", "-shm"):
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            return open_database(self.path, _TABLES, _PRAGMAS)

    def _rekey(self, seed: int, key_of: KeyOf) -> None:
        """A table that was lost and made again has other keys; the rows have the names."""
        known = read_word(self._connection, "seed")
        if known == str(seed):
            return
        if known:
            self._connection.execute("DELETE FROM unjudged")
            self._connection.execute("DELETE FROM devices WHERE device = ''")
            rows = [_row(found) for found in self._connection.execute(_ROW)]
            self._connection.execute("DELETE FROM devices")
            again = [_columns(row._replace(key=key_of(row.app, row.device))) for row in rows]
            self._connection.executemany(_PUT, again)
        self._connection.execute("INSERT OR REPLACE INTO words VALUES ('seed', ?)", (str(seed),))


@contextmanager
def reading(directory: Path) -> Iterator[sqlite3.Connection]:
    """A connection for questions, beside the one that writes. Raises FileNotFoundError, sqlite3.Error."""
    path = directory / REGISTER_NAME
    if not path.exists():
        raise FileNotFoundError(path)
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA query_only = ON")
        yield connection
    finally:
        connection.close()


def row_at(connection: sqlite3.Connection, key: bytes) -> SharedRow | None:
    """What is known of the device with this key."""
    found = connection.execute(f"{_ROW} WHERE key = ?", (key,)).fetchone()
    return None if found is None else _row(found)


def rows_after(connection: sqlite3.Connection, number: int, limit: int) -> list[SharedRow]:
    """What changed after this number, in order."""
    question = f"{_ROW} WHERE number > ? AND number > 0 ORDER BY number LIMIT ?"
    return [_row(found) for found in connection.execute(question, (number, limit))]


def all_rows(connection: sqlite3.Connection) -> Iterator[SharedRow]:
    """Of devices whose names are known."""
    return map(_row, connection.execute(f"{_ROW} WHERE device != ''"))


def all_sessions(connection: sqlite3.Connection) -> list[RegisterSession]:
    """The oldest first."""
    return [
        RegisterSession(*found) for found in connection.execute("SELECT id, began FROM sessions ORDER BY began, rowid")
    ]


def read_taken(connection: sqlite3.Connection, node: str, epoch: str) -> int:
    """Up to which number of this epoch the evidence of the node was taken; 0: nothing of it is known."""
    asked = "SELECT number FROM taken WHERE node = ? AND epoch = ?"
    found = connection.execute(asked, (node, epoch)).fetchone()
    return 0 if found is None else int(found[0])


def read_word(connection: sqlite3.Connection, name: str) -> str:
    """ "" for one that was never kept."""
    found = connection.execute("SELECT word FROM words WHERE name = ?", (name,)).fetchone()
    return "" if found is None else str(found[0])


def _row(found: tuple[bytes, str, str, int, str, str, int, bytes]) -> SharedRow:
    return SharedRow(*found[:7], _decode(found[7]))


def _columns(row: SharedRow) -> tuple[object, ...]:
    erased = row.state.era > 0 and row.state == SharedFacts(row.state.era)
    return *row[:7], erased, _encode(row.state)
