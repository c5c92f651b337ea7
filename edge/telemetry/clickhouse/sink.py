"""Sends what the outbox holds to ClickHouse, each block exactly once.

Blocks go in batches, oldest first, one at a time. Which blocks make a batch is on disk before it is sent, and its token
is that of its first block: node/segment/offset. What is sent again, because the acknowledgement was lost with either
side, is the same batch with the same token, of which every table takes what it does not have. What was acknowledged is
noted in ClickHouse too (`blocks`): a node that lost its own database counts its spool again, and does not send again.
"""

import logging
import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

import zstandard

from edge.telemetry.clickhouse.erasing import erase_where_sent, waiting_erasures
from edge.telemetry.clickhouse.server import ClickHouseServer
from edge.telemetry.clickhouse.tables import COLUMNS, prepare_tables
from edge.telemetry.folding.database import open_for_folding
from edge.telemetry.folding.outbox import (
    ENDING,
    OutboxTotals,
    WaitingBlock,
    add_to_outbox_totals,
    block_file,
    read_outbox_totals,
)

SEND_SECONDS = 10.0  # ClickHouse prefers few large inserts: one a second is fine, so 10 nodes are
RETRY_MOST_SECONDS = 60.0
BATCH_ROWS = 200_000  # beyond the first block; some 30 MB of lines
BATCH_BLOCKS = 1_000
ORPHAN_SECONDS = 3_600.0  # a file that no row lists: a killed fold left it, or one is about to list it

_SETTINGS = {
    "async_insert": 0,
    "wait_end_of_query": 1,
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "materialized_views_ignore_errors": 0,
    "input_format_json_compact_allow_variable_number_of_columns": 1,  # blocks of before an upgrade have no region
    # One insert is one block, so that its moments are distinct and a repetition is cut as it was before.
    "input_format_parallel_parsing": 0,
    "max_insert_threads": 1,
    "max_insert_block_size": 1 << 20,
    "min_insert_block_size_rows": 1 << 20,
    "min_insert_block_size_bytes": 0,
}

log = logging.getLogger("edge.node")


class SinkCondition(NamedTuple):
    """What reports and metrics say of the sink. `failing` is why the latest attempt failed, "" if it did not."""

    totals: OutboxTotals
    failing: str
    erasures: int  # devices that are still to be erased there


def wait_seconds(attempts_failed: int) -> float:
    """Until the next attempt."""
    return min(SEND_SECONDS * 2 ** min(attempts_failed, 8) / 2, RETRY_MOST_SECONDS) if attempts_failed else SEND_SECONDS


class Sink:
    """For one thread at a time; blocks. What it keeps is in `database` and `folder`."""

    def __init__(self, database: Path, folder: Path, server: ClickHouseServer, node: str) -> None:
        self._database = database
        self._folder = folder
        self._server = server
        self._node = node
        self._prepared = False
        self._failing = ""
        self._attempts_failed = 0

    @property
    def attempts_failed(self) -> int:
        return self._attempts_failed

    def send_waiting(self, now: float) -> int:
        """Send all that waits, then erase what is to be erased; returns the rows sent. `now` is in epoch seconds.

        Raises ClickHouseFault, sqlite3.Error, OSError: what is not sent waits.
        """
        try:
            sent = self._send_all()
            self._delete_orphans(now)
        except Exception as error:
            self._failing, self._attempts_failed = str(error), self._attempts_failed + 1
            raise
        self._failing, self._attempts_failed = "", 0
        return sent

    def condition(self) -> SinkCondition:
        """Raises sqlite3.Error."""
        with closing(open_for_folding(self._database)) as connection:
            return SinkCondition(read_outbox_totals(connection), self._failing, waiting_erasures(connection))

    def _send_all(self) -> int:
        if not self._prepared:
            prepare_tables(self._server)
            self._prepared = True
        sent = 0
        with closing(open_for_folding(self._database)) as connection:
            while batch := _choose_batch(connection):
                sent += self._send(connection, batch)
            erase_where_sent(connection, self._server)
        return sent

    def _send(self, connection: sqlite3.Connection, batch: list[WaitingBlock]) -> int:
        known = self._known(batch)
        new = [block for block in batch if block not in known]
        lines, sent, lost = self._read(new)
        if lines:
            token = f"{self._node}/{new[0].segment}/{new[0].offset}"
            self._server.insert("observations", COLUMNS, lines, {**_SETTINGS, "insert_deduplication_token": token})
            self._note(new)
        _acknowledge(connection, batch, sent=sent + sum(block.rows for block in known), lost=lost)
        for block in batch:
            block_file(self._folder, block.segment, block.offset).unlink(missing_ok=True)
        return sent

    def _known(self, batch: list[WaitingBlock]) -> list[WaitingBlock]:
        """The blocks that ClickHouse has acknowledged before."""
        found = self._server.ask(
            "SELECT segment, max(until) FROM blocks WHERE node = {node:String} AND segment IN {segments:Array(String)}"
            " GROUP BY segment",
            {"node": self._node, "segments": sorted({block.segment for block in batch})},
        )
        until = {str(segment): int(offset) for segment, offset in found}
        return [block for block in batch if block.offset <= until.get(block.segment, -1)]

    def _read(self, blocks: Iterable[WaitingBlock]) -> tuple[bytes, int, int]:
        """The lines of all, and how many rows they have and were lost."""
        parts, rows, lost = [], 0, 0
        for block in blocks:
            path = block_file(self._folder, block.segment, block.offset)
            try:
                parts.append(zstandard.ZstdDecompressor().decompress(path.read_bytes()))
                rows += block.rows
            except (OSError, zstandard.ZstdError) as error:
                log.error("%d rows for ClickHouse are lost: cannot read %s: %s", block.rows, path, error)
                lost += block.rows
        return b"".join(parts), rows, lost

    def _note(self, batch: list[WaitingBlock]) -> None:
        until: dict[str, int] = {}
        for block in batch:
            until[block.segment] = max(until.get(block.segment, 0), block.offset)
        columns = ", ".join(f"({{node:String}}, {{s{n}:String}}, {{o{n}:UInt64}})" for n in range(len(until)))
        parameters: dict[str, object] = {"node": self._node}
        for n, (segment, offset) in enumerate(until.items()):
            parameters |= {f"s{n}": segment, f"o{n}": offset}
        self._server.run(f"INSERT INTO blocks (node, segment, until) VALUES {columns}", parameters)

    def _delete_orphans(self, now: float) -> None:
        with closing(open_for_folding(self._database)) as connection:
            rows = connection.execute("SELECT segment, offset FROM outbox")
            listed = {block_file(self._folder, *row).name for row in rows}
        for path in self._folder.glob(f"*{ENDING}"):
            with suppress(FileNotFoundError):
                if path.name not in listed and path.stat().st_mtime <= now - ORPHAN_SECONDS:
                    path.unlink()


def _choose_batch(connection: sqlite3.Connection) -> list[WaitingBlock]:
    """The one that was chosen before, else the next."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        rows = connection.execute(
            "SELECT id, segment, offset, rows, bytes, batch FROM outbox ORDER BY id LIMIT ?", (BATCH_BLOCKS,)
        )
        blocks = [WaitingBlock(*row) for row in rows]
        if not blocks:
            return []
        chosen = blocks[0].batch
        if chosen is not None:
            return [block for block in blocks if block.batch == chosen]
        batch: list[WaitingBlock] = []
        total = 0
        for block in blocks:
            if batch and total + block.rows > BATCH_ROWS:
                break
            batch.append(block)
            total += block.rows
        connection.execute("UPDATE outbox SET batch = ? WHERE id <= ?", (batch[0].id, batch[-1].id))
    return batch


def _acknowledge(connection: sqlite3.Connection, batch: list[WaitingBlock], *, sent: int, lost: int) -> None:
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM outbox WHERE id <= ?", (batch[-1].id,))
        held = sum(block.bytes for block in batch)
        add_to_outbox_totals(connection, sent=sent, lost=lost, held_bytes=-held)
