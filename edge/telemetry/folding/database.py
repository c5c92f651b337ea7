"""The SQLite database of the figures: opening it for folding and for reading.

A database with a newer schema is refused. A damaged one can be set aside: its counts are made again from the spool, as
far back as that goes.
"""

import sqlite3
from contextlib import suppress
from pathlib import Path

from edge.domain.errors import Unavailable
from edge.telemetry.folding.schema import SCHEMA_NUMBER, create_schema

DAMAGED_LIMIT = 3  # databases that are set aside: the earliest has the longest history, a failing disk makes many more
_BESIDE = ("-wal", "-shm")  # endings of SQLite's own files
BUSY_SECONDS = 30.0  # another folder's transaction takes far less, even on a slow disk
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
        create_schema(connection)
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
