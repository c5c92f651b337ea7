"""The audit of a running node: whoever does something calls `record`, which returns when that is on disk.

A disk that takes nothing: what was done is kept in memory and written when it can be; meanwhile changes are refused,
but for those that keep devices from something bad. So at most `LATE_LIMIT` acts are ever in doubt, and none is hidden
by filling the disk.
"""

import asyncio
import logging
import secrets
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable
from contextvars import ContextVar
from functools import partial
from typing import NamedTuple

import msgspec

from edge.control.audit.asking import AuditQuery, ListedPage, read_page
from edge.control.audit.begun import Begun, begin_act, left_behind
from edge.control.audit.chain.anchors import Anchors
from edge.control.audit.chain.files import AuditFiles
from edge.control.audit.chain.journal import Journal
from edge.control.audit.chain.record import Chain, Owner
from edge.control.audit.chain.upkeep import anchor_now, check_floor, drop_old
from edge.control.audit.entry import BROKEN, ActKind, ActOutcome, AuditEntry, network_of, within_limits
from edge.control.audit.exporting import AuditExport
from edge.control.audit.repeats import Repeats
from edge.control.audit.timelines import Timelines
from edge.domain.errors import Conflict, EdgeError, OutOfRoom
from edge.store.disk.group_commit import CommitLimits, GroupCommit, QueueClosed, QueueFull
from edge.store.disk.room import NoReserve, Reserve
from edge.store.signing import Writer

TEND_SECONDS = 5.0  # between two looks at repeats, at what waits for room, and at whether there is something to anchor
ANCHOR_SECONDS = 30.0  # so that a minute is kept
RETENTION_SECONDS = 3_600.0
LATE_LIMIT = 1_000  # entries that wait in memory for a disk; 1 MB at most
STRANGERS_LATE_LIMIT = LATE_LIMIT // 2  # beyond it, what nobody known asked for leaves the room to the others
QUEUE_LIMIT = 4_096  # entries that wait for the thread
LOST = "audit_lost"
EXPORT_PAGE = 1_000  # entries in memory at once
ACT_ID_BYTES = 8
CUT_OFF = "cut_off"  # the code of what may have been done

ASKED_FROM: ContextVar[str] = ContextVar("asked_from", default="")  # the address of the request

log = logging.getLogger("edge.audit")


class _Late(NamedTuple):
    entry: AuditEntry
    begun: Begun | None


class AuditLog:
    """For one event loop. `counts` are entries by kind and outcome since the start, for metrics; `problem` is what is
    wrong with the chain or its anchor, `waiting` how many entries no disk has yet."""

    def __init__(
        self,
        files: AuditFiles,
        owner: Owner,
        writer: Writer | None,
        anchors: Anchors,
        *,
        reserve: Reserve | None = None,
        clock: Callable[[], float] = time.time,
        retention_days: int = 400,
        whole_addresses: bool = True,
    ) -> None:
        """A node without a `writer` seals and anchors nothing by itself. Starts no thread yet."""
        self.counts = Counter[tuple[str, str]]()
        self.problem = ""
        self.files, self.owner = files, owner
        self._writer, self._anchors, self._reserve = writer, anchors, reserve or NoReserve()
        self._clock, self._retention_days, self._whole = clock, retention_days, whole_addresses
        self._repeats = Repeats()
        self._late: deque[_Late] = deque()
        self._lost = 0
        self._failing = ""
        self._commit: GroupCommit[AuditEntry] | None = None
        self._anchored = Chain()
        self._dirty = False
        self._anchor_due = self._retention_due = 0.0

    @property
    def waiting(self) -> int:
        return len(self._late) + self._lost

    @property
    def now(self) -> float:
        """In seconds since the epoch."""
        return self._clock()

    def check(self) -> None:
        """Raises OutOfRoom `audit_unavailable` while what is done could not be recorded."""
        if self._failing:
            raise _unavailable(self._failing)

    async def begin_act(self, entry: AuditEntry) -> Begun:
        """Return once it is on disk that this is about to be done, for what no revision tells of. `record` takes what
        comes back. Should neither follow, since the process was killed, the next one records that it may have been
        done. Raises OutOfRoom `audit_unavailable`."""
        unsure = {"outcome": ActOutcome.UNKNOWN, "code": CUT_OFF, "change": secrets.token_hex(ACT_ID_BYTES)}
        entry = self._placed(msgspec.structs.replace(entry, **unsure))
        begin = partial(begin_act, self.files, entry)
        beginning = asyncio.ensure_future(asyncio.to_thread(self._reserve.lending, begin))
        try:
            return await asyncio.shield(beginning)
        except asyncio.CancelledError:
            beginning.add_done_callback(_not_done)
            raise
        except OSError as error:
            raise _unavailable(str(error)) from error

    async def record(self, entry: AuditEntry, begun: Begun | None = None) -> None:
        """Return once it is on disk, or kept for when the disk takes it. What strangers are refused is not waited for:
        how long a login takes to fail must not tell who is known. One that repeats is counted. Raises nothing for a
        disk that fails."""
        done = self.note(entry, begun)
        if done is not None and not entry.is_strangers:
            await asyncio.wait({done})  # which cancelling does not take back

    def note(self, entry: AuditEntry, begun: Begun | None = None) -> asyncio.Future[None] | None:
        """As `record`, and does not wait."""
        if begun is not None:
            entry = msgspec.structs.replace(entry, change=begun.id)
        entry = self._placed(entry)
        self.counts[entry.kind.value, entry.outcome.value] += 1
        kept = self._repeats.note(entry) if entry.repeats else entry
        if kept is not None:
            return self._put(kept, begun)
        if begun is not None:
            begun.end()
        return None

    def _placed(self, entry: AuditEntry) -> AuditEntry:
        address = entry.address or ASKED_FROM.get()
        if not self._whole:
            address = network_of(address)
        return within_limits(msgspec.structs.replace(entry, address=address))

    def _put(self, entry: AuditEntry, begun: Begun | None = None) -> asyncio.Future[None] | None:
        if self._commit is None:
            journal = Journal(self.files, self.owner, self._writer, self._reserve)
            self._commit = GroupCommit(journal, CommitLimits(QUEUE_LIMIT), name="audit", translate=lambda error: error)
        self._dirty = True
        try:
            done = self._commit.put(entry, 1)
        except (QueueFull, QueueClosed) as error:
            self._keep_late(entry, begun, str(error) or "it is closed")
            return None
        done.add_done_callback(lambda done: self._settled(entry, begun, done))
        return done

    def _settled(self, entry: AuditEntry, begun: Begun | None, done: "asyncio.Future[None]") -> None:
        error = None if done.cancelled() else done.exception()
        if error is not None:
            self._keep_late(entry, begun, str(error))
            return
        if begun is not None:
            begun.end()
        if self._failing and not self._late:
            log.warning("the audit is written again")
            self._failing = ""

    def _keep_late(self, entry: AuditEntry, begun: Begun | None, reason: str) -> None:
        if not self._failing:
            log.error("the audit cannot be written: %s; changes are refused until it can", reason)
        self._failing = reason
        if len(self._late) < (STRANGERS_LATE_LIMIT if entry.is_strangers else LATE_LIMIT):
            self._late.append(_Late(entry, begun))
            return
        self._lost += 1
        if begun is not None:
            begun.leave()

    async def run(self) -> None:
        """Until cancelled: a duty of the process that holds the node."""
        await self.begin()
        while True:
            await self.tend()
            await asyncio.sleep(TEND_SECONDS)

    async def begin(self) -> None:
        """Hold the chain that lies here against what was anchored of it; what is missing is recorded in it."""
        try:
            broken = await asyncio.to_thread(check_floor, self.files, self._anchors)
            if not broken:
                return
            log.error("the audit %s: see `edge audit verify`", broken)
            self.problem = broken
            entry = AuditEntry(
                at=self.now, kind=ActKind.NODE, operation=BROKEN, outcome=ActOutcome.FAILED, target=broken
            )
            await self.record(entry)
            if self._writer is not None:
                await asyncio.to_thread(anchor_now, self.files, self._anchors, self.now, lower=True)
        except (EdgeError, OSError) as error:
            self._say(f"the audit's anchor cannot be used: {error}")

    async def tend(self) -> None:
        """What is due now."""
        now = self._clock()
        await self._catch_up(now)
        await self._take_over()
        try:
            if self._writer is not None and self._dirty and not 0 <= now - self._anchor_due < ANCHOR_SECONDS:
                self._anchor_due = now
                await self.anchor()
            if not 0 <= now - self._retention_due < RETENTION_SECONDS:
                self._retention_due = now
                await asyncio.to_thread(drop_old, self.files, self._anchors, now, self._retention_days)
        except (EdgeError, OSError) as error:
            self._say(f"the audit's anchor cannot be written: {error}")

    async def page(self, timelines: Timelines, query: AuditQuery, limit: int, cursor: str) -> ListedPage:
        """As `read_page`, with what was recorded so far. Raises Invalid `invalid_cursor`."""
        return await asyncio.to_thread(read_page, self.files, timelines, query, limit, cursor)

    async def export(self, timelines: Timelines, query: AuditQuery, by: str) -> AsyncGenerator[bytes, None]:
        """The bytes of a signed file. Raises Conflict `no_signing_key`, and what `anchor` raises: nothing is sent."""
        if self._writer is None:
            raise Conflict("no_signing_key", "this node has no key to sign with: export on the origin")
        chain, keys = await self.anchor(), self._anchors.key_set
        made = AuditExport(self.owner, self._writer, keys, query, by=by, now=self.now, chain=chain)
        yield made.begin()
        cursor, ended = "", False
        while not ended:
            page = await self.page(timelines, query, EXPORT_PAGE, cursor)
            yield made.lines(page.entries)
            cursor, ended = page.next_page, not page.next_page
        yield made.end()

    async def anchor(self) -> Chain:
        """Have the store know the chain as it is now; returns its end. Raises EdgeError, OSError."""
        self._dirty = False
        try:
            end = await asyncio.to_thread(anchor_now, self.files, self._anchors, self._clock())
        except BaseException:
            self._dirty = True
            raise
        self._say("")
        return end

    def _say(self, problem: str) -> None:
        if problem and problem != self.problem:
            log.error("%s", problem)
        self.problem = problem

    async def _take_over(self) -> None:
        """Record what a process that was killed had begun."""
        if self._failing:
            return
        try:
            left = await asyncio.to_thread(left_behind, self.files)
        except OSError as error:
            self._say(f"what a process that was killed had begun cannot be read: {error}")
            return
        for entry, begun in left:
            log.warning("%s was cut off when the process was killed: it may have been done", entry.operation)
            await self._put_late(entry, begun, entry.at)

    async def _catch_up(self, now: float) -> None:
        """Write what repeated, and what waited for room, in the order in which it happened."""
        late, self._late = list(self._late), deque()
        if self._lost:
            lost, self._lost = self._lost, 0
            told = AuditEntry(at=now, kind=ActKind.NODE, operation=LOST, outcome=ActOutcome.FAILED, count=lost)
            late.append(_Late(told, None))
        for entry, begun in late:
            await self._put_late(entry, begun, entry.since or entry.at)
        for entry in self._repeats.due(now):
            await self._put_late(entry, None, entry.since)

    async def _put_late(self, entry: AuditEntry, begun: Begun | None, happened: float) -> None:
        done = self._put(msgspec.structs.replace(entry, at=max(self.now, entry.at), since=happened), begun)
        if done is not None:
            await asyncio.wait({done})

    async def close(self) -> None:
        """Write what repeated, anchor the end, end the thread."""
        now = self._clock()
        for entry in self._repeats.due(now, ending=True):
            self._put(entry)
        if self._commit is not None:
            await self._commit.close()
        if self._dirty and self._writer is not None:
            try:
                await self.anchor()
            except (EdgeError, OSError) as error:
                log.warning("the end of the audit is not anchored: %s", error)


def _not_done(beginning: asyncio.Future[Begun]) -> None:
    """Whoever asked has gone before anything was done."""
    if not beginning.cancelled() and beginning.exception() is None:
        beginning.result().end()


def _unavailable(reason: str) -> OutOfRoom:
    return OutOfRoom("audit_unavailable", f"the audit cannot be written ({reason}), so nothing can be changed now")
