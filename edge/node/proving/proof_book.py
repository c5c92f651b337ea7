"""What this node has proven, kept on its disk: so a restart reads no blob again.

It is a cache. A book that is damaged or cannot be written costs a second reading of blobs and nothing else. Every call
blocks for a moment; safe among threads.
"""

import logging
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from edge.domain.model import Digest
from edge.node.proving.verdicts import BlobDamage, Fault
from edge.store.file_proof import FileIdentity

SCHEMA_NUMBER = 2
BUSY_SECONDS = 1.0  # another process of this node, while it restarts

# Ids of files may need 64 bits without a sign, which SQLite lacks: an identity is text.
_SCHEMA = f"""
CREATE TABLE proofs (digest BLOB PRIMARY KEY, identity TEXT NOT NULL, read_at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE damage (digest BLOB PRIMARY KEY, fault TEXT NOT NULL, identity TEXT NOT NULL, app TEXT NOT NULL)
WITHOUT ROWID;
CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
PRAGMA user_version = {SCHEMA_NUMBER};
"""

log = logging.getLogger("edge.blobs")


class ProofBook:
    """In a file, or in memory where that cannot be opened."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._writable = True
        self._connection = _open(path)

    def close(self) -> None:
        """No call may follow."""
        with self._lock:
            self._connection.close()

    def proof_of(self, digest: str) -> FileIdentity | None:
        """The file that was proven to have this digest."""
        rows = self._read("SELECT identity FROM proofs WHERE digest = ?", (bytes.fromhex(digest),))
        return _parse_identity(rows[0][0]) if rows else None

    def read_at(self, digest: str) -> float:
        """When the blob was last read and found right, in seconds since the epoch; 0 if never."""
        rows = self._read("SELECT read_at FROM proofs WHERE digest = ?", (bytes.fromhex(digest),))
        return float(rows[0][0]) if rows else 0.0

    def note_proof(self, digest: str, identity: FileIdentity, now: float) -> None:
        """The file has this digest, and no damage is known of it any more."""
        key = bytes.fromhex(digest)
        self._write("INSERT OR REPLACE INTO proofs VALUES (?, ?, ?)", (key, _encode_identity(identity), now))
        self._write("DELETE FROM damage WHERE digest = ?", (key,))

    def note_proofs(self, proofs: Mapping[Digest, FileIdentity], now: float) -> None:
        """As `note_proof`, for many blobs of which no damage is known."""
        rows = [(bytes.fromhex(digest), _encode_identity(identity), now) for digest, identity in proofs.items()]
        try:
            with self._lock:
                self._connection.execute("BEGIN")
                with self._connection:
                    self._connection.executemany("INSERT OR REPLACE INTO proofs VALUES (?, ?, ?)", rows)
        except sqlite3.Error as error:
            self._say(error)

    def damage(self) -> dict[str, BlobDamage]:
        """All that is known, by digest."""
        rows = self._read("SELECT digest, fault, identity, app FROM damage", ())
        return {
            key.hex(): BlobDamage(Fault(fault), _parse_identity(identity), app) for key, fault, identity, app in rows
        }

    def note_damage(self, digest: str, damage: BlobDamage) -> None:
        """The blob is not what its name says; an older proof of it is void."""
        key, identity = bytes.fromhex(digest), _encode_identity(damage.identity)
        self._write(
            "INSERT OR REPLACE INTO damage VALUES (?, ?, ?, ?)", (key, damage.fault.value, identity, damage.app)
        )
        self._write("DELETE FROM proofs WHERE digest = ?", (key,))

    def forget_damage(self, digest: str) -> None:
        """Nothing names the blob any more."""
        self._write("DELETE FROM damage WHERE digest = ?", (bytes.fromhex(digest),))

    def note(self, name: str) -> str | None:
        """What was kept under this name."""
        rows = self._read("SELECT value FROM notes WHERE name = ?", (name,))
        return str(rows[0][0]) if rows else None

    def keep_note(self, name: str, value: str | None) -> None:
        """For `note`; None: nothing from now on."""
        if value is None:
            self._write("DELETE FROM notes WHERE name = ?", (name,))
        else:
            self._write("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))

    def forget_unread_since(self, moment: float) -> int:
        """Forget proofs of blobs that were last read before `moment`: nothing names them. Returns how many."""
        return self._write("DELETE FROM proofs WHERE read_at < ?", (moment,))

    def _read(self, query: str, values: tuple[object, ...]) -> list[Any]:
        try:
            with self._lock:
                return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            self._say(error)
            return []

    def _write(self, statement: str, values: Iterable[object]) -> int:
        try:
            with self._lock:
                changed = self._connection.execute(statement, tuple(values)).rowcount
        except sqlite3.Error as error:
            self._say(error)
            return 0
        self._writable = True
        return changed

    def _say(self, error: sqlite3.Error) -> None:
        if self._writable:
            log.warning("cannot save which blobs are proven, so they are read again after a restart: %s", error)
        self._writable = False


def _open(path: Path) -> sqlite3.Connection:
    try:
        return _connect(str(path))
    except sqlite3.OperationalError as error:
        log.warning("%s cannot be opened, so blobs are read again after each restart: %s", path, error)
    except sqlite3.DatabaseError as error:
        log.warning("%s is damaged and is created again; blobs are read once more: %s", path, error)
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        with suppress(sqlite3.DatabaseError):
            return _connect(str(path))
    return _connect(":memory:")


def _connect(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=OFF")  # a cache
    number = connection.execute("PRAGMA user_version").fetchone()[0]
    if number not in (0, SCHEMA_NUMBER):
        raise sqlite3.DatabaseError(f"another release wrote it, with schema {number}")
    if number == 0:
        connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")


def _encode_identity(identity: FileIdentity | None) -> str:
    return "" if identity is None else " ".join(map(str, identity))


def _parse_identity(text: object) -> FileIdentity | None:
    numbers = [int(number) for number in str(text).split()]
    return FileIdentity(*numbers) if len(numbers) == len(FileIdentity._fields) else None
