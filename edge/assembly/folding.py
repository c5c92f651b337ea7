"""Folds events from the spool into counts, periodically and on request, and reads the counts."""

import asyncio
import logging
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from edge.assembly.own_names import OwnNames
from edge.control.shapes.apps import AppStats, BundleCount
from edge.domain.errors import EdgeError, OutOfRoom
from edge.domain.model import AppId
from edge.node.processes.data_directory import DataPaths
from edge.node.processes.duties import to_the_end
from edge.telemetry.counts import read_counts, read_duplicates
from edge.telemetry.fold import fold

FOLD_SECONDS = 30.0  # a full worker writes some 10 MB in that time: a fraction of a second to count
KEPT_SHARE = 0.75  # of the spool's limit may be events that are already counted; the rest is for new ones

log = logging.getLogger("edge.node")


@asynccontextmanager
async def _room_to_count(paths: DataPaths) -> AsyncIterator[None]:
    """Raises OutOfRoom if the block meets a full disk: the events stay in the spool, and are counted later."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode not in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY):
            raise
        message = f"no room to count events in {paths.counts_database}: {error}; make room and try again"
        raise OutOfRoom("storage_full", message) from error


class Folding:
    """`folded_at` is when events were last counted, in seconds since the epoch."""

    def __init__(self, paths: DataPaths, spool_limit_bytes: int, names: OwnNames) -> None:
        self.folded_at = time.time()
        self._paths = paths
        self._keep_bytes = int(spool_limit_bytes * KEPT_SHARE)
        self._names = names
        self._folding = asyncio.Lock()

    async def stats(self, app: AppId) -> AppStats:
        """Counts and duplicates of everything acknowledged so far: events are folded first."""
        counts = await self.counts(app)
        duplicates = await asyncio.to_thread(read_duplicates, self._paths.counts_database, app)
        return AppStats(counts=counts, duplicates=duplicates)

    async def counts(self, app: AppId) -> list[BundleCount]:
        """As `stats`, the counts alone, sorted by bundle and action."""
        await self._fold()
        counts: Counter[tuple[str, str]] = Counter()
        for each in await asyncio.to_thread(read_counts, self._paths.counts_database, app):
            counts[each.bundle, each.action] += each.n
        return [BundleCount(bundle=bundle, action=action, n=n) for (bundle, action), n in sorted(counts.items())]

    async def run(self) -> None:
        """Fold periodically until cancelled, so that the spool frees disk space even if no one reads the counts."""
        while True:
            await asyncio.sleep(FOLD_SECONDS)
            try:
                await self._fold()
            except (EdgeError, OSError, sqlite3.OperationalError) as error:
                log.error("cannot count events now; they stay in the spool: %s", error)

    async def _fold(self) -> None:
        paths = self._paths
        async with self._folding, _room_to_count(paths):
            await to_the_end(
                lambda: fold(
                    paths.spool_dir,
                    paths.counts_database,
                    now=time.time(),
                    keep_bytes=self._keep_bytes,
                    names_of=self._names.of,
                )
            )
            self.folded_at = time.time()
