"""Folds events from the spool into the figures, and reads these; within the folding process, in its threads.

Figures are not needed to serve: damage of theirs is logged, counted and set aside, and the spool is folded again.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from typing import TypeVar

from edge.assembly.counting.erasing_devices import DeviceFiguresErased, ErasingDevices
from edge.assembly.counting.guarded_releases import GuardedReleases
from edge.assembly.counting.shown_behaviour import ShownBehaviour
from edge.config import Telemetry
from edge.domain.errors import OutOfRoom, Unavailable
from edge.domain.guarding.reported import ReportedUntil
from edge.node.processes.data_paths import DataPaths
from edge.telemetry.behaviour.rows import Judgement, JudgingOf, no_judging
from edge.telemetry.folding.batches.segment_origins import HERE, SegmentOrigins
from edge.telemetry.folding.database import code_of, identity_of, is_damage, open_for_folding, set_aside
from edge.telemetry.folding.fold import FoldReport, fold
from edge.telemetry.folding.labels import NamesOf
from edge.telemetry.folding.outbox import Outbox
from edge.telemetry.trials.experiment_book import ExperimentsOf, no_experiments
from edge.telemetry.upkeep.ageing import age
from edge.telemetry.upkeep.erasing import PASS_SECONDS
from edge.telemetry.upkeep.erasures import Erasure
from edge.telemetry.upkeep.keeping import DAY_SECONDS, keep_segments
from edge.telemetry.votes.vote_keeper import WatchesOf, no_watches

AGE_SECONDS = 3_600.0  # between two deletions of old rows: each looks at all rows of steps
COMPRESS_SECONDS = 1.0  # after a fold, at least one segment: what a long backlog leaves keeps no report waiting
GUARDED_PASS_SECONDS = 1.0  # as PASS_SECONDS, while a guard may act
KEPT_SHARE = 0.75  # of the spool's limit may be events that are already counted; the rest is for new ones

T = TypeVar("T")

log = logging.getLogger("edge.node")


@contextmanager
def _room_to_count(paths: DataPaths) -> Iterator[None]:
    """Raises OutOfRoom if the block meets a full disk: the events stay in the spool, and are counted later."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if code_of(error) not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY):
            raise
        message = f"no room to count events in {paths.counts_database}: {error}; make room and try again"
        raise OutOfRoom("storage_full", message) from error


class FiguresFile:
    """Safe among threads; every call blocks, and raises Unavailable if the database cannot be used. `folded_at`,
    `set_aside` and `unreadable` are as in `FoldCondition`."""

    def __init__(
        self,
        paths: DataPaths,
        telemetry: Telemetry,
        names_of: NamesOf,
        judging_of: JudgingOf = no_judging,
        experiments_of: ExperimentsOf = no_experiments,
        outbox: Outbox | None = None,
        watches_of: WatchesOf = no_watches,
    ) -> None:
        self.folded_at = time.time()
        self.set_aside = 0
        self.unreadable = 0
        self._changes = 0
        self._aged = 0.0  # when old rows were last deleted, in seconds since the epoch
        self._told: set[str] = set()  # of the segments that are unreadable now
        self._paths = paths
        self._telemetry = telemetry
        self._names_of = names_of
        self._judging_of = judging_of
        self._experiments_of = experiments_of
        self._outbox = outbox
        self.origins = HERE  # of the segments that the next fold counts
        self.guarded = GuardedReleases(paths.counts_database, watches_of)
        self._shown = ShownBehaviour(paths.counts_database, paths.behaviour_table, paths.behaviour_news_dir)
        self._erasing = ErasingDevices(paths, telemetry, self._shown)
        self._folding = threading.Lock()

    def fold(self) -> None:
        """Count all that is acknowledged by now. Raises OutOfRoom, OSError."""
        self._whole(self._fold)

    def read(self, reading: Callable[[], T]) -> T:
        """The result of `reading` the figures."""
        return self._whole(reading)

    def change(self, work: Callable[[], T]) -> T:
        """The result of `work`, during which nothing is folded."""

        def alone() -> T:
            with self._folding, self._changing():
                return work()

        return self._whole(alone)

    def show_behaviour(self, judgements: Iterable[Judgement]) -> None:
        """Within `change`, after its transaction: what workers see of devices that were erased there."""
        self._shown.show_all(judgements)

    def erase(self, erasure: Erasure) -> DeviceFiguresErased:
        """Go on with all erasures, and tell what this one has erased. Raises OSError."""
        self.change(self._erase_some)
        return self._erasing.erased(erasure)

    def hear_nodes(self, nodes: tuple[ReportedUntil, ...], origins: SegmentOrigins) -> None:
        """Before a fold: what other nodes said until now."""
        self.guarded.reported = self._erasing.nodes = nodes
        self.origins = origins

    @property
    def erasures(self) -> int:
        """How many are not done."""
        return self._erasing.pending

    @property
    def version(self) -> int:
        """Another one after each change of the figures, once that has ended."""
        return self._changes + self._erasing.rows_erased

    @property
    def behaviour_evicted(self) -> int:
        """How many devices had to make room for others in the table that workers read."""
        return self._shown.evicted

    @property
    def behaviour_failures(self) -> int:
        """How often that table could not be written."""
        return self._shown.failures

    @contextmanager
    def _changing(self) -> Iterator[None]:
        try:
            yield
        finally:  # also of work that failed halfway
            self._changes += 1

    def _whole(self, work: Callable[[], T]) -> T:
        """The result of `work`; if it meets a damaged database, that is set aside, and this is its result with a new
        one, into which the spool is folded."""
        database = self._paths.counts_database
        identity = identity_of(database)
        try:
            try:
                return work()
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                self._set_aside(identity, error)
            self._fold()
            return work()
        except sqlite3.Error as error:
            raise Unavailable("counts_unusable", f"cannot use the counts in {database}: {error}") from error

    def _set_aside(self, identity: int | None, error: sqlite3.Error) -> None:
        database = self._paths.counts_database
        with (
            self._folding,
            self._changing(),
        ):  # a fold in progress deletes segments that the new database has not counted
            aside = set_aside(database, identity, time.time())
        if aside is None:  # it was replaced in the meantime
            return
        self._shown.begin_again()
        self.guarded.begin_again()
        self.set_aside += 1
        log.error(
            "the counts of events in %s are damaged (%s): set aside as %s. What the spool still has is counted again; "
            "earlier counts are in that file alone: try `sqlite3 %s .recover`, and check the disk",
            *(database, error, aside, aside),
        )

    def _fold(self) -> None:
        with self._folding, _room_to_count(self._paths):
            report = self._count()
            self.folded_at = time.time()
            self.guarded.judge_all(self.folded_at)  # before all that may take long
            self._shown.bring_up(self.folded_at)
            self._tell(report)
            self._keep()
            self._age(self.folded_at)

    def _count(self) -> FoldReport:
        paths, report = self._paths, None
        try:
            report = fold(
                paths.spool_dir,
                paths.counts_database,
                now=time.time(),
                names_of=self._names_of,
                judging_of=self._judging_of,
                experiments_of=self._experiments_of,
                show=self._shown.show,
                outbox=self._outbox,
                keeper=self.guarded.keeper,
                look=lambda connection: self.guarded.judge_meanwhile(connection, time.time()),
                origins=self.origins,
            )
        finally:
            if report is None or report.batches:
                self._changes += 1
        return report

    def _age(self, now: float) -> None:
        """Once an hour, and at a start."""
        if not 0 <= now - self._aged < AGE_SECONDS:
            with closing(open_for_folding(self._paths.counts_database)) as connection, self._changing():
                age(connection, now)
            self._aged = now

    def _keep(self) -> None:
        """What is counted stays counted, whatever fails here."""
        paths = self._paths
        try:
            keep_segments(
                paths.spool_dir,
                paths.counts_database,
                now=time.time(),
                keep_seconds=self._telemetry.keep_days * DAY_SECONDS,
                keep_bytes=int(self._telemetry.spool_limit_bytes * KEPT_SHARE),
                compress_seconds=COMPRESS_SECONDS,
            )
            self._erase_some()
        except OSError as error:
            log.error("cannot compress, delete or erase counted events in %s: %s", paths.spool_dir, error)

    def _erase_some(self) -> None:
        self._erasing.carry_on(GUARDED_PASS_SECONDS if self.guarded.acts else PASS_SECONDS)

    def _tell(self, report: FoldReport) -> None:
        """Each damage once."""
        spool = self._paths.spool_dir
        for fault in report.faults:
            log.error(
                "events of devices were lost in %s/%s: skipped, the rest is counted; check the disk", spool, fault
            )
        for why in sorted({*report.unreadable} - self._told):
            log.error("events in %s/%s: left as it is, the others are counted; restore or remove it", spool, why)
        self._told = set(report.unreadable)
        self.unreadable = len(self._told)
