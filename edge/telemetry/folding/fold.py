"""Folding: records from segments become figures, each exactly once.

A segment's offset moves in the transaction that adds its figures, so an interrupted batch is repeated whole or not at
all. What goes in comes out: every event read is `folded`, one of the `duplicates` or `malformed`, and so it is segment
by segment and kind by kind (`segment_counts`). Labels come from devices, so each is bounded (`labels`,
`label_numbers`). A record counts at the time at which this node received it (UTC).
"""

import gc
import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from errno import EIO, EISDIR, ELOOP
from functools import partial
from pathlib import Path

from edge.domain.statistics.tally import DAY_MS
from edge.telemetry.behaviour.rows import JudgingOf, NotedBatch, no_judging
from edge.telemetry.folding.batches.counting import CountedBatch, Counting, OnceOnly
from edge.telemetry.folding.batches.gathering import Fates
from edge.telemetry.folding.batches.merged_segments import OPEN_LIMIT, PendingSegment, next_segment, next_segments
from edge.telemetry.folding.batches.poisoned_lines import SuspectLine, fate_of, find_poisoned, is_line_fault
from edge.telemetry.folding.batches.segment_origins import HERE, SegmentOrigins
from edge.telemetry.folding.database import open_for_folding
from edge.telemetry.folding.device_room import FIGURE_DEVICES_LIMIT
from edge.telemetry.folding.labels import NamesOf, no_names
from edge.telemetry.folding.outbox import Outbox
from edge.telemetry.folding.seen_reports import forget_reports
from edge.telemetry.spool.segment import Frame, UnreadableSegment, list_segments
from edge.telemetry.trials.experiment_book import ExperimentsOf, no_experiments
from edge.telemetry.votes.vote_counting import VoteCounting
from edge.telemetry.votes.vote_keeper import VoteKeeper

BATCH_BYTES = 8 << 20  # read in one transaction: some 20,000 events, a fraction of a second

NAMED_LINES = 20  # lines of a batch that are left out and named in the log one by one

log = logging.getLogger("edge.node")

Show = Callable[[NotedBatch], object]
LookBetween = Callable[[sqlite3.Connection], object]


@dataclass(slots=True)
class FoldReport:
    """What one fold did, in so many `batches`: `folded`, `duplicates` and `malformed` count events of all kinds,
    `checks` those that workers counted, `damaged` places that were skipped, the others segments. `unreadable` lists the
    segments it could not read, and why, `faults` what it skipped of others."""

    batches: int = 0
    folded: int = 0
    duplicates: int = 0
    malformed: int = 0
    checks: int = 0
    torn_tails: int = 0
    damaged: int = 0
    finished: int = 0
    unreadable: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def fold(
    directory: Path,
    database: Path,
    *,
    now: float,
    names_of: NamesOf = no_names,
    judging_of: JudgingOf = no_judging,
    experiments_of: ExperimentsOf = no_experiments,
    show: Show | None = None,
    outbox: Outbox | None = None,
    devices_limit: int = FIGURE_DEVICES_LIMIT,
    keeper: VoteKeeper | None = None,
    look: LookBetween | None = None,
    origins: SegmentOrigins = HERE,
) -> FoldReport:
    """Count the records of the spools in `directory` that `database` does not have yet.

    `now` is in epoch seconds. `names_of` knows the apps' own bundles, `judging_of` how their devices' behaviour is
    judged, `experiments_of` which of their experiments run; `show` is called after each transaction with what workers
    are to see of it. `outbox` gets the observations. `devices_limit` is that of `device_room`. `keeper` knows the
    releases under guard; None: there are no votes. `look` is called between two transactions of a backlog.
    `origins` are the nodes that segments come from.
    Blocks. May be killed anywhere, and run twice at once. Raises NewerSchema `newer_schema`, OSError,
    sqlite3.OperationalError (a full disk): what was counted until then stays counted.
    """
    report = FoldReport()
    with closing(open_for_folding(database)) as connection:
        finished = {name for (name,) in connection.execute("SELECT name FROM segments WHERE finished_ms IS NOT NULL")}
        folding = _Folding(
            *(connection, int(now * 1000), report, names_of, judging_of, experiments_of, show, outbox, devices_limit),
            *(keeper, look, origins),
        )
        began, left = {path.stem for path in list_segments(directory)}, list[Path]()
        read = set(finished)
        while pending := next_segments(directory, read, began, origins):
            if read != finished and look is not None:
                look(connection)
            # What this node's devices report now is not kept waiting by what others have to bring.
            left = folding.fold_segments([*left, *pending])
            read.update(path.stem for path in pending)
        folding.forget()
    return report


@dataclass(slots=True)
class _Folding:
    """One fold of one directory into an open database."""

    connection: sqlite3.Connection
    now_ms: int
    report: FoldReport
    names_of: NamesOf
    judging_of: JudgingOf
    experiments_of: ExperimentsOf
    show: Show | None
    outbox: Outbox | None
    devices_limit: int
    keeper: VoteKeeper | None
    look: LookBetween | None
    origins: SegmentOrigins
    remembered: OnceOnly | None = None
    version: int = -1
    read_bytes: dict[str, int] = field(default_factory=dict)  # of each node, of the segments that are read at once
    left_out: dict[tuple[str, int], set[int]] = field(default_factory=dict)  # lines by segment and end of their frame

    def fold_segments(self, paths: Iterable[Path]) -> list[Path]:
        """To their ends. Returns those of this node that go on, OPEN_LIMIT at most."""
        self.read_bytes = {}
        with ExitStack() as stack:
            segments = []
            for path in paths:
                # A file that is gone was counted and deleted by another folder.
                with self._naming_unreadable(path.name), suppress(FileNotFoundError):
                    node = self.origins.of(path.stem).node
                    segments.append(stack.enter_context(PendingSegment(path, node)))
            while self._fold_batch(segments):
                pass
            return [each.path for each in segments if not each.node and not each.is_finished][-OPEN_LIMIT:]

    def _fold_batch(self, segments: list[PendingSegment]) -> bool:
        """One transaction. Returns whether there is more to read."""
        try:
            counted = self._count_batch(segments)
        except Exception as error:
            self.remembered = None
            if not is_line_fault(error) or not self._leave_out(segments, error):
                raise
            counted = self._count_batch(segments)
        if counted is None:
            return False
        batch, more = counted
        if self.show is not None:
            self.show(batch.noted)
        segments[:] = [each for each in segments if not each.is_finished]
        if self.look is not None and more:
            self.look(self.connection)
        return more

    def _count_batch(self, segments: list[PendingSegment]) -> tuple[CountedBatch, bool] | None:
        """None if there is nothing new; else also whether there is more to read."""
        with _without_collector():
            with self.connection:
                self.connection.execute("BEGIN IMMEDIATE")
                offsets = self._resume(segments)
                counting = self._counting(self._remember())
                lost, more = self._read(segments, counting)
                changed = [each for each in segments if each.end > offsets[each.name] or each.is_finished]
                if not changed:
                    return None
                batch = counting.finish()
                torn = {each.name: each.tail_bytes() for each in changed if each.is_finished}
                self._store(changed, offsets, batch, lost, sum(map(bool, torn.values())))
            self.report.batches += 1
            self._tell(changed, batch, lost, torn)
        return batch, more

    def _counting(self, remembered: OnceOnly) -> Counting:
        return Counting(
            *(self.connection, remembered, self.names_of, self.judging_of),
            observe=self.outbox is not None,
            experiments_of=self.experiments_of,
            devices_limit=self.devices_limit,
            latest_ms=self.now_ms + DAY_MS,
            votes=VoteCounting(self.connection, self.keeper, self.now_ms) if self.keeper is not None else None,
            origins=self.origins,
        )

    def _leave_out(self, segments: list[PendingSegment], error: Exception) -> bool:
        """Find the lines of a failed batch that are the cause. Returns whether to try again without them."""
        log.error("counting failed, and is tried again line by line; this is a bug, please report it", exc_info=error)
        lines: list[SuspectLine] = []
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            self._resume(segments)
            for name, frame in self._frames(segments):
                records = enumerate(frame.records)
                lines += [SuspectLine(name, frame.end, number, record) for number, record in records]
        finally:
            self.connection.rollback()
        found = find_poisoned(lines, self._fails)
        for each in found:
            self.left_out.setdefault((each.segment, each.end), set()).add(each.number)
        for each in found[:NAMED_LINES]:
            place = f"{each.segment}, line {each.number + 1} of the frame that ends at byte {each.end}"
            log.error("cannot count %s (%s): it counts as malformed, and stays in its file", place, error)
        return bool(found) or not self._fails(lines)

    def _fails(self, lines: Sequence[SuspectLine]) -> bool:
        """Whether they cannot be counted together. Changes nothing."""
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            counting = self._counting(OnceOnly(self.connection))
            for each in lines:
                counting.read(each.segment, (each.record,))
            counting.finish()
        except Exception as error:
            if not is_line_fault(error):
                raise
            return True
        finally:
            self.connection.rollback()
        return False

    def _resume(self, segments: list[PendingSegment]) -> dict[str, int]:
        """Where each is to be read on; those that another fold has finished since are taken out."""
        offsets = {}
        for each in list(segments):
            query = "SELECT offset, finished_ms FROM segments WHERE name = ?"
            offset, finished_ms = self.connection.execute(query, (each.name,)).fetchone() or (each.first, None)
            offsets[each.name] = offset
            if finished_ms is not None:
                segments.remove(each)
                continue
            with self._naming_unreadable(each.path.name, partial(segments.remove, each)):
                each.seek(offset)
        return offsets

    def _remember(self) -> OnceOnly:
        """Read again if another process wrote since."""
        version = self.connection.execute("PRAGMA data_version").fetchone()[0]
        if self.remembered is None or version != self.version:
            self.remembered, self.version = OnceOnly(self.connection), version
        return self.remembered

    def _read(self, segments: list[PendingSegment], counting: Counting) -> tuple[dict[str, list[int]], bool]:
        """A batch's frames. Returns the bytes of damaged places, and whether more is left."""
        lost: dict[str, list[int]] = {}
        for name, frame in self._frames(segments):
            if frame.lost:
                lost.setdefault(name, []).append(frame.lost)
            records = frame.records
            if self.left_out and (bad := self.left_out.get((name, frame.end))):
                counting.drop(name, [fate_of(records[number]) for number in bad])
                records = [record for number, record in enumerate(records) if number not in bad]
            counting.read(name, records)
        return lost, next_segment(segments, self.read_bytes) is not None

    def _frames(self, segments: list[PendingSegment]) -> Iterator[tuple[str, Frame]]:
        """Of one batch, in the order of receipt, each with its segment's name."""
        read_bytes = 0
        while read_bytes < BATCH_BYTES and (segment := next_segment(segments, self.read_bytes)):
            before, frame = segment.end, None
            with self._naming_unreadable(segment.path.name, partial(segments.remove, segment)):
                frame = segment.take()
            if frame is not None:
                yield segment.name, frame
            taken = segment.end - before
            read_bytes += taken
            self.read_bytes[segment.node] = self.read_bytes.get(segment.node, 0) + taken

    def _store(
        self,
        changed: list[PendingSegment],
        offsets: dict[str, int],
        batch: CountedBatch,
        lost: dict[str, list[int]],
        torn_tails: int,
    ) -> None:
        fates = sum(batch.fates.values(), Fates())
        totals = _totals(fates) | {"torn_tails": torn_tails, "damaged": sum(map(len, lost.values()))}
        self.connection.executemany(
            "INSERT INTO totals (name, n) VALUES (?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n", totals.items()
        )
        self.connection.executemany(
            "INSERT INTO segment_counts VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
            [(segment, name, n) for segment, found in batch.fates.items() for name, n in found.items() if n],
        )
        self.connection.executemany(
            "INSERT OR REPLACE INTO segments VALUES (?, ?, ?)",
            [(each.name, each.end, self.now_ms if each.is_finished else None) for each in changed],
        )
        first = next((each for each in changed if each.end > offsets[each.name]), None)
        if self.outbox is not None and first is not None:
            self.outbox.write(self.connection, first.name, offsets[first.name], batch.observations)

    def _tell(
        self, changed: list[PendingSegment], batch: CountedBatch, lost: dict[str, list[int]], torn: dict[str, int]
    ) -> None:
        totals, report = _totals(sum(batch.fates.values(), Fates())), self.report
        report.folded += totals["folded"]
        report.duplicates += totals["duplicates"]
        report.malformed += totals["malformed"]
        report.checks += totals.get("checks", 0)
        for name, places in lost.items():
            report.damaged += len(places)
            report.faults.append(f"{name}: {len(places)} damaged places of {sum(places)} bytes")
        for name, tail_bytes in torn.items():
            report.finished += 1
            if tail_bytes:
                report.torn_tails += 1
                report.faults.append(f"{name}: {tail_bytes} bytes at its end are no whole record")

    @contextmanager
    def _naming_unreadable(self, name: str, leave_out: Callable[[], object] | None = None) -> Iterator[None]:
        """What is one segment's own fault: the others are counted."""
        try:
            yield
        except UnreadableSegment as error:
            self.report.unreadable.append(f"{name}: {error}")
        except OSError as error:
            if error.errno not in (EIO, EISDIR, ELOOP):
                raise
            self.report.unreadable.append(f"{name}: {error.strerror}")
        else:
            return
        if leave_out is not None:
            leave_out()

    def forget(self) -> None:
        with self.connection:
            self.connection.execute("BEGIN IMMEDIATE")
            forget_reports(self.connection, self.now_ms)


def _totals(fates: Counter[str]) -> dict[str, int]:
    kinds = ("event", "used", "outcome")
    counts = {
        "checks": fates["check/counted"],
        "repeated_checks": fates["check/duplicate"],
        "deliveries": fates["delivery/counted"],
        "repeated_deliveries": fates["delivery/duplicate"],
    }
    return {
        "folded": sum(fates[f"{kind}/counted"] for kind in kinds),
        "duplicates": sum(fates[f"{kind}/duplicate"] for kind in kinds),
        "malformed": sum(n for name, n in fates.items() if name.endswith("/malformed")),
        **{name: n for name, n in counts.items() if n},
    }


@contextmanager
def _without_collector() -> Iterator[None]:
    """A batch makes hundreds of thousands of objects and no circles: looking for some doubles its time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
