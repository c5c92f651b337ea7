"""Opening a SQLite file of this node's own: its tables are made at once, and those of another release refused."""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from edge.store.disk.durable_files import FILE_MODE

BUSY_SECONDS = 5.0  # for another process of this node, while it restarts


class Tables(NamedTuple):
    """`statements` are separated by semicolons; `number` is kept as `user_version` by one of them."""

    number: int
    statements: str


def open_database(path: Path, tables: Tables, pragmas: Sequence[str]) -> sqlite3.Connection:
    """The file, which is made if it is missing. Raises OSError; sqlite3.Error, also for tables of another number."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        with transaction(connection):
            _prepare(connection, tables)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Of one writer, from its first statement on; undone if the block raises, or its beginning half-way."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _prepare(connection: sqlite3.Connection, tables: Tables) -> None:
    number = connection.execute("PRAGMA user_version").fetchone()[0]
    if number not in (0, tables.number):
        raise sqlite3.DatabaseError(f"another release wrote it, with schema {number}")
    if number == 0:
        for statement in filter(str.strip, tables.statements.split(";")):
            connection.execute(statement)
