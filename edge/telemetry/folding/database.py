"""The SQLite database of counts: its schema, and opening it for folding and for reading.

A database with a newer schema is refused. A damaged one can be set aside: its counts are made again from the spool, as
far back as that goes.
"""

import sqlite3
from contextlib import suppress
from pathlib import Path

from edge.domain.errors import Unavailable

SCHEMA_NUMBER = 4
DAMAGED_LIMIT = 3  # databases that are set aside: the earliest has the longest history, a failing disk makes many more
_BESIDE = ("-wal", "-shm")  # endings of SQLite's own files
BUSY_SECONDS = 30.0  # another folder's transaction takes far less, even on a slow disk

_FIRST = """
CREATE TABLE counts (
    app TEXT NOT NULL, day INTEGER NOT NULL, bundle TEXT NOT NULL, action TEXT NOT NULL, platform TEXT NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (app, day, bundle, action, platform)
) WITHOUT ROWID;
CREATE TABLE apps (app TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE totals (name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE segments (name TEXT PRIMARY KEY, offset INTEGER NOT NULL, finished_ms INTEGER) WITHOUT ROWID;
"""
_SECOND = """
CREATE TABLE seen (key INTEGER PRIMARY KEY, received_ms INTEGER NOT NULL);
CREATE INDEX seen_by_time ON seen (received_ms);
CREATE TABLE duplicates (app TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
"""
_THIRD = """
CREATE TABLE exposed (key INTEGER PRIMARY KEY, received_ms INTEGER NOT NULL);
CREATE INDEX exposed_by_time ON exposed (received_ms);
"""
_FOURTH = """
ALTER TABLE seen ADD COLUMN owner INTEGER NOT NULL DEFAULT 0;
ALTER TABLE exposed ADD COLUMN owner INTEGER NOT NULL DEFAULT 0;
CREATE INDEX seen_by_owner ON seen (owner, received_ms);
CREATE INDEX exposed_by_owner ON exposed (owner, received_ms);
DROP INDEX exposed_by_time;
"""
_STEPS = (_FIRST, _SECOND, _THIRD, _FOURTH)  # from each schema to the next; a new database takes all
# counts.day: days since 1970-01-01 UTC. segments: rows outlive their files (some 24 a day and worker), so that a file
# that comes back, from a backup or after a power cut, is never counted again. seen, exposed: see `duplicates`; `owner`
# is a hash of the app, 0 for rows from before schema 4.


# SQLITE_ERROR is a schema that is not what its number says; an error without a code, a text that is none.
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_ERROR, 0)


class NewerSchema(Unavailable):
    """A newer release wrote the database."""


def open_for_folding(database: Path) -> sqlite3.Connection:
    """Creates or upgrades it. In autocommit: callers begin their transactions. Raises NewerSchema `newer_schema`,
    sqlite3.OperationalError."""
    connection = sqlite3.connect(database, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        _check_schema(connection, database)
        connection.execute("PRAGMA journal_mode=WAL")
        # A segment is deleted because its counts are here: the commit has to be on disk.
        connection.execute("PRAGMA synchronous=FULL")
        _create_schema(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_reading(database: Path) -> sqlite3.Connection | None:
    """None when nothing was ever folded. Raises NewerSchema `newer_schema`."""
    if not database.exists():
        return None
    connection = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)
    try:
        if _check_schema(connection, database) == SCHEMA_NUMBER:
            return connection
    except BaseException:
        connection.close()
        raise
    connection.close()  # a folder is creating or upgrading it right now
    return None


def code_of(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 if the error is not SQLite's own."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def is_damage(error: sqlite3.Error) -> bool:
    """Whether what a database holds is the cause, so that trying again does not help."""
    return (
        isinstance(error, sqlite3.DatabaseError)
        and not isinstance(error, sqlite3.ProgrammingError)
        and code_of(error) in _DAMAGE
    )


def identity_of(database: Path) -> int | None:
    """Which file has that name now; None if there is none."""
    try:
        return database.stat().st_ino
    except FileNotFoundError:
        return None


def set_aside(database: Path, identity: int | None, now: float) -> Path | None:
    """Rename it to `<name>.damaged-<now>`, unless it is another file by now. Returns its new name. Raises OSError.

    Beyond `DAMAGED_LIMIT` the last one that was set aside is deleted for it.
    """
    if identity is None or identity_of(database) != identity:
        return None
    earlier = [path for path in database.parent.glob(f"{database.name}.damaged-*") if not path.name.endswith(_BESIDE)]
    for path in sorted(earlier)[DAMAGED_LIMIT - 1 :]:
        for ending in ("", *_BESIDE):
            path.with_name(f"{path.name}{ending}").unlink(missing_ok=True)
    aside = database.with_name(f"{database.name}.damaged-{int(now * 1000)}")
    database.rename(aside)
    for ending in _BESIDE:
        with suppress(FileNotFoundError):
            database.with_name(f"{database.name}{ending}").rename(aside.with_name(f"{aside.name}{ending}"))
    return aside


def _check_schema(connection: sqlite3.Connection, database: Path) -> int:
    number = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if number > SCHEMA_NUMBER:
        reason = f"{database.name} has schema {number}; this release reads up to {SCHEMA_NUMBER}: upgrade edge"
        raise NewerSchema("newer_schema", reason)
    return number


def _create_schema(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        number = connection.execute("PRAGMA user_version").fetchone()[0]
        for statement in "".join(_STEPS[number:]).split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_NUMBER}")
