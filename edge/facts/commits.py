"""Commits of device facts: a group of changes becomes slots, which go to the log first and then to the table.

An offer is visible to every worker at once and on disk within LAZY_SYNC_SECONDS: it survives this process, and a power
cut may lose it. Everything else is on disk before it is visible. A failed group changes nothing.
"""

import asyncio
import contextlib
import os
import queue
from collections.abc import Callable, Sequence
from typing import NamedTuple

from edge.domain.attempts import Ours, lift, never, newly_withheld
from edge.domain.facts import DeviceFacts, day_of
from edge.facts.changes import (
    Chose,
    Downloaded,
    Erased,
    FactChange,
    Failed,
    Faulted,
    Installed,
    LiftedFromMany,
    Offered,
    Recordable,
    Withheld,
    change_facts,
)
from edge.facts.compaction import Compacted, Compaction
from edge.facts.fault_times import FaultTimes
from edge.facts.log import LogSeries
from edge.facts.pages import FactPages
from edge.facts.slot import encode_slot
from edge.facts.withholdings import Withholding, Withholdings, app_hash
from edge.store.disk.group_commit import IDLE_SECONDS

LAZY_SYNC_SECONDS = 1.0


class FactsAppend(NamedTuple):
    """The changes of one call, and the bundles that they made withheld: empty until they are committed."""

    changes: list[Recordable]
    withheld: list[Withheld]


class FactsCommits:
    """What the committing thread does (`GroupTarget`): the only one that touches table and log."""

    def __init__(
        self,
        pages: FactPages,
        logs: LogSeries,
        withholdings: Withholdings,
        compaction: Compaction,
        clock: Callable[[], float],
        lock: int,
    ) -> None:
        """`clock` is in epoch seconds. `lock` is a descriptor, closed last."""
        self._lock = lock
        self._withholdings = withholdings
        self._pages, self._logs, self._compaction, self._clock = pages, logs, compaction, clock
        self._faults = FaultTimes(clock())
        self._to_compact: queue.SimpleQueue[Compacted] = queue.SimpleQueue()

    def request_compaction(self) -> Compacted:
        """On the loop. The next `tend` begins it; the future raises OSError when it fails."""
        compacted: Compacted = asyncio.get_running_loop().create_future()
        self._to_compact.put(compacted)
        return compacted

    def commit(self, group: Sequence[FactsAppend]) -> None:
        """Visible in the table when it returns. Raises OSError."""
        now = self._clock()
        changed = _Changed(self._pages, self._faults, now)
        for append in group:
            for change in append.changes:
                withheld = changed.apply(change)
                if withheld is not None:
                    append.withheld.append(withheld)
        if changed.erased:
            self._compaction.note_erasure(now)
        slots = changed.slots()
        if changed.withholdings:
            self._withholdings.append(changed.withholdings)
        if slots:
            self._pages.prepare(slots)
            self._logs.append(b"".join(slots), durably=changed.durably)
        for slot in slots:
            self._pages.put(slot)

    def tend(self) -> float:
        """Sync offers and begin compactions when due. Returns seconds: see `GroupTarget`."""
        if self._logs.unsynced_seconds >= LAZY_SYNC_SECONDS:
            self._sync_offers()
        waiting = self._compactions_requested()
        if waiting or self._compaction.is_due():
            self._compaction.begin(waiting)
        return LAZY_SYNC_SECONDS if self._logs.unsynced else IDLE_SECONDS

    def close(self) -> None:
        """Sync, finish compactions and close the files."""
        if self._logs.unsynced:
            self._sync_offers()
        waiting = self._compactions_requested()
        if waiting:
            self._compaction.begin(waiting)
        self._compaction.join()
        self._logs.close()
        self._withholdings.close()
        self._pages.close()
        os.close(self._lock)

    def _sync_offers(self) -> None:
        with contextlib.suppress(Exception):  # none of these was acknowledged; the next change begins another file
            self._logs.sync()

    def _compactions_requested(self) -> list[Compacted]:
        return [self._to_compact.get_nowait() for _ in range(self._to_compact.qsize())]


class _Changed:
    """The devices that a group changes, each with its last state."""

    def __init__(self, pages: FactPages, faults: FaultTimes, now: float) -> None:
        self.durably = False  # whether a change may not be lost
        self.erased = False
        self.withholdings: list[Withholding] = []
        self._pages, self._faults, self._now = pages, faults, now
        self._today = day_of(now)
        self._states: dict[bytes, tuple[DeviceFacts, int]] = {}  # facts and day touched, by key

    def apply(self, change: Recordable) -> Withheld | None:
        """The bundle that the change made withheld, if any."""
        if isinstance(change, Faulted):
            self._faults.note(change, self._now)
            return None
        if isinstance(change, LiftedFromMany):
            self._lift(change)
            return None
        key = self._pages.key_of(change.app, change.device)
        before, day = self._states.get(key) or self._pages.read(key)
        after = change_facts(before, change, self._now, self._ours(change) if isinstance(change, Failed) else never)
        if isinstance(change, Erased):
            self.erased = True
        elif after == before and not self._is_first_today(change, day):
            return None
        self._states[key] = after, self._today
        self.durably = self.durably or not isinstance(change, Offered | Downloaded | Installed)
        withheld = _newly_withheld(change, before, after)
        if withheld is not None:
            self.withholdings.append(Withholding(key, app_hash(change.app), withheld.bundle, int(self._now)))
        return withheld

    def _lift(self, change: LiftedFromMany) -> None:
        """The devices are as long untouched as before."""
        for key in change.keys:
            before, day = self._states.get(key) or self._pages.read(key)
            after = lift(before, change.bundle)
            if after != before:
                self._states[key] = after, day
                self.durably = True

    def slots(self) -> list[bytes]:
        return [encode_slot(key, facts, day) for key, (facts, day) in self._states.items()]

    def _is_first_today(self, change: FactChange, day: int) -> bool:
        """A choice that is made again keeps the device from being evicted."""
        return isinstance(change, Chose) and day not in (0, self._today)

    def _ours(self, change: Failed) -> Ours:
        return lambda bundle, since: self._faults.since(change.app, bundle, change.prefix, since)


def _newly_withheld(change: FactChange, before: DeviceFacts, after: DeviceFacts) -> Withheld | None:
    failure = newly_withheld(before, after) if isinstance(change, Failed) else None
    return Withheld(change.app, change.device, failure.bundle, failure.cause) if failure else None
