"""A node's worker processes: started with the listening socket passed down, kept alive, and sent what to serve."""

import asyncio
import logging
import socket
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple

import msgspec

from edge.domain.errors import EdgeError, Unavailable
from edge.domain.forms.choice import FormTerms
from edge.domain.model import AppId
from edge.facts.changes import Faulted, Record, Recordable, Recorded, Withheld
from edge.node.processes.facts_desk import Recorder
from edge.node.processes.link import (
    Acknowledged,
    BlindGuard,
    Drain,
    FromWorker,
    Issued,
    Link,
    NetworkKey,
    NewHeads,
    NewPair,
    NewTerms,
    NewTickets,
    Prepared,
    Prove,
    Proved,
    Quarantined,
    Ready,
    Serve,
    Setup,
    Status,
    StatusQuery,
    TellNotes,
    Unserved,
)
from edge.node.proving.verdicts import DamagedBlob, NotProvenYet, ProofPort
from edge.node.service.numbered_replies import NumberedReplies
from edge.node.tls.pair import Pair
from edge.node.tls.tickets import TicketKeys
from edge.store.damage import NotTaken
from edge.store.releases import Head

# A worker builds a revision in milliseconds; one that takes this long is stuck, and gets the heads when it restarts.
ANSWER_SECONDS = 2.0
NOTES_SECONDS = 1.0  # storing what a worker noted takes one sync; one that takes longer is passed over
SHORT_LIFE_SECONDS = 1.0  # a worker that dies sooner will die again: wait before the next try
RESTART_SECONDS = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)  # before the n-th restart in a row; the last from then on
START_ATTEMPTS = 3  # of a worker that never served; its log then has the reason

NO_REPLY = 0  # the number of a question whose reply nobody reads

log = logging.getLogger("edge.pool")


class PoolPorts(NamedTuple):
    """What workers ask of their supervisor: to store changes of device facts, which raises Unavailable, and proofs."""

    record: Recorder
    proofs: ProofPort


class CannotStart(EdgeError):
    """Workers exit before they serve; the log above has the reason."""


class WorkerHandle:
    """The supervisor's side of one worker process."""

    def __init__(self, index: int, ports: PoolPorts) -> None:
        self.index = index
        self._record = ports.record
        self._proofs = ports.proofs
        self._answering: set[asyncio.Task[None]] = set()
        self.pid: int | None = None
        self.ready = asyncio.Event()
        self.has_served = False
        self.restarts = 0
        self._link: Link | None = None
        self._accepts = False  # connections, or is about to
        self._told = ""  # why changes of facts are not stored now, as the log has it
        self._replies = NumberedReplies[Acknowledged | Status | None]()

    async def live(self, listening: socket.socket, setup: Callable[[], Setup]) -> int:
        """Run the process once, from start to exit; returns its exit code."""
        ours, theirs = socket.socketpair()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "edge.node.processes.worker", str(listening.fileno()), str(theirs.fileno())),
            pass_fds=(listening.fileno(), theirs.fileno()),
            stdin=asyncio.subprocess.DEVNULL,
        )
        theirs.close()
        self.pid = process.pid
        link = await Link.over(ours, FromWorker)
        # In one turn of the loop: anything announced from now on comes after the heads in the setup.
        link.send(setup())
        self._link = link
        try:
            await self._listen(link)
            return await process.wait()
        finally:
            self._forget()
            link.close()
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def tell(self, heads: Mapping[AppId, Head]) -> NotTaken:
        """Returns once this worker serves the heads, or after `ANSWER_SECONDS`, with what it did not take of them. If
        no process is serving, the next one gets them in its setup.
        """
        serving = self.ready.is_set()
        answer = await self._ask(lambda number: NewHeads(number, dict(heads)))
        if isinstance(answer, Acknowledged):
            return NotTaken(tuple(answer.damaged))
        return NotTaken(silent=int(serving))

    async def take_pair(self, pair: Pair) -> None:
        """As `tell`: returns once this worker's new connections use the pair."""
        await self._ask(lambda number: NewPair(number, pair))

    async def status(self) -> Status | None:
        """None from a worker that does not answer."""
        answer = await self._ask(StatusQuery)
        return answer if isinstance(answer, Status) else None

    async def tell_notes(self) -> None:
        """Returns once what this worker noted of checks and deliveries is stored, or after `NOTES_SECONDS`."""
        await self._ask(TellNotes, NOTES_SECONDS)

    def withhold(self, shards: Mapping[str, str]) -> None:
        """Send the head shards whose apps are offered nothing; a worker that starts has them in its setup."""
        if self._link:
            self._link.send(Unserved(dict(shards)))

    def tell_sight(self, blind: bool) -> None:
        if self._link:
            self._link.send(BlindGuard(blind))

    def tell_net_key(self, key: bytes) -> None:
        if self._link:
            self._link.send(NetworkKey(key))

    def learn(self, issued: Mapping[str, float], heard: Mapping[str, float]) -> None:
        """Send when the head shards were signed and heard, as `Issued` has it; a worker that starts has it in its
        setup."""
        if self._link:
            self._link.send(Issued(dict(issued), dict(heard)))

    async def note_death(self) -> None:
        """Its downloads were cut: failures of these are no evidence against a bundle."""
        try:
            await self._record([Faulted()])
        except Unavailable as error:
            log.warning("the exit of worker %s was not recorded in the device facts: %s", self.index, error)

    def quarantine(self, digests: list[str]) -> None:
        """Send which blobs cannot be served now; a worker that starts has it in its setup."""
        if self._link:
            self._link.send(Quarantined(digests))

    def take_tickets(self, keys: TicketKeys) -> None:
        """Send keys for session tickets; a worker that starts has them in its setup."""
        if self._link:
            self._link.send(NewTickets(keys))

    def take_terms(self, terms: FormTerms) -> None:
        """Send what the forms of bundles follow from; a worker that starts has it in its setup."""
        if self._link:
            self._link.send(NewTerms(terms))

    async def drain(self, patient: bool) -> None:
        """Ask the worker to finish and exit; returns once it holds the port no longer, or after `ANSWER_SECONDS`."""
        await self._ask(lambda number: Drain(number, patient))

    async def _ask(
        self, question: Callable[[int], msgspec.Struct], seconds: float = ANSWER_SECONDS
    ) -> Acknowledged | Status | None:
        """The worker's reply; None if no process is running or none comes in time. One that does not accept connections
        yet will have heard it by then, and is not waited for."""
        link = self._link
        if link is None:
            return None
        if not self._accepts:
            link.send(question(NO_REPLY))
            return None
        try:
            return await self._replies.request(lambda number: link.send(question(number)), seconds)
        except TimeoutError:
            log.warning("worker %s (process %s) did not answer in %s s", self.index, self.pid, seconds)
            return None

    async def _listen(self, link: Link) -> None:
        while (message := await link.receive()) is not None:
            match message:
                case Prepared():
                    self._accepts = True
                    link.send(Serve())
                case Ready():
                    self.has_served = True
                    self.ready.set()
                case Record(number, changes):
                    self._start(self._answer_record(link, number, changes))
                case Prove(number, digest, app):
                    self._start(self._answer_prove(link, number, digest, app))
                case Acknowledged(number) | Status(number):
                    self._replies.settle(number, message)

    def _start(self, answering: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(answering)
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer_prove(self, link: Link, number: int, digest: str, app: str) -> None:
        try:
            link.send(Proved(number, await self._proofs.prove(digest, app)))
        except DamagedBlob:
            link.send(Proved(number))
        except NotProvenYet:
            link.send(Proved(number, later=True))
        except Exception:  # whoever asked must not wait for a reply that never comes
            log.exception("cannot tell whether blob %s is whole; devices get 503 for it and come again", digest)
            link.send(Proved(number, later=True))

    async def _answer_record(self, link: Link, number: int, changes: list[Recordable]) -> None:
        refused, withheld = "", list[Withheld]()
        try:
            withheld = await self._record(changes)
        except Unavailable as error:
            refused = error.code
        except Exception:  # as above
            log.exception("cannot store changes of device facts")
            refused = "facts_stuck"
        self._tell_refusal(refused, len(changes))
        if number:
            link.send(Recorded(number, refused, withheld))

    def _tell_refusal(self, code: str, count: int) -> None:
        """Once, until it is over: a busy node changes facts fifty times a second, and its log may be on that disk."""
        if code and code != self._told:
            log.warning("%s change(s) of device facts were not stored (%s), nor are those that follow", count, code)
        elif self._told and not code:
            log.warning("changes of device facts are stored again")
        self._told = code

    def _forget(self) -> None:
        self._link = None
        self._accepts = False
        self.pid = None
        self.ready.clear()
        self._replies.settle_all(None)


class WorkerPool:
    """`setup_of(index)` makes a worker's first message from what is current when it starts."""

    def __init__(
        self, count: int, listening: socket.socket, setup_of: Callable[[int], Setup], ports: PoolPorts
    ) -> None:
        self.workers = [WorkerHandle(index, ports) for index in range(count)]
        self._listening = listening
        self._setup_of = setup_of
        self._draining = asyncio.Event()
        self._hopeless = asyncio.Event()

    async def run(self) -> None:
        """Keep every worker alive; returns when all have exited after `drain`."""
        async with asyncio.TaskGroup() as tasks:
            for worker in self.workers:
                tasks.create_task(self._keep(worker))

    async def ready(self) -> None:
        """Returns when every worker serves. Raises CannotStart if one exits `START_ATTEMPTS` times before that."""
        for worker in self.workers:
            waits = {asyncio.create_task(event.wait()) for event in (worker.ready, self._hopeless)}
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            if self._hopeless.is_set():
                raise CannotStart("cannot_start", "the workers exit before they serve; see the log above")

    async def announce(self, heads: Mapping[AppId, Head]) -> NotTaken:
        """As `WorkerHandle.tell`, for all workers at once."""
        answers = await asyncio.gather(*(worker.tell(heads) for worker in self.workers))
        damaged = {(each.app, each.grain, each.name): each for answer in answers for each in answer.damaged}
        return NotTaken(tuple(damaged.values()), sum(answer.silent for answer in answers))

    def withhold(self, shards: Mapping[str, str]) -> None:
        """As `WorkerHandle.withhold`, for all workers."""
        for worker in self.workers:
            worker.withhold(shards)

    def tell_sight(self, blind: bool) -> None:
        """Whether the guard sees nothing, for all workers."""
        for worker in self.workers:
            worker.tell_sight(blind)

    def tell_net_key(self, key: bytes) -> None:
        """By which networks are numbered, for all workers; one that starts has it in its setup."""
        for worker in self.workers:
            worker.tell_net_key(key)

    def learn(self, issued: Mapping[str, float], heard: Mapping[str, float]) -> None:
        """As `WorkerHandle.learn`, for all workers."""
        for worker in self.workers:
            worker.learn(issued, heard)

    def quarantine(self, digests: list[str]) -> None:
        """As `WorkerHandle.quarantine`, for all workers."""
        for worker in self.workers:
            worker.quarantine(digests)

    def take_tickets(self, keys: TicketKeys) -> None:
        """As `WorkerHandle.take_tickets`, for all workers."""
        for worker in self.workers:
            worker.take_tickets(keys)

    def take_terms(self, terms: FormTerms) -> None:
        """As `WorkerHandle.take_terms`, for all workers."""
        for worker in self.workers:
            worker.take_terms(terms)

    async def take_pair(self, pair: Pair) -> None:
        """As `WorkerHandle.take_pair`, for all workers at once."""
        await asyncio.gather(*(worker.take_pair(pair) for worker in self.workers))

    async def statuses(self) -> list[Status | None]:
        """In the order of `workers`; None from one that does not answer."""
        return list(await asyncio.gather(*(worker.status() for worker in self.workers)))

    async def tell_notes(self) -> None:
        """As `WorkerHandle.tell_notes`, for all workers at once."""
        await asyncio.gather(*(worker.tell_notes() for worker in self.workers))

    async def drain(self, patient: bool) -> None:
        """Let every worker finish and exit, and restart none; returns as `WorkerHandle.drain`, for all at once."""
        self._draining.set()
        await asyncio.gather(*(worker.drain(patient) for worker in self.workers))

    async def _keep(self, worker: WorkerHandle) -> None:
        short_lives = 0
        while not self._draining.is_set():
            started = asyncio.get_running_loop().time()
            code = await worker.live(self._listening, lambda: self._setup_of(worker.index))
            if self._draining.is_set():
                return
            await worker.note_death()
            lived_seconds = asyncio.get_running_loop().time() - started
            short_lives = short_lives + 1 if lived_seconds < SHORT_LIFE_SECONDS else 0
            pause_seconds = RESTART_SECONDS[min(short_lives, len(RESTART_SECONDS) - 1)]
            worker.restarts += 1
            if not worker.has_served and worker.restarts >= START_ATTEMPTS:
                self._hopeless.set()
            log.error("worker %s exited with code %s; restarting it in %s s", worker.index, code, pause_seconds)
            await self._pause(pause_seconds)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._draining.wait()
        except TimeoutError:
            return
