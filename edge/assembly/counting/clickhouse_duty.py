"""ClickHouse within the folding process: an outbox for the fold, a thread that sends, and the figures that are asked
there. Nothing of it holds up a fold or a device: what cannot be sent waits in the outbox."""

import asyncio
import logging
import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor

from edge.assembly.counting.messages import SinkSeen
from edge.config import Telemetry
from edge.domain.errors import EdgeError
from edge.node.processes.data_paths import DataPaths
from edge.telemetry.clickhouse.figures import ClickHouseFigures
from edge.telemetry.clickhouse.server import connect_to_clickhouse, parse_clickhouse_address, read_clickhouse_password
from edge.telemetry.clickhouse.sink import Sink, SinkCondition, wait_seconds
from edge.telemetry.folding.counts import read_totals
from edge.telemetry.folding.outbox import Outbox

log = logging.getLogger("edge.node")


def open_clickhouse(paths: DataPaths, node: str, telemetry: Telemetry) -> "ClickHouseDuty | None":
    """None where none is configured, or it cannot be used by this installation: events are counted all the same."""
    if not telemetry.clickhouse:
        return None
    try:
        return ClickHouseDuty(paths, node, telemetry)
    except (EdgeError, OSError) as error:
        log.error("nothing is sent to ClickHouse: %s", error)
        return None


class ClickHouseDuty:
    """`outbox` is the fold's, `figures` are those of every node that sends there, `seen` is what metrics show."""

    def __init__(self, paths: DataPaths, node: str, telemetry: Telemetry) -> None:
        """Raises ClickHouseFault `clickhouse_missing`, OSError."""
        address = parse_clickhouse_address(telemetry.clickhouse)
        password_file = telemetry.clickhouse_password_file
        self._server = connect_to_clickhouse(address, lambda: read_clickhouse_password(password_file, os.environ))
        self.outbox = Outbox(paths.outbox_dir, telemetry.clickhouse_outbox_bytes)
        self._sink = Sink(paths.counts_database, paths.outbox_dir, self._server, node)
        self._thread = ThreadPoolExecutor(1, "clickhouse")
        self.figures = ClickHouseFigures(self._server, lambda: read_totals(paths.counts_database))
        self.seen = SinkSeen()

    async def run(self) -> None:
        """Until cancelled: send what waits."""
        loop = asyncio.get_running_loop()
        while True:
            await loop.run_in_executor(self._thread, self._send)
            await asyncio.sleep(wait_seconds(self._sink.attempts_failed))

    def _send(self) -> None:
        failing = self.seen.failing
        try:
            self._sink.send_waiting(time.time())
        except (EdgeError, OSError, sqlite3.Error) as error:
            if str(error) != failing:  # each cause once, however long it lasts
                log.error("rows wait for ClickHouse: %s", error)
        else:
            if failing:
                log.warning("ClickHouse has everything that waited for it")
        try:
            self.seen = _seen(self._sink.condition())
        except (EdgeError, sqlite3.Error) as error:
            log.error("cannot read what waits for ClickHouse: %s", error)


def _seen(condition: SinkCondition) -> SinkSeen:
    totals = condition.totals
    return SinkSeen(
        sent=totals.sent,
        dropped=totals.dropped,
        lost=totals.lost,
        waiting=totals.waiting,
        waiting_bytes=totals.held_bytes,
        erasures=condition.erasures,
        failing=condition.failing,
    )
