"""The writer of device facts: a change is on disk and visible to every worker before `record` returns.

One process writes, on one thread (`store.disk.group_commit`). What a group of changes does is in `commits`, how the log
is shortened in `compaction`.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from edge.domain.errors import Unavailable
from edge.domain.facts import name_hash
from edge.facts.changes import LiftedFromMany, Recordable, Withheld
from edge.facts.commits import FactsAppend, FactsCommits
from edge.facts.compaction import Compaction
from edge.facts.log import LogSeries
from edge.facts.pages import TABLE_NAME
from edge.facts.recovery import lock_facts, recover
from edge.facts.sharing.journal import SharedJournal
from edge.facts.sharing.register import KeyOf
from edge.facts.slot import SlotKind
from edge.facts.table import FactsTable
from edge.facts.withholdings import Withholdings, find_withheld
from edge.store.disk.append_file import SyncFile
from edge.store.disk.durable_files import DIRECTORY_MODE
from edge.store.disk.group_commit import CommitLimits, GroupCommit, QueueClosed, QueueFull
from edge.store.disk.room import refusal_of_room

CAPACITY_DEVICES = 10_000_000  # 1.1 GB at the largest; a table that few devices use is as small as they are
QUEUE_LIMIT_CHANGES = 50_000  # some seconds of a full node; beyond it we are overloaded
GROUP_LIMIT_CHANGES = 4096  # some 50 ms of the thread: what one change may have to wait for
LIFT_STEP = 1_000  # devices: some 20 ms of the committing thread
LOG_LIMIT_SLOTS = 1 << 19  # 36 MiB: some seconds of replay at a start, and one pass of the disk over the table

OpenShared = Callable[[int, KeyOf], SharedJournal | None]  # of the table's seed

log = logging.getLogger("edge.facts")


class FactsFull(Unavailable):
    """More changes wait for the disk than the limit allows."""


class FactsClosed(Unavailable):
    """The node is shutting down."""


class FactsFailed(Unavailable):
    """The disk failed (see `__cause__`). None of the call's changes happened."""


class FactsCondition(NamedTuple):
    """`pages` of 4 KiB out of at most `pages_limit`; `evicted` devices by what was known of them (`slot.SlotKind`);
    compactions that failed, so that the log stayed as it was; and growths, after which the table evicts as it is.
    `damaged_slots` of the log could not be read at the start."""

    pages: int
    pages_limit: int
    evicted: Mapping[str, int]
    compaction_failures: int
    growth_failures: int
    damaged_slots: int = 0


class FactsWriter:
    """The only writer of a directory, for one event loop. `problems` states what recovery set aside."""

    def __init__(
        self,
        directory: Path,
        *,
        capacity: int = CAPACITY_DEVICES,
        log_limit_slots: int = LOG_LIMIT_SLOTS,
        clock: Callable[[], float] = time.time,
        sync: SyncFile = os.fdatasync,
        lock: int | None = None,
        open_shared: OpenShared | None = None,
    ) -> None:
        """Blocks while it recovers: up to some seconds. `capacity` is in devices, `clock` in epoch seconds; `lock` is
        what `lock_facts` returned, closed with the writer. Without `open_shared`, no other node hears of anything.

        Raises FactsInUse, NewerFacts, OSError.
        """
        directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        self.table_path = directory / TABLE_NAME
        lock = lock_facts(directory) if lock is None else lock
        try:
            self._pages, number, older_slots, self.problems, self._damaged_slots = recover(directory, capacity)
            for problem in self.problems:
                log.error("device facts in %s: %s", directory, problem)
            logs = LogSeries(directory, number, self._pages.seed, older_slots=older_slots, sync=sync)
        except BaseException:
            os.close(lock)
            raise
        self._table = FactsTable(self.table_path)
        withholdings = Withholdings(directory, self._pages.seed, sync=sync)
        self._compaction = Compaction(
            *(self._pages, logs, withholdings, self._table.is_withheld), limit_slots=log_limit_slots, clock=clock
        )
        self.shared = open_shared(self._pages.seed, self._pages.key_of) if open_shared is not None else None
        self._target = FactsCommits(self._pages, logs, withholdings, self._compaction, clock, lock, self.shared)
        limits = CommitLimits(QUEUE_LIMIT_CHANGES, group_items=GROUP_LIMIT_CHANGES)
        self._lifting = asyncio.Lock()
        self._commits: GroupCommit[FactsAppend] = GroupCommit(self._target, limits, name="facts", translate=_failure)

    @property
    def condition(self) -> FactsCondition:
        """As of now, without reading the disk."""
        pages = self._pages
        evicted = {kind.word: pages.evicted[kind] for kind in SlotKind if kind}
        failures = self._compaction.failures, pages.growth_failures
        return FactsCondition(pages.pages, pages.limit, evicted, *failures, self._damaged_slots)

    @property
    def seed(self) -> int:
        """Of the keys in this directory (`slot.key_of`)."""
        return self._pages.seed

    async def record(self, changes: Iterable[Recordable]) -> list[Withheld]:
        """Apply all changes, in order, or raise and apply none. A cancelled call may still happen.

        Returns the bundles that they made withheld. Raises FactsFull, FactsClosed, FactsFailed (each a 503), OutOfRoom.
        """
        append = FactsAppend(list(changes), [])
        if append.changes:
            try:
                committed = self._commits.put(append, len(append.changes))
            except QueueClosed as error:
                raise _closed() from error
            except QueueFull as error:
                message = f"too many changes to device facts are waiting for the disk: {error.items}"
                raise FactsFull("facts_full", message) from error
            await committed
            if self.shared is not None:
                self.shared.tell()
        return append.withheld

    async def lift_all(self, app: str, version: str, since: float, *, dry_run: bool) -> int:
        """Allow the bundle again to all the app's devices from which it was withheld at `since` or later (seconds since
        the epoch), as far as `withholdings` keeps them. Returns how many; in a dry run nothing changes.

        In steps of LIFT_STEP, between which others' changes are committed: cut off in the middle, it can be repeated.
        Raises Unavailable `busy` while another one runs, and as `record`.
        """
        if self._lifting.locked():
            raise Unavailable("busy", "a bundle is being lifted from all devices now; try again when that is done")
        async with self._lifting:
            bundle = name_hash(version)
            directory, is_withheld = self.table_path.parent, self._table.is_withheld
            try:
                keys = await asyncio.to_thread(find_withheld, directory, self.seed, app, bundle, is_withheld, since)
            except OSError as error:
                raise _failure(error) from error
            for first in range(0, 0 if dry_run else len(keys), LIFT_STEP):
                await self.record([LiftedFromMany(bundle, keys[first : first + LIFT_STEP])])
        return len(keys)

    async def compact(self) -> None:
        """Remove from the log what the table has, and what it has no longer. Raises FactsClosed, FactsFailed."""
        compacted = self._target.request_compaction()
        try:
            self._commits.wake()
            await compacted
        except QueueClosed as error:
            raise _closed() from error
        except OSError as error:
            raise _failure(error) from error

    async def close(self) -> None:
        """Finish what waits and end the threads. Changes from now on are refused."""
        if self.shared is not None:
            self.shared.news.tell()  # who waits here for news asks the next process that writes
        await self._commits.close()
        self._table.close()


def _closed() -> FactsClosed:
    return FactsClosed("facts_closed", "the node is shutting down")


def _failure(error: Exception) -> Exception:
    if not isinstance(error, OSError):
        return error
    full = refusal_of_room(error)
    if full is not None:
        return full
    failed = FactsFailed("facts_failed", f"device facts could not be stored: {error.strerror or error}")
    failed.__cause__ = error
    return failed
