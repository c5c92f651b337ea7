"""The supervisor's side of the folding process: keeps it alive, answers it, and asks it about the figures.

While there is no such process, or it does not answer, a question gets Unavailable `figures_unavailable`; devices are
served all the same, and their events stay in the spool.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

from edge.assembly.children.child_messages import AskAnswered, Declined
from edge.assembly.children.kept_process import KeptProcess, ProcessKind
from edge.assembly.counting.messages import (
    FoldCondition,
    FoldingSetup,
    FromFolding,
    GuardFound,
    Guarding,
    Name,
    Named,
    NotesTold,
    WantNotes,
)
from edge.assembly.counting.own_names import OwnNames
from edge.config import Log, Telemetry
from edge.control.ports import ASKED_BY, Asker
from edge.control.shapes.apps import AppStats, BundleCount
from edge.control.shapes.devices import RawErasedView
from edge.control.shapes.figures.audit import AuditView
from edge.domain.errors import Unavailable
from edge.domain.guarding.evidence import Evidence
from edge.domain.guarding.reported import ReportedUntil
from edge.domain.model import AppId, DeviceId
from edge.node.processes.data_paths import DataPaths
from edge.node.processes.link import Link
from edge.telemetry.questions.registry import QUESTIONS
from edge.telemetry.spool.app_records import KnownOutcomes, Outcomes
from edge.telemetry.upkeep.erasures import note_erasure

AUDIT_SECONDS = 1800.0  # it reads all that is kept: 8 GiB, compressed, at some 100 MB/s of events
ANSWER_SECONDS = 120.0  # what waits in a full spool takes that long to count
# What a page asks about what was counted already; all else is of everything that is acknowledged.
PAGE_QUESTIONS = frozenset({*QUESTIONS, "guard_standing", "experiment_reading"})
KNOWN_SECONDS = 20.0  # for what is told beside the answer: who states outcomes waits for it
QUESTIONS_WAITING_LIMIT = 64  # questions: nobody waits for more
ASKER_WAITING_LIMIT = 8  # of one token: who asks in a loop keeps nobody else from asking
PAGE_FOLD_SECONDS = 3.0  # a page shows what was counted so long ago, and says until when
PAGE_WAITING_LIMIT = 24  # of the pages of one: each asks for several figures at once

T = TypeVar("T")
NotesOf = Callable[[], Awaitable[None]]  # has workers store what they noted
OnEvidence = Callable[[Evidence], Awaitable[None]]

log = logging.getLogger("edge.node")
KIND = ProcessKind(
    "edge.assembly.counting.process",
    "the folding process",
    FromFolding,
    "figures_unavailable",
    "counts what waits",
    log,
)


class Folding:
    """Belongs to the loop; `run` is a duty of the node. `condition` is that after the last fold of which this process
    heard; `set_aside` counts since the start, as do `restarts` and `asked`, the latter by outcome."""

    def __init__(
        self,
        paths: DataPaths,
        node: str,
        telemetry: Telemetry,
        log: Log,
        names: OwnNames,
        tell_notes: NotesOf | None = None,
        on_evidence: OnEvidence | None = None,
        nodes: Callable[[], tuple[ReportedUntil, ...]] = tuple,
        region: str = "",
    ) -> None:
        """`tell_notes` is awaited before each fold; None: there are no workers. `on_evidence` is awaited with what each
        fold finds of releases under guard, for one release after the other. `nodes`: whose reports come here, too;
        `region`: where this node is."""
        self.condition = FoldCondition(time.time(), 0, 0, {})
        self.asked = Counter[str]()
        self._setup = FoldingSetup(str(paths.data_dir.absolute()), node, region, telemetry, log)
        self._names = names
        self._tell_notes = tell_notes
        self._on_evidence = on_evidence
        self._nodes = nodes
        self._found: dict[tuple[str, str], Evidence] = {}  # by app and watch, what nobody was told of yet
        self._telling: asyncio.Task[None] | None = None
        self._guarding = Guarding(acts=False)
        self._erasures_dir = paths.erasures_dir
        self._process = KeptProcess(KIND, greet=self._greeting, hear=self._hear, ended=self._note_end)
        self.run, self.end_if_silent = self._process.run, self._process.end_if_silent
        self._set_aside_before = 0  # by processes that have ended
        self._waiting = Counter[Asker]()
        self._counted_at = 0.0  # when this process said that it has counted, in seconds since the epoch

    @property
    def is_up(self) -> bool:
        """Whether events are being counted: there is a process, and its last fold did not fail."""
        return self._process.is_linked and not self.condition.failing

    @property
    def pid(self) -> int | None:
        return self._process.pid

    @property
    def restarts(self) -> int:
        return self._process.restarts

    @property
    def set_aside(self) -> int:
        """How often the counts were damaged since the start."""
        return self._set_aside_before + self.condition.set_aside

    async def stats(self, app: AppId) -> AppStats:
        """Counts and duplicates of everything acknowledged so far. Raises Unavailable."""
        return await self.ask("bundle_counts", {"app": app}, AppStats)

    async def counts(self, app: AppId) -> list[BundleCount]:
        """As `stats`, the counts alone, sorted by bundle and action."""
        return (await self.stats(app)).counts

    async def audit(self) -> AuditView:
        """Of this node, as of now. Raises Unavailable."""
        return await self.ask("audit", {}, AuditView, seconds=AUDIT_SECONDS)

    async def erase(self, app: AppId, device: DeviceId) -> RawErasedView | None:
        """Erase what the node keeps of a device's events and figures; None: it will be done, and nothing is yet.
        Durable when it returns. Raises OSError, Unavailable `busy`."""
        noted = await asyncio.to_thread(note_erasure, self._erasures_dir, app, device, time.time())
        try:
            return await self.ask("erase", noted, RawErasedView)
        except Unavailable:
            return None

    async def known_outcomes(self, stated: Outcomes) -> KnownOutcomes | None:
        """Of everything acknowledged so far; None if there is nobody to ask, or no answer soon."""
        try:
            return await self.ask("known_outcomes", stated, KnownOutcomes, seconds=KNOWN_SECONDS)
        except Unavailable:
            return None

    def tell_guarding(self, acts: bool) -> None:
        """Whether a release is under guard now whose guard may act: its first count begins at once."""
        if self._guarding.acts != acts:
            self._guarding = Guarding(acts)
            self._process.tell(self._guarding)

    async def ask(
        self,
        question: str,
        parameters: object,
        answer: type[T],
        *,
        fresh: bool = True,
        seconds: float = ANSWER_SECONDS,
    ) -> T:
        """The folding process' answer; with `fresh`, of everything acknowledged so far, and on a page as far as
        `counted_until` says. Raises Unavailable
        `figures_unavailable`, `busy` beyond `QUESTIONS_WAITING_LIMIT` questions or the share of the asker
        (`ASKED_BY`), and what the question raises."""
        try:
            now = time.time()
            fresh = fresh and (question not in PAGE_QUESTIONS or self.counted_until(now) == now)
            reply = await self._reply(question, msgspec.json.encode(parameters), fresh, seconds)
        except Unavailable:
            self.asked["unavailable"] += 1
            raise
        if isinstance(reply, Declined):
            self.asked["declined"] += 1
            raise reply.error()
        self.asked["answered"] += 1
        return msgspec.json.decode(reply.answer, type=answer)

    def counted_until(self, now: float) -> float:
        """Until when what is acknowledged counts for who asks now: until `now`, and on a page until the last fold if
        that is not long ago."""
        recent = self._process.is_linked and 0 <= now - self._counted_at < PAGE_FOLD_SECONDS
        return self._counted_at if recent and ASKED_BY.get().on_page else now

    async def _reply(self, question: str, parameters: bytes, fresh: bool, seconds: float) -> AskAnswered | Declined:
        asker = ASKED_BY.get()
        if self._waiting.total() >= QUESTIONS_WAITING_LIMIT:
            raise Unavailable("busy", "too many questions about figures at once; try again later")
        share = PAGE_WAITING_LIMIT if asker.on_page else ASKER_WAITING_LIMIT
        if asker.name and self._waiting[asker] >= share:
            reason = f"{share} questions of {asker.name!r} about figures wait already; try again later"
            raise Unavailable("busy", reason)
        self._waiting[asker] += 1
        try:
            return await self._process.ask(question, parameters, seconds, fresh=fresh)
        finally:
            self._waiting[asker] -= 1
            self._waiting += Counter()  # without those that are at 0

    def _greeting(self) -> tuple[FoldingSetup, Guarding]:
        return self._setup, self._guarding

    def _note_end(self, code: int) -> bool:
        """Whether it was failing."""
        before = self.condition
        failing = before.failing or f"the folding process exited with code {code}"
        self._counted_at = 0.0
        self._set_aside_before += before.set_aside
        self.condition = msgspec.structs.replace(before, set_aside=0, failing=failing)  # until a fold succeeds
        return bool(before.failing)

    def _hear(self, link: Link, message: FoldCondition | Name | WantNotes | GuardFound) -> None:
        match message:
            case FoldCondition():
                self.condition = _with_totals(message, self.condition)
                self._counted_at = 0.0 if message.failing else message.folded_at
            case Name():
                self._process.start(self._answer_name(link, message))
            case WantNotes(number):
                self._process.start(self._answer_notes(link, number))
            case GuardFound(evidence):
                self._pass_on(evidence)

    async def _answer_name(self, link: Link, asked: Name) -> None:
        own, app = self._names, asked.app
        names = await asyncio.to_thread(own.of, app)
        if asked.watches_alone:
            link.send(Named(asked.number, None, watches=own.watches_of(app)))
        else:
            told = None if names is None else sorted(names)
            more = own.segments_of(app), own.watches_of(app), own.experiments_of(app)
            link.send(Named(asked.number, told, *more))

    async def _answer_notes(self, link: Link, number: int) -> None:
        if self._tell_notes is not None:
            await self._tell_notes()
        link.send(NotesTold(number, self._nodes()))

    def _pass_on(self, evidence: Evidence) -> None:
        """The latest of each watch, if they come faster than somebody acts on them."""
        if self._on_evidence is None:
            return
        self._found[evidence.app, evidence.watch] = evidence
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell_evidence(self._on_evidence))

    async def _tell_evidence(self, on_evidence: OnEvidence) -> None:
        while self._found:
            key = next(iter(self._found))
            try:
                await on_evidence(self._found.pop(key))
            except Exception:  # the next fold says it again
                log.exception(f"nobody acts on what is known of the watch {key!r}; this is a bug, please report it")


def _with_totals(heard: FoldCondition, before: FoldCondition) -> FoldCondition:
    """The last totals that could be read, if these could not."""
    return heard if heard.totals else msgspec.structs.replace(heard, totals=before.totals)
