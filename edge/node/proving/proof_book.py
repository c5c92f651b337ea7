"""What this node has proven, kept on its disk: so a restart reads no blob again.

It is a cache. A book that is damaged or cannot be written costs a second reading of blobs and nothing else: a line that
cannot be read is dropped, a file that SQLite cannot read is made again. Every call blocks for a moment; safe among
threads, and none raises.
"""

import logging
import math
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from edge.domain.model import Digest
from edge.node.proving.verdicts import BlobDamage, Fault
from edge.store.disk.file_proof import FileIdentity

SCHEMA_NUMBER = 2
DIGEST_BYTES = 32
REPLACED = "\ufffd"  # stands for bytes that are no text
BUSY_SECONDS = 1.0  # another process of this node, while it restarts

# Ids of files may need 64 bits without a sign, which SQLite lacks: an identity is text.
_SCHEMA = f"""
CREATE TABLE proofs (digest BLOB PRIMARY KEY, identity TEXT NOT NULL, read_at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE damage (digest BLOB PRIMARY KEY, fault TEXT NOT NULL, identity TEXT NOT NULL, app TEXT NOT NULL)
WITHOUT ROWID;
CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
PRAGMA user_version = {SCHEMA_NUMBER};
"""

_FAULTS = frozenset(fault.value for fault in Fault)

log = logging.getLogger("edge.blobs")


class ProofBook:
    """In a file, or in memory where that cannot be opened. `faults` counts lines that were dropped and files that were
    made again, because they were damaged."""

    def __init__(self, path: Path) -> None:
        self.faults = 0
        self._path = path
        self._lock = threading.Lock()
        self._writable = True
        self._connection = self._open()

    def close(self) -> None:
        """No call may follow."""
        with self._lock:
            self._connection.close()

    def proof_of(self, digest: str) -> FileIdentity | None:
        """The file that was proven to have this digest."""
        key = bytes.fromhex(digest)
        rows = self._read("SELECT identity FROM proofs WHERE digest = ?", (key,))
        identity = _parse_identity(rows[0][0]) if rows else None
        if rows and identity is None:
            self._drop("proofs", key)
        return identity

    def read_at(self, digest: str) -> float:
        """When the blob was last read and found right, in seconds since the epoch; 0 if never."""
        key = bytes.fromhex(digest)
        rows = self._read("SELECT read_at FROM proofs WHERE digest = ?", (key,))
        moment = _parse_moment(rows[0][0]) if rows else 0.0
        if moment is None:
            self._drop("proofs", key)
        return moment or 0.0

    def note_proof(self, digest: str, identity: FileIdentity, now: float) -> None:
        """The file has this digest, and no damage is known of it any more."""
        key = bytes.fromhex(digest)
        self._write("INSERT OR REPLACE INTO proofs VALUES (?, ?, ?)", (key, _encode_identity(identity), now))
        self._write("DELETE FROM damage WHERE digest = ?", (key,))

    def note_proofs(self, proofs: Mapping[Digest, FileIdentity], now: float) -> None:
        """As `note_proof`, for many blobs of which no damage is known."""
        rows = [(bytes.fromhex(digest), _encode_identity(identity), now) for digest, identity in proofs.items()]
        try:
            with self._lock, self._connection:
                self._connection.execute("BEGIN")
                self._connection.executemany("INSERT OR REPLACE INTO proofs VALUES (?, ?, ?)", rows)
        except sqlite3.Error as error:
            self._take(error)

    def damage(self) -> dict[str, BlobDamage]:
        """All that is known, by digest."""
        known = dict[str, BlobDamage]()
        for key, *line in self._read("SELECT digest, fault, identity, app FROM damage", ()):
            damage = _parse_damage(*line)
            if damage is None or not isinstance(key, bytes) or len(key) != DIGEST_BYTES:
                self._drop("damage", key)  # the blob has no proof, so it is read before it is served
            else:
                known[key.hex()] = damage
        return known

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

    def moment(self, name: str, now: float) -> float:
        """The note as a moment in seconds since the epoch; 0 if there is none, or none that can be right: one after
        `now`."""
        text = self.note(name)
        moment = _parse_moment(text) if text is not None else 0.0
        return moment if moment is not None and moment <= now else 0.0

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
            self._take(error)
            return []

    def _write(self, statement: str, values: Iterable[object]) -> int:
        try:
            with self._lock:
                changed = self._connection.execute(statement, tuple(values)).rowcount
        except sqlite3.Error as error:
            self._take(error)
            return 0
        self._writable = True
        return changed

    def _drop(self, table: str, key: object) -> None:
        name = key.hex() if isinstance(key, bytes) else repr(key)
        self.faults += 1
        log.warning("%s: what it says of blob %s is damaged and dropped; the blob is read again", self._path, name)
        self._write(f"DELETE FROM {table} WHERE digest = ?", (key,))  # noqa: S608 - names of ours

    def _take(self, error: sqlite3.Error) -> None:
        """After a call that failed."""
        if _is_damage(error):
            with self._lock:
                self._connection.close()
                self._connection = self._make_again(error)
        elif self._writable:
            log.warning("cannot save which blobs are proven, so they are read again after a restart: %s", error)
            self._writable = False

    def _open(self) -> sqlite3.Connection:
        try:
            return _connect(str(self._path))
        except sqlite3.Error as error:
            if _is_damage(error):
                return self._make_again(error)
            log.warning("%s cannot be opened, so blobs are read again after each restart: %s", self._path, error)
        return _connect(":memory:")

    def _make_again(self, error: sqlite3.Error) -> sqlite3.Connection:
        """Another process of this node that has the old file open goes on with that."""
        self.faults += 1
        log.warning("%s is damaged and is created again; blobs are read once more: %s", self._path, error)
        with suppress(OSError, sqlite3.Error):
            for suffix in ("", "-wal", "-shm"):
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            return _connect(str(self._path))
        return _connect(":memory:")


def _connect(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.text_factory = lambda text: text.decode("utf-8", "replace")  # a damaged one is judged where it is read
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


def _is_damage(error: sqlite3.Error) -> bool:
    """Of the file itself; for what else can go wrong, SQLite has classes of their own."""
    return type(error) is sqlite3.DatabaseError


def _parse_identity(text: object) -> FileIdentity | None:
    """None for what is none."""
    try:
        return FileIdentity(*map(int, str(text).split()))
    except (ValueError, TypeError):  # no number, or too few or many of them
        return None


def _parse_damage(fault: object, identity: object, app: object) -> BlobDamage | None:
    file = _parse_identity(identity)
    if fault not in _FAULTS or (file is None and identity != "") or not isinstance(app, str) or REPLACED in app:
        return None
    return BlobDamage(Fault(fault), file, app)


def _parse_moment(value: object) -> float | None:
    """None for what is none."""
    try:
        moment = float(str(value))
    except ValueError:
        return None
    return moment if math.isfinite(moment) and moment >= 0 else None
