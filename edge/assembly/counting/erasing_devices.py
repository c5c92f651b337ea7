"""Carries out erasures in the folding process: rows of the database, the table that workers read, raw events."""

import logging
import time
from contextlib import closing

import msgspec

from edge.assembly.counting.shown_behaviour import ShownBehaviour
from edge.config import Telemetry
from edge.domain.guarding.reported import ReportedUntil
from edge.domain.statistics.device_key import device_key
from edge.node.processes.data_paths import DataPaths
from edge.telemetry.clickhouse.erasing import note_erasure
from edge.telemetry.folding.database import open_for_folding
from edge.telemetry.upkeep.erased_rows import erase_rows
from edge.telemetry.upkeep.erasing import GIVE_UP_SECONDS, PASS_SECONDS, ErasedRaw, Erasing
from edge.telemetry.upkeep.erasures import Erasure, pending_erasures, settle_erasure
from edge.telemetry.upkeep.keeping import DAY_SECONDS, finished_segments

NODES_GIVE_UP_SECONDS = 30 * DAY_SECONDS  # for a node that is cut off: what it sends later names the device again
LOOK_AGAIN_SECONDS = 60.0  # at what came from a node since
APART = "erase it again once that node is back"
TOLD_LIMIT = 1_000  # erasures of which the process remembers what was erased, for who waits for the answer

log = logging.getLogger("edge.node")


def missing_erasure(nodes: tuple[ReportedUntil, ...], erasure: Erasure) -> tuple[ReportedUntil, ...]:
    """Nodes that may still send something of the device, or keep it. Pure."""
    return tuple(each for each in nodes if each.until_ms < erasure.until_ms or each.erased_until_ms < erasure.asked_ms)


class DeviceFiguresErased(msgspec.Struct, frozen=True):
    """How much is erased already; `open_segments` are still to be erased from."""

    rows: int = 0
    lines: int = 0
    segments: int = 0
    open_segments: int = 0


class ErasingDevices:
    """For the thread that folds, with nothing being folded. `pending` are the erasures that are not done, `nodes`
    those that send their reports here: an erasure ends when each has sent what it had, and has erased its own;
    `rows_erased` counts since the process started."""

    def __init__(self, paths: DataPaths, telemetry: Telemetry, shown: ShownBehaviour) -> None:
        self.pending = 0
        self.rows_erased = 0
        self._paths = paths
        self._sends = bool(telemetry.clickhouse)
        self._shown = shown
        self.nodes: tuple[ReportedUntil, ...] = ()
        self._erasing = Erasing()
        self._again: dict[Erasure, float] = {}  # when to look again at those that wait for a node alone
        self._told: dict[Erasure, DeviceFiguresErased] = {}

    def carry_on(self, seconds: float = PASS_SECONDS) -> None:
        """Go on with all of them for so long, as far as what they concern is counted. Raises OSError, sqlite3.Error."""
        erasures = list(pending_erasures(self._paths.erasures_dir))
        self.pending = len(erasures)
        if not erasures:
            return
        now = time.monotonic()
        self._again = {each: at for each, at in self._again.items() if each in erasures}
        erasures = [each for each in erasures if self._again.get(each, now) <= now]
        rows = {each: self._erase_rows(each) for each in erasures}
        finished = finished_segments(self._paths.counts_database)
        for each, found in self._erasing.erase(self._paths.spool_dir, erasures, finished, seconds).items():
            self._note(each, rows[each], found)
            self._settle(each, found)

    def erased(self, erasure: Erasure) -> DeviceFiguresErased:
        """By now, of an erasure that was noted lately."""
        return self._told.get(erasure, DeviceFiguresErased())

    def _note(self, erasure: Erasure, rows: int, found: ErasedRaw) -> None:
        before = self._told.pop(erasure, DeviceFiguresErased())
        self._told[erasure] = DeviceFiguresErased(
            before.rows + rows, before.lines + found.lines, before.segments + found.segments, len(found.open_segments)
        )
        if len(self._told) > TOLD_LIMIT:
            del self._told[next(iter(self._told))]

    def _erase_rows(self, erasure: Erasure) -> int:
        with closing(open_for_folding(self._paths.counts_database)) as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            rows, judgements = erase_rows(connection, erasure.app, erasure.device, erasure.until_ms)
            # ClickHouse keeps rows of devices for longer than this database: also without any here, but once.
            if self._sends and (rows or erasure not in self._told):
                note_erasure(connection, erasure.app, device_key(erasure.app, erasure.device))
        self.rows_erased += rows
        self._shown.show_all(judgements)
        return rows

    def _settle(self, erasure: Erasure, found: ErasedRaw) -> None:
        left = found.open_segments
        if left and time.time() * 1000 < erasure.asked_ms + GIVE_UP_SECONDS * 1000:
            return
        behind = missing_erasure(self.nodes, erasure)
        if behind and time.time() * 1000 < erasure.asked_ms + NODES_GIVE_UP_SECONDS * 1000:
            self._again[erasure] = time.monotonic() + LOOK_AGAIN_SECONDS
            return
        if behind:
            named = ", ".join(each.named for each in behind)
            log.error("a device is erased here; %s did not report for 30 days, and may have more: %s", named, APART)
        if left:
            log.error("a device was to be erased, and these files of events cannot be read: remove them: %s", left)
        settle_erasure(self._paths.erasures_dir, erasure)
        self.pending -= 1
