"""Folds events from the spool into counts, periodically and on request, and reads the counts.

Counts are not needed to serve: damage of theirs is logged, counted and set aside, and the spool is folded again.
"""

import asyncio
import logging
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from edge.assembly.own_names import OwnNames
from edge.control.shapes.apps import AppStats, BundleCount
from edge.domain.errors import EdgeError, OutOfRoom, Unavailable
from edge.domain.model import AppId
from edge.node.processes.data_directory import DataPaths
from edge.node.processes.duties import to_the_end
from edge.telemetry.folding.counts import read_counts, read_duplicates, read_totals
from edge.telemetry.folding.database import code_of, identity_of, is_damage, set_aside
from edge.telemetry.folding.fold import FoldReport, fold

FOLD_SECONDS = 30.0  # a full worker writes some 10 MB in that time: a fraction of a second to count
KEPT_SHARE = 0.75  # of the spool's limit may be events that are already counted; the rest is for new ones

T = TypeVar("T")

log = logging.getLogger("edge.node")


@asynccontextmanager
async def _room_to_count(paths: DataPaths) -> AsyncIterator[None]:
    """Raises OutOfRoom if the block meets a full disk: the events stay in the spool, and are counted later."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if code_of(error) not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY):
            raise
        message = f"no room to count events in {paths.counts_database}: {error}; make room and try again"
        raise OutOfRoom("storage_full", message) from error


class Folding:
    """`folded_at` is when events were last counted, in seconds since the epoch; `set_aside` is how often the counts
    were damaged since the start; `unreadable` is how many segments the last fold could not read."""

    def __init__(self, paths: DataPaths, spool_limit_bytes: int, names: OwnNames) -> None:
        self.folded_at = time.time()
        self.set_aside = 0
        self.unreadable = 0
        self._told: set[str] = set()  # of the segments that are unreadable now
        self._totals: dict[str, int] = {}
        self._paths = paths
        self._keep_bytes = int(spool_limit_bytes * KEPT_SHARE)
        self._names = names
        self._folding = asyncio.Lock()

    async def stats(self, app: AppId) -> AppStats:
        """Counts and duplicates of everything acknowledged so far: events are folded first. Raises Unavailable."""
        counts = await self.counts(app)
        duplicates = await self._folded(lambda: read_duplicates(self._paths.counts_database, app))
        return AppStats(counts=counts, duplicates=duplicates)

    async def counts(self, app: AppId) -> list[BundleCount]:
        """As `stats`, the counts alone, sorted by bundle and action."""
        counts: Counter[tuple[str, str]] = Counter()
        for each in await self._folded(lambda: read_counts(self._paths.counts_database, app)):
            counts[each.bundle, each.action] += each.n
        return [BundleCount(bundle=bundle, action=action, n=n) for (bundle, action), n in sorted(counts.items())]

    async def totals(self) -> dict[str, int]:
        """Of `read_totals`, without folding; the last ones that could be read if these cannot. Raises nothing."""
        try:
            self._totals = await self._whole(lambda: asyncio.to_thread(read_totals, self._paths.counts_database))
        except (EdgeError, OSError, ValueError) as error:
            log.error("cannot read how many events are counted: %s", error)
        return self._totals

    async def run(self) -> None:
        """Fold periodically until cancelled, so that the spool frees disk space even if no one reads the counts."""
        while True:
            await asyncio.sleep(FOLD_SECONDS)
            try:
                await self._whole(self._fold)
            except (EdgeError, OSError) as error:
                log.error("cannot count events now; they stay in the spool: %s", error)

    async def _folded(self, read: Callable[[], T]) -> T:
        async def work() -> T:
            await self._fold()
            return await asyncio.to_thread(read)

        return await self._whole(work)

    async def _whole(self, work: Callable[[], Awaitable[T]]) -> T:
        """The result of `work`; if it meets a damaged database, that is set aside, and this is its result with a new
        one. Raises Unavailable for other errors of the database."""
        database = self._paths.counts_database
        identity = await asyncio.to_thread(identity_of, database)
        try:
            try:
                return await work()
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                await self._set_aside(identity, error)
            return await work()
        except sqlite3.Error as error:
            raise Unavailable("counts_unusable", f"cannot use the counts in {database}: {error}") from error

    async def _set_aside(self, identity: int | None, error: sqlite3.Error) -> None:
        database = self._paths.counts_database
        async with self._folding:  # a fold in progress deletes segments that the new database has not counted
            aside = await asyncio.to_thread(set_aside, database, identity, time.time())
        if aside is None:  # it was replaced in the meantime
            return
        self.set_aside += 1
        log.error(
            "the counts of events in %s are damaged (%s): set aside as %s. What the spool still has is counted again; "
            "earlier counts are in that file alone: try `sqlite3 %s .recover`, and check the disk",
            *(database, error, aside, aside),
        )

    async def _fold(self) -> None:
        paths = self._paths
        async with self._folding, _room_to_count(paths):
            report = await to_the_end(
                lambda: fold(
                    paths.spool_dir,
                    paths.counts_database,
                    now=time.time(),
                    keep_bytes=self._keep_bytes,
                    names_of=self._names.of,
                )
            )
            self.folded_at = time.time()
            self._tell(report)

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
