"""Home's side of sharing: takes what regions tell of devices, within their budgets, and tells each what is known.

What a region sends again changes nothing: rows merge, and evidence has numbers, of which home remembers the last that
it judged of each of the region's last starts. A region names the place up to which it heard; a place that this home
never gave means that home was restored or replaced, and both then tell each other everything. A region is not told what
it brought itself, unless it has started since: its disk may have been put back to before that.
"""

import asyncio
import logging
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from edge.domain.errors import Invalid, Unavailable
from edge.domain.facts import CAUSES, MARK_BITS, day_of, hour_of
from edge.domain.model import parse_device_id
from edge.domain.sharing.admitting import COUNTER_LIMIT, SharedKind, admitted, dated, is_sound
from edge.domain.sharing.state import NOTHING_SHARED, SharedFacts, join
from edge.domain.versions import VERSION_LIMIT
from edge.facts.changes import (
    Brought,
    Chose,
    DeviceDeed,
    Elsewhere,
    Failed,
    HeardAbove,
    LiftedFromMany,
    Offered,
    Recordable,
    Took,
)
from edge.facts.sharing.journal import SharedJournal
from edge.facts.sharing.register import all_rows, all_sessions, read_taken, read_word, reading, row_at, rows_after
from edge.regions.sharing.budgets import NodeBudgets
from edge.regions.sharing.messages import ROWS_LIMIT, FactsBatch, FactsPage, FactsTaken, SharedDevice
from edge.telemetry.behaviour.news import BehaviourPages, BehaviourSlots

WAIT_LIMIT_SECONDS = 25  # that a node waits for news: less than what may lie between would cut
NODE_AT_ONCE = 8  # requests of one node: it has one of each kind, and twice that while it changes over
STEP_CHANGES = 1_000  # that are recorded together: others' changes are recorded in between
EVIDENCE_SECONDS = 30 * 86_400.0  # older evidence counts as so old
CLOCK_STEP_SECONDS = 5.0  # a node's clock is taken to be off by what it once was, unless it is by so much more
LOOK_SECONDS = 1.0  # another process folds: its news is looked for
PREFIX_LIMIT = 64  # characters
LATEST_SECONDS = 2.0**32  # since the epoch: what a slot has room for

log = logging.getLogger("edge.node")


class FailureLimits(Protocol):
    """What devices may report, at all nodes together."""

    def admit_failures(self, app: str, prefix: str, failures: int, now: float) -> bool: ...


class SharingClocks(NamedTuple):
    """`now` in seconds since the epoch, `steady` in those of a monotonic clock."""

    now: Callable[[], float]
    steady: Callable[[], float]


class BroughtLifted(NamedTuple):
    """Bundles withheld from devices, one each, and choices of channels."""

    withheld: int
    choices: int


class _Brought(NamedTuple):
    keys: dict[int, list[bytes]]  # by bundle
    choices: list[tuple[str, str]]


Recording = Callable[[list[Recordable]], Awaitable[object]]


class SharingHome:
    """For one event loop. `lost` counts evidence that nodes say they dropped, by node."""

    def __init__(
        self,
        journal: Callable[[], SharedJournal | None],
        record: Recording,
        is_app: Callable[[str], bool],
        limits: FailureLimits,
        clocks: SharingClocks,
        behaviour: BehaviourPages,
    ) -> None:
        """`journal` is None while another process writes the facts."""
        self._behaviour = behaviour
        self.budgets = NodeBudgets()
        self.lost = Counter[str]()
        self._journal, self._record, self._is_app = journal, record, is_app
        self._limits, self._clocks = limits, clocks
        self._busy = Counter[str]()
        self._turns: dict[str, asyncio.Lock] = {}
        self._recording = asyncio.Lock()  # of all nodes: this node's own devices find room in the writer's queue
        self._looks: dict[str, asyncio.Task[BehaviourSlots]] = {}  # at news of behaviour, by place

    async def take(self, node: str, batch: FactsBatch) -> FactsTaken:
        """Returns once it is durable. Raises Unavailable: then it is to be sent again."""
        journal = self._opened()
        evidence, offset, refused = await asyncio.to_thread(self._judged, journal, node, batch)
        await self._record_all(evidence)
        # After the evidence: what a region and home conclude alike is charged once.
        brought, refused_rows = await asyncio.to_thread(self._brought, journal, node, batch)
        await self._record_all(brought)
        self.lost[node] = batch.dropped
        last = batch.first + len(batch.evidence) - 1
        took = [Took(node, batch.epoch, last)] if batch.evidence else []
        await self._record([*took, HeardAbove(words=[(f"clock {node}", repr(offset))])])
        return FactsTaken(refused + refused_rows)

    async def page(self, node: str, session: str, after: int, wait_seconds: float, *, start: str = "") -> FactsPage:
        """What the node has not heard; waits for it if there is none. Raises Unavailable."""
        journal = self._opened()
        news, knows = journal.news.next, _in_start(node, start)
        page = await asyncio.to_thread(_page, journal, knows, session, after)
        if not page.rows and not page.again and wait_seconds > 0:
            await journal.news.wait(news, min(wait_seconds, WAIT_LIMIT_SECONDS))
            page = await asyncio.to_thread(_page, self._opened(), knows, session, after)
        return page

    async def behaviour(self, place: str, wait_seconds: float) -> BehaviourSlots:
        """How devices are used, after `place`; waits for it if there is none. Raises Unavailable."""
        found = await self._behaviour_now(place)
        for _ in range(int(wait_seconds / LOOK_SECONDS)):
            if found.slots or found.more or found.place != place:
                break
            looking = self._looks.get(place)
            if looking is None:
                looking = self._looks[place] = asyncio.create_task(self._behaviour_soon(place))
                looking.add_done_callback(lambda done: done.cancelled() or done.exception())  # all may have left
            found = await asyncio.shield(looking)
        return found

    async def _behaviour_soon(self, place: str) -> BehaviourSlots:
        """A look that all share who wait at this place."""
        await asyncio.sleep(LOOK_SECONDS)
        del self._looks[place]
        return await self._behaviour_now(place)

    async def _behaviour_now(self, place: str) -> BehaviourSlots:
        try:
            return await asyncio.to_thread(self._behaviour.read, place)
        except OSError as error:
            raise Unavailable("behaviour_unavailable", f"how devices are used cannot be read: {error}") from error

    async def known_of(self, app: str, device: str) -> SharedFacts:
        """What all nodes know of a device, each part with the node that brought it."""

        def read(journal: SharedJournal) -> SharedFacts:
            with _asked(journal.directory) as connection:
                row = row_at(connection, journal.key_of(app, device))
            return row.state if row is not None else NOTHING_SHARED

        journal = self._journal()
        return await asyncio.to_thread(read, journal) if journal is not None else NOTHING_SHARED

    async def lift_brought(self, node: str, since: float, *, dry_run: bool) -> BroughtLifted:
        """Take back what a node brought since then (seconds since the epoch): bundles that it has devices withhold may
        be offered again, choices are none. In steps, as `FactsWriter.lift_all`; it can be repeated. Raises
        Unavailable."""
        journal = self._opened()
        found = await asyncio.to_thread(_brought_by, journal, node, since)
        withheld = sum(map(len, found.keys.values()))
        if not dry_run:
            for bundle, keys in found.keys.items():
                for first in range(0, len(keys), STEP_CHANGES):
                    await self._record([LiftedFromMany(bundle, keys[first : first + STEP_CHANGES])])
            await self._record_all([Chose(app, device, "") for app, device in found.choices])
            log.warning("took back what node %s brought: %d withheld, %d choices", node, withheld, len(found.choices))
        return BroughtLifted(withheld, len(found.choices))

    def _opened(self) -> SharedJournal:
        journal = self._journal()
        if journal is None:
            raise Unavailable("facts_moving", "the writer of device facts is moving to another process")
        journal.allows = self._may
        return journal

    @contextmanager
    def room_for(self, node: str) -> Iterator[None]:
        """For one request, before its body is read. Raises Unavailable `busy`."""
        if self._busy[node] >= NODE_AT_ONCE:
            raise Unavailable("busy", f"{NODE_AT_ONCE} requests of the node about facts are in progress: send it later")
        self._busy[node] += 1
        try:
            yield
        finally:
            self._busy[node] -= 1

    def turn(self, node: str) -> asyncio.Lock:
        """What a node tells is taken one batch after the other."""
        return self._turns.setdefault(node, asyncio.Lock())

    async def _record_all(self, changes: list[Recordable]) -> None:
        for first in range(0, len(changes), STEP_CHANGES):
            async with self._recording:
                await self._record(changes[first : first + STEP_CHANGES])

    def _judged(self, journal: SharedJournal, node: str, batch: FactsBatch) -> tuple[list[Recordable], float, int]:
        """The evidence that is new, how far the node's clock is behind, and how much is refused. On a thread."""
        now = self._clocks.now()
        with _asked(journal.directory) as connection:
            taken = read_taken(connection, node, batch.epoch)
            offset = _offset(read_word(connection, f"clock {node}"), now - batch.sent_at)
        evidence = batch.evidence[max(taken + 1 - batch.first, 0) :]
        new: list[Recordable] = []
        for told in evidence:
            if self._admits(node, told):
                at = min(max(told.at + offset, now - EVIDENCE_SECONDS), now)
                new.append(Elsewhere(told.change, node, at, told.era, told.lifts))
        return new, offset, len(evidence) - len(new)

    def _brought(self, journal: SharedJournal, node: str, batch: FactsBatch) -> tuple[list[Recordable], int]:
        """What is believed of the rows, and how many of them bring something that is not. On a thread."""
        believed: list[Recordable] = []
        refused = 0
        with _asked(journal.directory) as connection:
            for row in batch.rows:
                if not self._is_sound_row(row):
                    refused += 1
                    continue
                found = row_at(connection, journal.key_of(row.app, row.device))
                known = found.state if found is not None else NOTHING_SHARED
                brought = dated(row.state, hour_of(self._clocks.now()))
                state = admitted(known, brought, node, partial(self._allows, node, row))
                refused += join(state, brought) != state and state == known
                if state != known:
                    knows = _in_start(node, batch.start) if state == row.state else ""
                    believed.append(Brought(row.app, row.device, state, knows))
        return believed, refused

    def _admits(self, node: str, told: Elsewhere) -> bool:
        change, now = told.change, self._clocks.steady()
        if not self._is_app(change.app) or not _is_sound(change) or not _is_sound_time(told):
            return False
        if not isinstance(change, Failed):
            return self.budgets.take(node, SharedKind.NOTE, now)
        return self.budgets.take(node, SharedKind.FAILURE, now) and self._limits.admit_failures(
            change.app, change.prefix, 1, now
        )

    def _is_sound_row(self, row: SharedDevice) -> bool:
        return self._is_app(row.app) and _is_device(row.device) and is_sound(row.state)

    def _may(self, node: str, kind: SharedKind) -> bool:
        return self.budgets.take(node, kind, self._clocks.steady())

    def _allows(self, node: str, row: SharedDevice, kind: SharedKind) -> bool:
        if not self._may(node, kind):
            return False
        now = self._clocks.steady()
        prefix = row.prefix[:PREFIX_LIMIT] or node
        return kind is not SharedKind.FAILURE or self._limits.admit_failures(row.app, prefix, 1, now)


def _in_start(node: str, start: str) -> str:
    """Names the node as long as it runs; all of its life, for a release that does not say which start it is."""
    return f"{node} {start}" if start else node


def _page(journal: SharedJournal, knows: str, session: str, after: int) -> FactsPage:
    with _asked(journal.directory) as connection:
        last = journal.register.last_number
        sessions = all_sessions(connection)
        ends = [*(each.began for each in sessions[1:]), last]
        again = not any(each.id == session and after <= end for each, end in zip(sessions, ends, strict=True))
        rows = rows_after(connection, 0 if again else after, ROWS_LIMIT)
    told = [SharedDevice(row.app, row.device, row.state) for row in rows if row.brought != knows or again]
    number = rows[-1].number if rows else (0 if again else after)
    return FactsPage(journal.register.session.id, number, again, len(rows) == ROWS_LIMIT, told)


def _brought_by(journal: SharedJournal, node: str, since: float) -> _Brought:
    keys: dict[int, list[bytes]] = {}
    choices: list[tuple[str, str]] = []
    with _asked(journal.directory) as connection:
        for row in all_rows(connection):
            if row.state.choice.node == node and row.state.choice.channel and row.day >= day_of(since):
                choices.append((row.app, row.device))
            for each in row.state.bundles:
                verdict = each.verdict
                if verdict is not None and verdict.node == node and verdict.hour >= hour_of(since):
                    keys.setdefault(each.bundle, []).append(row.key)
    return _Brought(keys, choices)


def _offset(known: str, measured: float) -> float:
    """By how much a node's clock is behind. The same for a batch that is sent again, though it took longer."""
    before = float(known) if known else 0.0
    return before if abs(measured - before) <= CLOCK_STEP_SECONDS else measured


def _is_sound_time(told: Elsewhere) -> bool:
    return 0 <= told.era < COUNTER_LIMIT and 0 <= told.lifts < COUNTER_LIMIT and 0 <= told.at < LATEST_SECONDS


def _is_sound(change: DeviceDeed) -> bool:
    names = [change.version, *([change.ran] if isinstance(change, Offered) else [])]
    if isinstance(change, Failed) and not _is_sound_failure(change):
        return False
    if isinstance(change, Offered) and not 0 <= change.mark < 1 << MARK_BITS:
        return False
    return all(len(name) <= VERSION_LIMIT for name in names) and _is_device(change.device)


def _is_sound_failure(change: Failed) -> bool:
    return change.action in CAUSES and 0 <= change.age < LATEST_SECONDS and len(change.prefix) <= PREFIX_LIMIT


def _is_device(text: str) -> bool:
    try:
        return parse_device_id(text) == text
    except Invalid:
        return False


@contextmanager
def _asked(directory: Path) -> Iterator[sqlite3.Connection]:
    try:
        with reading(directory) as connection:
            yield connection
    except (sqlite3.Error, OSError) as error:
        raise Unavailable("facts_unavailable", f"what is known of devices cannot be read now: {error}") from error
