"""The writer of device facts: a change is on the disk and visible to every worker before `record` returns.

One process writes, on one thread, never the loop's; changes that wait meanwhile share the next sync. Each group goes
to the log first and then to the table (facts_pages) that workers read. An offer is visible on return and on the disk
within LAZY_SYNC_SECONDS: it survives this process, and a power cut may forget it. The queue is bounded; a failed group
changes nothing. When the log has grown, a second thread syncs the table and removes the log before it.
"""

import asyncio
import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from edge.domain.attempts import Ours, never, newly_withheld
from edge.domain.errors import Unavailable
from edge.domain.facts import DeviceFacts, day_of
from edge.facts.changes import (
    Chose,
    Downloaded,
    Erased,
    Failed,
    Faulted,
    Installed,
    Offered,
    Told,
    Withheld,
    change_facts,
)
from edge.facts.log import FactsLog, Sync, remove_logs
from edge.facts.own_faults import Faults
from edge.facts.pages import TABLE_NAME
from edge.facts.recovery import lock_facts, recover
from edge.facts.slot import encode_slot
from edge.store.durable_files import DIRECTORY_MODE

CAPACITY_DEVICES = 10_000_000  # 1.1 GB at the largest; a table that few devices use is as small as they are
QUEUE_LIMIT_CHANGES = 50_000  # some seconds of a full node; beyond it the caller hears that we are overloaded
GROUP_LIMIT_CHANGES = 4096  # some 50 ms of the thread: what one change may have to wait for
LOG_LIMIT_SLOTS = 1 << 19  # 36 MiB: some seconds of replay at a start, and one pass of the disk over the table
ERASURE_SECONDS = 3600.0  # after it, the log too has forgotten an erased device
LAZY_SYNC_SECONDS = 1.0
IDLE_CHECK_SECONDS = 60.0  # how late a quiet writer may notice that a compaction is due


class FactsFull(Unavailable):
    """More changes wait for the disk than the limit allows."""


class FactsClosed(Unavailable):
    """The node is shutting down."""


class FactsFailed(Unavailable):
    """The disk refused (`__cause__` says how). None of the call's changes happened."""


class _Request(NamedTuple):
    changes: list[Told] | None  # None: compact
    done: asyncio.Future[list[Withheld]]
    withheld: list[Withheld]  # what it came to


class FactsWriter:
    """The only writer of a directory, for one event loop.

    `problems` says what recovery put aside; `compaction_failures`, `evicted` and `pages` are for the operator's eyes.
    """

    def __init__(
        self,
        directory: Path,
        *,
        capacity: int = CAPACITY_DEVICES,
        log_limit_slots: int = LOG_LIMIT_SLOTS,
        clock: Callable[[], float] = time.time,
        sync: Sync = os.fdatasync,
    ) -> None:
        """Blocks while it recovers: up to some seconds. Make it before the workers start. `clock` is in epoch seconds.

        Raises FactsInUse, facts_slot.NewerFacts, OSError.
        """
        directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        self.table_path = directory / TABLE_NAME
        self.compaction_failures = 0
        self._directory, self._clock, self._sync = directory, clock, sync
        self._log_limit_slots = log_limit_slots
        self._lock = lock_facts(directory)
        try:
            self._pages, number, self._older_slots, self.problems = recover(directory, capacity)
            self._log = FactsLog(directory, number, self._pages.seed, sync=sync)
        except BaseException:
            os.close(self._lock)
            raise
        self._faults = Faults(clock())
        self._erased_at: float | None = None
        self._written_at = 0.0  # monotonic, of the oldest offer that is not synced
        self._compaction: threading.Thread | None = None
        self._table_suspect = False  # a failed sync may have dropped pages that a later one calls synced
        self._queue: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._waiting = 0  # changed on the loop alone
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="facts", daemon=True)
        self._thread.start()

    @property
    def evicted(self) -> int:
        return self._pages.evicted

    @property
    def pages(self) -> int:
        return self._pages.pages

    @property
    def seed(self) -> int:
        """Of the keys in this directory: who asks whether a device is in it needs it (`facts_slot.key_of`)."""
        return self._pages.seed

    async def record(self, changes: Iterable[Told]) -> list[Withheld]:
        """All changes, in order, or an error and none of them. A cancelled call may still happen.

        Answers which bundles they made withheld. Raises FactsFull, FactsClosed, FactsFailed (each a 503).
        """
        wanted = list(changes)
        if not wanted:
            return []
        self._admit(len(wanted))
        return await self._ask(wanted)

    async def compact(self) -> None:
        """Make the log forget what the table holds or no longer holds. Raises FactsClosed, FactsFailed."""
        self._admit(0)
        await self._ask(None)

    async def close(self) -> None:
        """Finish what waits and end the threads. Changes from now on are refused."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    async def _ask(self, changes: list[Told] | None) -> list[Withheld]:
        done: asyncio.Future[list[Withheld]] = asyncio.get_running_loop().create_future()
        self._queue.put(_Request(changes, done, []))
        return await done

    def _admit(self, count: int) -> None:
        if self._closed:
            raise FactsClosed("facts_closed", "the node is shutting down")
        if self._waiting + count > QUEUE_LIMIT_CHANGES:
            raise FactsFull("facts_full", f"too many changes of device facts wait for the disk: {self._waiting}")
        self._waiting += count

    def _settle(self, group: list[_Request], error: Exception | None) -> None:
        """On the loop: free the group's place in the queue and wake those who wait."""
        for changes, done, withheld in group:
            self._waiting -= len(changes or ())
            if done.done():  # its caller left
                continue
            if error is None:
                done.set_result(withheld)
            else:
                done.set_exception(_failure(error))

    def _settle_soon(self, group: list[_Request], error: Exception | None) -> None:
        if group:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                group[0].done.get_loop().call_soon_threadsafe(self._settle, group, error)

    def _run(self) -> None:
        """The thread: groups in, one sync each, until closed and drained."""
        more = True
        while more:
            group, more = self._next_group()
            recording = [request for request in group if request.changes is not None]
            if recording:
                self._settle_soon(recording, _outcome(self._commit, recording))
            if self._log.unsynced and (not more or time.monotonic() - self._written_at >= LAZY_SYNC_SECONDS):
                _outcome(self._log.sync)  # nobody was promised these; the next change begins another file
            compacting = [request for request in group if request.changes is None]
            if compacting or (more and self._is_compaction_due()):
                self._compact(compacting)
        if self._compaction is not None:
            self._compaction.join()
        self._log.close()
        self._pages.close()
        os.close(self._lock)

    def _next_group(self) -> tuple[list[_Request], bool]:
        """Everything that waits now, up to a group's limit; and whether more can follow."""
        group: list[_Request] = []
        count = 0
        with contextlib.suppress(queue.Empty):
            request = self._queue.get(timeout=LAZY_SYNC_SECONDS if self._log.unsynced else IDLE_CHECK_SECONDS)
            while request is not None:
                group.append(request)
                count += len(request.changes or ())
                if count >= GROUP_LIMIT_CHANGES:
                    return group, True
                request = self._queue.get_nowait()
            return group, False
        return group, True

    def _commit(self, group: list[_Request]) -> None:
        slots, durably = self._next_slots(group)
        if not slots:
            return
        if self._log.closed:
            self._begin_log()
        was_synced = not self._log.unsynced
        self._log.append(b"".join(slots), durably=durably)
        if self._log.unsynced and was_synced:
            self._written_at = time.monotonic()
        for slot in slots:
            self._pages.put(slot)

    def _next_slots(self, group: list[_Request]) -> tuple[list[bytes], bool]:
        """The slots that change, each device's last state once; and whether they must be durable at once."""
        now = self._clock()
        today = day_of(now)
        changed: dict[bytes, tuple[DeviceFacts, int]] = {}
        durably = False
        for change, withheld in ((each, request.withheld) for request in group for each in request.changes or ()):
            if isinstance(change, Faulted):
                self._faults.note(change, now)
                continue
            key = self._pages.key_of(change.app, change.device)
            before, day = changed.get(key) or self._pages.read(key)
            after = change_facts(before, change, now, self._ours(change) if isinstance(change, Failed) else never)
            if isinstance(change, Erased):  # written even when nothing is known: the log may know of what was evicted
                self._erased_at = self._erased_at or now
            elif after == before and (day in (0, today) or not isinstance(change, Chose)):
                continue
            if isinstance(change, Failed) and (failure := newly_withheld(before, after)) is not None:
                withheld.append(Withheld(change.app, change.device, failure.bundle, failure.cause))
            changed[key] = after, today
            durably = durably or not isinstance(change, Offered | Downloaded | Installed)
        return [encode_slot(key, facts, day) for key, (facts, day) in changed.items()], durably

    def _ours(self, change: Failed) -> Ours:
        return lambda bundle, since: self._faults.since(change.app, bundle, change.prefix, since)

    def _begin_log(self) -> None:
        self._older_slots += self._log.slots
        self._log = FactsLog(self._directory, self._log.number + 1, self._pages.seed, sync=self._sync)

    def _is_compaction_due(self) -> bool:
        if self._compaction is not None and self._compaction.is_alive():
            return False
        if self._erased_at is not None and self._clock() - self._erased_at >= ERASURE_SECONDS:
            return True
        return self._older_slots + self._log.slots >= self._log_limit_slots

    def _compact(self, waiting: list[_Request]) -> None:
        """Begin the next log; what came before it goes when a second thread has synced the table."""
        if self._compaction is not None:
            self._compaction.join()
        try:
            if self._table_suspect:
                self._pages.swap(1)
                self._table_suspect = False
            self._log.close()
            self._begin_log()
        except OSError as error:
            self.compaction_failures += 1
            self._settle_soon(waiting, error)
            return
        erasing, self._erased_at, self._older_slots = self._erased_at is not None, None, 0
        self._compaction = threading.Thread(
            target=self._forget, args=(self._log.number, erasing, waiting), name="facts-compaction", daemon=True
        )
        self._compaction.start()

    def _forget(self, before: int, erasing: bool, waiting: list[_Request]) -> None:
        """The second thread: when it fails the logs stay, and the next compaction takes them along."""
        error = _outcome(self._pages.sync)
        if error is not None:
            self._table_suspect = True
        else:
            error = _outcome(remove_logs, self._directory, before)
        if error is not None:
            self.compaction_failures += 1
            self._erased_at = self._clock() if erasing else self._erased_at
        self._settle_soon(waiting, error)


def _outcome(step: Callable[..., None], *arguments: object) -> Exception | None:
    """A thread's boundary: whatever went wrong belongs to those who wait."""
    try:
        step(*arguments)
    except Exception as error:
        return error
    return None


def _failure(error: Exception) -> Exception:
    """A new exception for each waiter: a shared one would gather every waiter's traceback."""
    if not isinstance(error, OSError):
        return error
    failed = FactsFailed("facts_failed", f"device facts could not be stored: {error.strerror or error}")
    failed.__cause__ = error
    return failed
