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

import msgspec

from edge.domain.attempts import Ours, lift, never, newly_withheld
from edge.domain.facts import DeviceFacts, Failure, day_of, name_hash
from edge.domain.sharing.admitting import SharedKind, forgetting
from edge.domain.sharing.state import NOTHING_SHARED
from edge.domain.sharing.steps import (
    adopted,
    after_forgotten,
    is_shared,
    project,
    with_choice,
    with_erasure,
    with_failures,
    with_lift,
)
from edge.facts.changes import (
    SKEW_SECONDS,
    Brought,
    Chose,
    Downloaded,
    Elsewhere,
    Erased,
    FactChange,
    Failed,
    Faulted,
    HeardAbove,
    Installed,
    Lifted,
    LiftedFromMany,
    Offered,
    Recordable,
    Took,
    Withheld,
    change_elsewhere,
    change_facts,
    lacks_offer,
)
from edge.facts.compaction import Compacted, Compaction
from edge.facts.fault_times import FaultTimes
from edge.facts.log import LogSeries
from edge.facts.pages import FactPages
from edge.facts.sharing.journal import SharedJournal, SharedTurn
from edge.facts.slot import encode_slot
from edge.facts.withholdings import Withholding, Withholdings, app_hash
from edge.store.disk.group_commit import IDLE_SECONDS

LAZY_SYNC_SECONDS = 1.0

_evidence = msgspec.msgpack.Decoder(Elsewhere)


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
        shared: SharedJournal | None = None,
    ) -> None:
        """`clock` is in epoch seconds. `lock` is a descriptor, closed last. Without `shared`, other nodes hear of
        nothing."""
        self._lock = lock
        self._shared = shared
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
        turn = SharedTurn(self._shared, now) if self._shared is not None else None
        changed = _Changed(self._pages, self._faults, now, turn)
        for append in group:
            append.withheld.clear()  # of an attempt that failed
            for change in append.changes:
                withheld = changed.apply(change)
                if withheld is not None:
                    append.withheld.append(withheld)
        if changed.erased:
            self._compaction.note_erasure(now)
        slots = changed.slots()
        if changed.withholdings:
            self._withholdings.append(changed.withholdings)
        if turn is not None:
            turn.commit()
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
            if self._shared is not None:
                self._shared.tidy(self._clock())
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
        if self._shared is not None:
            self._shared.close()
        self._pages.close()
        os.close(self._lock)

    def _sync_offers(self) -> None:
        with contextlib.suppress(Exception):  # none of these was acknowledged; the next change begins another file
            self._logs.sync()

    def _compactions_requested(self) -> list[Compacted]:
        return [self._to_compact.get_nowait() for _ in range(self._to_compact.qsize())]


class _Changed:
    """The devices that a group changes, each with its last state."""

    def __init__(self, pages: FactPages, faults: FaultTimes, now: float, shared: SharedTurn | None) -> None:
        self.durably = False  # whether a change may not be lost
        self.erased = False
        self.withholdings: list[Withholding] = []
        self._pages, self._faults, self._now, self._shared = pages, faults, now, shared
        self._today = day_of(now)
        self._states: dict[bytes, tuple[DeviceFacts, int]] = {}  # facts and day touched, by key

    def apply(self, change: Recordable) -> Withheld | None:
        """The bundle that the change made withheld, if any."""
        match change:
            case Faulted():
                self._faults.note(change, self._now)
            case LiftedFromMany():
                self._lift(change)
            case Took(node=node, epoch=epoch, number=number):
                if self._shared is not None:
                    self._shared.take(node, epoch, number)
            case HeardAbove(rows=rows, words=words, again=again):
                if self._shared is not None:
                    self._shared.hear(rows, words, again=again)
            case Brought():
                self._merge(change)
            case Elsewhere():
                return self._judge(change)
            case _:
                return self._apply(change)
        return None

    def slots(self) -> list[bytes]:
        return [encode_slot(key, facts, day) for key, (facts, day) in self._states.items()]

    def _apply(self, change: FactChange) -> Withheld | None:
        key = self._pages.key_of(change.app, change.device)
        before, day = self._read(key)
        after = change_facts(before, change, self._now, self._ours(change) if isinstance(change, Failed) else never)
        if self._shared is not None:
            self._share(self._shared, key, change, before, after)
        if isinstance(change, Erased):
            self.erased = True
        elif after == before and not self._is_first_today(change, day):
            return None
        self._states[key] = after, self._today
        self.durably = self.durably or not isinstance(change, Offered | Downloaded | Installed)
        return self._withheld(key, change, before, after)

    def _judge(self, told: Elsewhere) -> Withheld | None:
        """What a device did at another node, against what is known of it from all nodes."""
        change, shared = told.change, self._shared
        key = self._pages.key_of(change.app, change.device)
        if shared is not None:
            known = shared.state_of(key)
            if told.era < known.era or (told.lifts < known.lifts and isinstance(change, Offered | Failed)):
                return None  # that node had not heard yet that the device is erased, or the bundle allowed again
        before, _ = self._read(key)
        if shared is not None and known == NOTHING_SHARED and is_shared(before):
            shared.put(key, change.app, change.device, adopted(known, before, shared.node))
        after = change_elsewhere(before, told)
        if after == before:
            if shared is not None and lacks_offer(before, told) and shared.allows(told.node, SharedKind.WAITING):
                shared.wait_for_offer(key, told.at, msgspec.msgpack.encode(told))
            return None
        if shared is not None:
            charge = forgetting(before, after, failed=isinstance(change, Failed))
            if charge is not None and not shared.allows(told.node, charge):
                return None
            self._share_failures(shared, key, change, before, after, told.node)
        self._states[key] = after, self._today
        self.durably = self.durably or isinstance(change, Failed)
        withheld = self._withheld(key, change, before, after)
        if isinstance(change, Offered) and shared is not None:
            self._judge_waiting(shared, key, told.at)
        return withheld

    def _judge_waiting(self, shared: SharedTurn, key: bytes, offered_at: float) -> None:
        """Evidence that came before the offer which it follows."""
        for at, evidence in shared.take_waiting(key):
            if at >= offered_at - SKEW_SECONDS:
                self._judge(_evidence.decode(evidence))
            else:
                shared.wait_for_offer(key, at, evidence)

    def _merge(self, brought: Brought) -> None:
        """The devices are as long untouched as before."""
        if self._shared is None:
            return
        key = self._pages.key_of(brought.app, brought.device)
        known = self._shared.state_of(key)
        state = after_forgotten(known, brought.state, self._shared.node, self._shared.unsettled)
        self._shared.put(
            key, brought.app, brought.device, state, known_to=brought.node if state == brought.state else ""
        )
        before, day = self._read(key)
        after = project(before, known, state)
        if after != before:
            self.erased = self.erased or state.era > known.era
            self._states[key] = after, day or self._today
            self.durably = True
            for failure in after.failures:
                if failure.withheld and failure not in before.failures:
                    self._note(key, brought.app, failure)

    def _lift(self, change: LiftedFromMany) -> None:
        """The devices are as long untouched as before."""
        for key in change.keys:
            row = self._shared.row_of(key) if self._shared is not None else None
            if self._shared is not None and row is not None and row.state.of(change.bundle).verdict is not None:
                self._shared.put(key, row.app, row.device, with_lift(row.state, change.bundle))
            before, day = self._read(key)
            after = lift(before, change.bundle)
            if after != before:
                self._states[key] = after, day
                self.durably = True

    def _share(
        self, shared: SharedTurn, key: bytes, change: FactChange, before: DeviceFacts, after: DeviceFacts
    ) -> None:
        """Tell other nodes what all are to know, and home what it is to judge."""
        match change:
            case Chose():
                known = shared.state_of(key)
                state = with_choice(known, after.channel, shared.node, shared.start, again=shared.again)
                shared.put(key, change.app, change.device, state)
            case Erased():
                shared.put(key, change.app, change.device, with_erasure(shared.state_of(key)))
            case Lifted(version=version):
                shared.put(key, change.app, change.device, with_lift(shared.state_of(key), name_hash(version)))
            case Offered() | Failed() | Downloaded() | Installed():
                if shared.sends and not (isinstance(change, Offered) and after == before):
                    state = shared.state_of(key)
                    told = Elsewhere(change, shared.node, self._now, state.era, state.lifts)
                    shared.observe(msgspec.msgpack.encode(told), durably=isinstance(change, Failed))
                self._share_failures(shared, key, change, before, after, shared.node)

    def _share_failures(
        self,
        shared: SharedTurn,
        key: bytes,
        change: Offered | Failed | Downloaded | Installed,
        before: DeviceFacts,
        after: DeviceFacts,
        node: str,
    ) -> None:
        if before.failures == after.failures:
            return
        known = shared.state_of(key)
        about = 0 if isinstance(change, Failed) else name_hash(change.version)
        state = with_failures(known, before, after, about, node)
        if state != known:
            prefix = change.prefix if isinstance(change, Failed) else ""
            shared.put(key, change.app, change.device, state, prefix=prefix)

    def _withheld(self, key: bytes, change: FactChange, before: DeviceFacts, after: DeviceFacts) -> Withheld | None:
        failure = newly_withheld(before, after) if isinstance(change, Failed) else None
        if failure is None:
            return None
        self._note(key, change.app, failure)
        return Withheld(change.app, change.device, failure.bundle, failure.cause)

    def _note(self, key: bytes, app: str, failure: Failure) -> None:
        self.withholdings.append(Withholding(key, app_hash(app), failure.bundle, int(self._now)))

    def _read(self, key: bytes) -> tuple[DeviceFacts, int]:
        return self._states.get(key) or self._pages.read(key)

    def _is_first_today(self, change: FactChange, day: int) -> bool:
        """A choice that is made again keeps the device from being evicted."""
        return isinstance(change, Chose) and day not in (0, self._today)

    def _ours(self, change: Failed) -> Ours:
        return lambda bundle, since: self._faults.since(change.app, bundle, change.prefix, since)
