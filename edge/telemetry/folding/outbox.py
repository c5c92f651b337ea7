"""The outbox: what was folded and another database does not have yet, in files beside the figures.

A block is the observations of one batch of one segment. Its file is on disk before the transaction that counts the
batch and lists the block, so that whatever is counted here is sent, and nothing that is not. A file that no row lists
is what a killed fold left: the batch is repeated. Files hold device keys, no ids.
"""

import logging
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import zstandard

from edge.domain.statistics.observation import Observation
from edge.store.disk.durable_files import make_directories, sync_directory

OUTBOX_SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, segment TEXT NOT NULL, offset INTEGER NOT NULL,
    rows INTEGER NOT NULL, bytes INTEGER NOT NULL, batch INTEGER, UNIQUE (segment, offset)
);
CREATE TABLE IF NOT EXISTS outbox_totals (name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox_erasures (
    app TEXT NOT NULL, device INTEGER NOT NULL, latest INTEGER NOT NULL, PRIMARY KEY (app, device)
) WITHOUT ROWID;
"""
# outbox.batch: the id of the first block of those that are sent as one, decided once; NULL until then. outbox_totals:
# see OutboxTotals. outbox_erasures: devices to erase there too, once the block `latest` and all before it are sent.

ENDING = ".rows"
_LEVEL = 1  # zstd's levels 1 and 3 are as small on rows of this kind, and 1 takes half the time
log = logging.getLogger("edge.node")

_encoder = msgspec.json.Encoder()


class WaitingBlock(NamedTuple):
    """A block that the other database has not acknowledged."""

    id: int
    segment: str
    offset: int
    rows: int
    bytes: int
    batch: int | None


class OutboxTotals(NamedTuple):
    """Rows since the beginning: written = sent + lost + those that wait. `held_bytes` is what their files have now."""

    written: int = 0
    sent: int = 0
    dropped: int = 0  # never written: the outbox was at its limit, or could not be written
    lost: int = 0  # their file was damaged or gone
    held_bytes: int = 0

    @property
    def waiting(self) -> int:
        return self.written - self.sent - self.lost


class Outbox:
    """The files in `folder`, of at most `limit_bytes` together and one block more. What finds no room is dropped, and
    counted: folding never waits for another database, nor for room for it."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        """Creates the folder. Raises OSError."""
        make_directories(folder, folder.parent)
        self._folder = folder
        self._limit_bytes = limit_bytes

    def write(
        self, connection: sqlite3.Connection, segment: str, offset: int, observations: Sequence[Observation]
    ) -> None:
        """List the block, within the caller's transaction. Labels are those that the figures here have.

        Raises sqlite3.Error.
        """
        if not observations:
            return
        if read_outbox_totals(connection).held_bytes >= self._limit_bytes:
            add_to_outbox_totals(connection, dropped=len(observations))
            return
        content = zstandard.ZstdCompressor(_LEVEL).compress(encode_rows(observations))
        try:
            _write_file(block_file(self._folder, segment, offset), content)
        except OSError as error:
            log.error("%d rows for ClickHouse are dropped: cannot write %s: %s", len(observations), self._folder, error)
            add_to_outbox_totals(connection, dropped=len(observations))
            return
        connection.execute(
            "INSERT INTO outbox (segment, offset, rows, bytes) VALUES (?, ?, ?, ?)",
            (segment, offset, len(observations), len(content)),
        )
        add_to_outbox_totals(connection, written=len(observations), held_bytes=len(content))


def encode_rows(observations: Sequence[Observation]) -> bytes:
    """Lines of JSON, each the fields of an observation, with the cohort's region last: rows of releases before nodes
    had regions end before it."""
    return _encoder.encode_lines(
        [(*each[:3], each.cohort[:-1], *each[4:], each.cohort.region) for each in observations]
    )


def block_file(folder: Path, segment: str, offset: int) -> Path:
    return folder / f"{segment}-{offset}{ENDING}"


def add_to_outbox_totals(connection: sqlite3.Connection, **numbers: int) -> None:
    """By the names of OutboxTotals."""
    connection.executemany(
        "INSERT INTO outbox_totals VALUES (?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n", numbers.items()
    )


def read_outbox_totals(connection: sqlite3.Connection) -> OutboxTotals:
    return OutboxTotals(**dict(connection.execute("SELECT name, n FROM outbox_totals")))


def _write_file(path: Path, content: bytes) -> None:
    """Raises OSError, and leaves no file."""
    try:
        with path.open("wb") as file:
            file.write(content)
            file.flush()
            os.fdatasync(file.fileno())
        sync_directory(path.parent)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
