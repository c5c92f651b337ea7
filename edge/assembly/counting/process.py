"""The folding process: counts events every some seconds and on demand, and answers questions about the figures.

Started as `python -m edge.assembly.counting.process 3` with its end of the link. It ends when its supervisor is gone,
at once: whatever it was doing is repeated whole, or not at all, by the next one.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from edge.assembly.children.child_messages import Ask, AskAnswered, Beat, declined
from edge.assembly.children.child_process import be_child
from edge.assembly.counting.answers import answer
from edge.assembly.counting.clickhouse_duty import open_clickhouse
from edge.assembly.counting.figures_file import FiguresFile
from edge.assembly.counting.messages import (
    FoldCondition,
    FoldingSetup,
    GuardFound,
    Guarding,
    Name,
    Named,
    NotesTold,
    ToFolding,
    WantNotes,
)
from edge.assembly.counting.remembered_answers import RememberedAnswers
from edge.domain.behaviour.daily_counts import Judging
from edge.domain.behaviour.judging import build_judging
from edge.domain.comparing.running import RunningExperiment
from edge.domain.errors import EdgeError, Unavailable
from edge.domain.guarding.reported import ReportedUntil
from edge.domain.guarding.watch import Watch
from edge.node.observing.log import set_up_logging
from edge.node.processes.data_paths import DataPaths
from edge.node.processes.link import Link
from edge.node.service.numbered_replies import NumberedReplies
from edge.telemetry.folding.batches.segment_origins import SegmentOrigins
from edge.telemetry.folding.counts import read_totals
from edge.telemetry.questions.registry import QUESTIONS

FOLD_SECONDS = 10.0  # as often as workers hand over what they heard; a full worker writes some 10 MB in 30 s
GUARD_SECONDS = 2.0  # between the beginnings of two folds while a guard may act: it has to, within 10 s of a report
LEAST_PAUSE_SECONDS = 0.5  # after a fold that took longer
BEAT_SECONDS = 5.0  # between two signs of life; the supervisor waits for twelve times that
NAMES_SECONDS = 30.0  # for the names of an app's bundles, which the supervisor reads from memory or a file
NOTES_SECONDS = 2.0  # the supervisor passes over workers before; then what they noted counts later
NOTES_GAP_SECONDS = 0.25  # between two rounds: each costs a worker one sync, however many questions there are
READERS = 2  # questions answered at once, beside the fold

log = logging.getLogger("edge.node")


class FoldingProcess:
    """Everything of the process. `run` returns when the supervisor is gone, or counting met what nobody expected."""

    def __init__(self, setup: FoldingSetup, link: Link) -> None:
        self._link, self._setup = link, setup
        self._paths = DataPaths(Path(setup.data_dir))
        self._loop = asyncio.get_running_loop()
        self._names = NumberedReplies[Named]()
        self._notes = NumberedReplies[None]()
        self._reported: tuple[ReportedUntil, ...] = ()  # by the last answer to that
        self._notes_wanted = -NOTES_GAP_SECONDS  # when the last round began, by the loop's clock
        self._named: dict[str, Named] = {}  # of the apps in this fold
        self._judging: dict[str, Judging] = {}  # of the apps that have been folded, as of the last time
        self._clickhouse = open_clickhouse(self._paths, setup.node, setup.telemetry)
        self._elsewhere = (
            self._clickhouse.figures if self._clickhouse and setup.telemetry.figures_from != "node" else None
        )
        outbox = self._clickhouse.outbox if self._clickhouse else None
        self._figures = FiguresFile(
            *(self._paths, setup.telemetry, self._names_of, self._judging_of, self._experiments_of, outbox),
            self._watches_of,
        )
        self._figures.guarded.tell = partial(self._loop.call_soon_threadsafe, self._tell_found)
        self._folder = ThreadPoolExecutor(1, "fold")
        self._readers = ThreadPoolExecutor(READERS, "figures")
        self._remembered = RememberedAnswers(lambda: self._figures.version)
        self._current: asyncio.Task[None] | None = None  # the last fold that began
        self._next: asyncio.Task[None] | None = None  # the one that begins after it
        self._answering: set[asyncio.Task[None]] = set()
        self._guarding = asyncio.Event()  # while the supervisor says that a guard may act
        self._failing = ""  # why the last fold failed
        self.broken = False  # by what is no known condition: whoever begins again may do better

    async def run(self) -> None:
        """Serve the link."""
        self._start(self._fold_periodically())
        if self._clickhouse is not None:
            self._start(self._clickhouse.run())
        self._start(self._beat())
        while not self.broken and (message := await self._link.receive()) is not None:
            match message:
                case Ask():
                    self._start(self._answer(message))
                case Named(number):
                    self._names.settle(number, message)
                case NotesTold(number, nodes):
                    self._reported = nodes
                    self._notes.settle(number, None)
                case Guarding(acts):
                    self._guarding.set() if acts else self._guarding.clear()

    async def _beat(self) -> None:
        while True:
            self._link.send(Beat())
            await asyncio.sleep(BEAT_SECONDS)

    async def _fold_periodically(self) -> None:
        while True:
            began = self._loop.time()
            try:
                await self._fresh()
            except Exception as error:
                log.error("cannot count events now; they stay in the spool: %s", error)
            if self._guarding.is_set() or self._figures.guarded.acts:
                await asyncio.sleep(max(LEAST_PAUSE_SECONDS, began + GUARD_SECONDS - self._loop.time()))
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(FOLD_SECONDS):
                        await self._guarding.wait()

    async def _fresh(self) -> None:
        """Returns when a fold has ended that began after this call. Raises what it raises."""
        if self._next is None:
            self._next = asyncio.create_task(self._fold_after(self._current))
        await asyncio.shield(self._next)

    async def _fold_after(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait({before})
        await asyncio.sleep(self._notes_wanted + NOTES_GAP_SECONDS - self._loop.time())
        self._current, self._next = self._next, None
        self._named.clear()
        await self._want_notes()
        regions = {each.node: each.region for each in self._reported}
        origins = SegmentOrigins(self._setup.node, self._setup.region, regions)
        self._figures.hear_nodes(self._reported, origins)  # what they say is in the spool already
        try:
            await self._loop.run_in_executor(self._folder, self._figures.fold)
            self._failing = ""
        except (EdgeError, OSError) as error:
            self._failing = str(error)
            raise
        except Exception as error:
            log.exception("counting failed, and begins again in a new process; this is a bug, please report it")
            self._failing, self.broken = f"{type(error).__name__}: {error}", True
            raise
        finally:
            await self._tell()

    def _tell_found(self) -> None:
        """What the fold has found of releases under guard, before its other work ends."""
        for evidence in self._figures.guarded.take_found():
            self._link.send(GuardFound(evidence))

    async def _want_notes(self) -> None:
        """Returns once what workers noted until now is in the spool."""
        self._notes_wanted = self._loop.time()
        try:
            await self._notes.request(lambda number: self._link.send(WantNotes(number)), NOTES_SECONDS)
        except TimeoutError:
            log.warning("workers did not say what they noted in %s s: it counts later", NOTES_SECONDS)

    async def _tell(self) -> None:
        figures = self._figures
        try:
            totals = await self._loop.run_in_executor(
                self._folder, lambda: figures.read(lambda: read_totals(self._paths.counts_database))
            )
        except Exception as error:  # what was counted is counted
            log.error("cannot read how many events are counted: %s", error)
            totals = {}
        seen = self._clickhouse.seen if self._clickhouse is not None else None
        self._link.send(
            FoldCondition(
                *(figures.folded_at, figures.set_aside, figures.unreadable, totals, seen, figures.erasures),
                *(figures.behaviour_evicted, figures.behaviour_failures),
                unwatched=figures.guarded.keeper.unwatched,
                failing=self._failing,
            )
        )
        if self.broken:
            self._link.close()  # after what is sent

    async def _answer(self, ask: Ask) -> None:
        try:
            if ask.fresh:
                await self._fresh()
            self._link.send(AskAnswered(ask.number, await self._found(ask)))
        except EdgeError as error:
            self._link.send(declined(ask.number, error))
        except Exception as error:  # who asked must not wait for an answer that never comes
            log.exception(f"cannot answer {ask.question!r}; this is a bug, please report it")
            failed = Unavailable("figures_unavailable", f"{type(error).__name__} in the folding process: see the log")
            self._link.send(declined(ask.number, failed))

    async def _found(self, ask: Ask) -> bytes:
        """Figures that many ask for are made once."""

        def make() -> asyncio.Future[bytes]:
            work = partial(answer, self._figures, self._paths, ask.question, ask.parameters, self._elsewhere)
            return self._loop.run_in_executor(self._readers, work)

        asked = QUESTIONS.get(ask.question)
        if asked is None:
            return await make()
        return await self._remembered.answer((ask.question, asked.key(ask.parameters)), make)

    def _names_of(self, app: str) -> frozenset[str] | None:
        """For the fold's thread. Raises Unavailable."""
        named = self._named_of(app).names
        return None if named is None else frozenset(named)

    def _judging_of(self, app: str) -> Judging:
        """For the fold's thread. Raises Unavailable."""
        judged = self._named_of(app).judged
        if app not in self._judging or self._judging[app].revision != judged.revision:
            self._judging[app] = build_judging(app, judged)
        return self._judging[app]

    def _experiments_of(self, app: str) -> tuple[RunningExperiment, ...]:
        """For the fold's thread. Raises Unavailable."""
        return self._named_of(app).experiments

    def _watches_of(self, app: str) -> Sequence[Watch] | None:
        """For the fold's thread: as of now, since a batch may have been long in coming. Raises Unavailable."""
        return self._ask_of(app, watches_alone=True).watches

    def _named_of(self, app: str) -> Named:
        if app not in self._named:
            self._named[app] = self._ask_of(app)
        return self._named[app]

    def _ask_of(self, app: str, *, watches_alone: bool = False) -> Named:
        asking = asyncio.run_coroutine_threadsafe(self._ask_names(app, watches_alone), self._loop)
        try:
            return asking.result()
        except TimeoutError as error:
            reason = f"the names of the bundles of {app!r} did not come in {NAMES_SECONDS:.0f} s"
            raise Unavailable("names_unavailable", reason) from error

    async def _ask_names(self, app: str, watches_alone: bool) -> Named:
        ask = partial(Name, app=app, watches_alone=watches_alone)
        return await self._names.request(lambda number: self._link.send(ask(number)), NAMES_SECONDS)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)


async def serve(end: socket.socket) -> None:
    """Wait for the setup, then run with it."""
    link = await Link.over(end, ToFolding)
    setup = await link.receive()
    if isinstance(setup, FoldingSetup):  # None: the supervisor is already gone
        set_up_logging(setup.log)
        process = FoldingProcess(setup, link)
        await process.run()
        if process.broken:
            os._exit(1)
    os._exit(0)  # without waiting for threads: see above


if __name__ == "__main__":
    be_child(serve)
