"""The supervisor: keeps the workers alive and sends them what is current.

It follows the heads of the store (its own changes at once, other writers' by polling), keeps them fresh and owns the
writer of device facts. The control API, which changes releases, calls `announce`.
"""

import asyncio
import logging
import os
import socket
import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from edge.config import Config
from edge.domain.errors import EdgeError
from edge.domain.facts import DeviceFacts
from edge.domain.forms.observed import LinkCounts
from edge.domain.model import AppId
from edge.domain.plugin import Prefer
from edge.facts.changes import Recordable, Withheld
from edge.facts.sharing.journal import SharedJournal
from edge.facts.sharing.register import KeyOf
from edge.facts.writer import FactsCondition
from edge.node.links.journal import LinkJournal, LinkWatch
from edge.node.observing.counts import WorkerCounts, WorkerStatus
from edge.node.processes.data_directory import OpenedDirectory
from edge.node.processes.duties import JobGuard, NodeDuties, to_the_end
from edge.node.processes.facts_desk import FactsDesk
from edge.node.processes.leaving import ALONE, Manner, close_for_all, refuse_new
from edge.node.processes.link import Setup
from edge.node.processes.listening import LISTEN_BACKLOG, listen
from edge.node.processes.pool import CannotStart, PoolPorts, WorkerPool
from edge.node.proving.proof_book import ProofBook
from edge.node.proving.prover import BlobProver
from edge.node.proving.quarantine import FOLLOW, PUBLISH_AGAIN, Quarantine
from edge.node.proving.scrubbing import Scrubbing
from edge.node.service.heard_proofs import HeardProofs
from edge.node.service.limits.event_limits import EventLimits
from edge.node.service.limits.fact_limits import NodeFailures
from edge.node.tls.pair import BadPair, Pair, expiry_of, read_pair
from edge.node.tls.tickets import PERIOD_SECONDS, TicketKeys, new_keys, rotated, why_not_shared
from edge.store.damage import NotTaken
from edge.store.releases import Head
from edge.telemetry.behaviour.known_facts import KnownFacts

POLL_SECONDS = 1.0  # how late another writer's change may arrive; this node's own are announced at once
REFRESH_SECONDS = 15.0  # between two looks at the shards; one is signed again when it is over a minute old

log = logging.getLogger("edge.node")


class Counterparty(Protocol):
    """Another process of this node, while it changes over: its workers must serve what is announced here."""

    async def announce(self, heads: Mapping[AppId, Head]) -> None: ...


class Supervisor:
    """Opens the device port and the device facts, unless it is given them. `duties` has what only the process does that
    writes the facts; add to its jobs before `run`."""

    def __init__(
        self,
        config: Config,
        directory: OpenedDirectory,
        clock: Callable[[], float] = time.time,
        *,
        listening: socket.socket | None = None,
        manner: Callable[[], Manner] = lambda: ALONE,
        inherited_lock: int | None = None,
    ) -> None:
        """`manner` is asked when the port is left. With `inherited_lock` another one writes the facts
        until `desk` is opened. Raises CannotListen, BadPair, and what `FactsWriter` raises."""
        self._config = config
        self._directory = directory
        self._clock = clock
        self._heads: dict[AppId, Head] = {}
        self.on_heads: Callable[[Mapping[AppId, Head]], None] = lambda heads: None  # before the workers hear of them
        self._issued: dict[str, float] = {}
        limit = config.upstream.max_stale_seconds if config.role == "region" else 0
        self.proofs = HeardProofs(directory.proofs_heard_file, limit, clock)
        self._unserved: dict[str, str] = {}
        devices = config.devices
        self._pair: Pair | None = self._read_pair() if devices.tls_certificate else None
        self._tickets = _make_tickets() if self._pair else None
        self.listening = listening or listen(devices.host, devices.port, LISTEN_BACKLOG)
        self._manner = manner
        self._draining = False
        try:
            self.desk = FactsDesk(
                directory.facts_dir, clock, inherited_lock=inherited_lock, open_shared=self._open_shared
            )
            if inherited_lock is None:
                self.desk.open()
        except BaseException:
            self.listening.close()
            raise
        self.guard = JobGuard()
        self.duties = NodeDuties(self.guard, refresh=self._refresh, remember=self._remember)
        self.others: frozenset[Counterparty] = frozenset()
        telemetry = config.telemetry
        self.failures = NodeFailures(EventLimits(telemetry.app_events_per_second, telemetry.address_events_per_second))
        self._known_facts = KnownFacts(self.desk.table_path, directory.behaviour_table)
        self._book = ProofBook(directory.proofs_path)
        cure = FOLLOW if directory.partial else PUBLISH_AGAIN
        quarantine = Quarantine(self._book, self._tell_quarantine, cure=cure)
        self.prover = BlobProver(directory.mirror, self._book, quarantine, clock)
        self.scrubbing = Scrubbing(
            *(directory.store_dir, self._book, self.prover, lambda: self._heads, clock), partial=directory.partial
        )
        self.duties.jobs["scrub"] = self.scrubbing.run
        self.links = LinkJournal(directory.links_file, Prefer(config.devices.prefer), clock())
        watch = LinkWatch(self.links, self._links_counted, lambda terms: self.pool.take_terms(terms), clock)
        self.duties.jobs["links"] = watch.run
        ports = PoolPorts(self._record_reported, self.prover)
        self.pool = WorkerPool(devices.workers or os.cpu_count() or 1, self.listening, self._setup, ports)

    def _open_shared(self, seed: int, key_of: KeyOf) -> SharedJournal | None:
        """What other nodes are to know. Without it devices are served all the same, and other nodes hear of nothing."""
        directory, sends = self._directory, bool(self._config.home)
        try:
            return SharedJournal(directory.sharing_dir, directory.node, seed, key_of, sends=sends)
        except (OSError, sqlite3.Error) as error:
            log.error("cannot keep what other nodes are to know of devices: %s", error)
            return None

    async def run(self, ready: asyncio.Event) -> None:
        """Serve until `drain`; sets `ready` once every worker accepts connections."""
        try:
            self._heads.update(self._news(await asyncio.to_thread(self._directory.served.heads)))
            self._issued = self._directory.served.heads_issued()
            self.proofs.learn(self._issued)
            self._unserved = dict(self._directory.served.unserved)
            await self._serve(ready)
        except BaseExceptionGroup as group:
            startless, other = group.split(CannotStart)
            if startless is None or other is not None:
                raise
            raise startless.exceptions[0] from None
        finally:
            self.listening.close()
            self._known_facts.close()
            self._book.close()
            await self.desk.close()

    async def _serve(self, ready: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            jobs = {"poll": self._poll, "recheck": self.prover.watch, "duties": self.duties.run}
            jobs |= {"tickets": self._rotate} if self._tickets else {}
            following = [tasks.create_task(self.guard.keep(name, job)) for name, job in jobs.items()]
            if self.desk.is_open:
                self.desk.begin()
                self.duties.begin()
            serving = tasks.create_task(self.pool.run())
            await self.pool.ready()
            ready.set()
            await serving
            for task in following:
                task.cancel()

    async def drain(self) -> None:
        """Close the port, and let every worker finish and exit; `run` returns when they have.

        What the kernel has accepted by then is answered: no new connection begins while the workers empty the queue.
        """
        if self._draining:
            return
        self._draining = True
        manner = self._manner()
        if not manner.shared:
            refuse_new(self.listening)
        await self.pool.drain(manner.patient)
        if not manner.shared:
            close_for_all(self.listening)
        self.listening.close()

    @property
    def heads(self) -> Mapping[AppId, Head]:
        """What the workers serve, or soon will."""
        return self._heads

    @property
    def certificate_ends(self) -> float | None:
        """When the device port's certificate expires, in seconds since the epoch; None without TLS."""
        return expiry_of(self._pair).timestamp() if self._pair else None

    @property
    def facts_table_path(self) -> Path:
        """For readers off the loop, each with tables of its own."""
        return self.desk.table_path

    @property
    def facts_condition(self) -> FactsCondition:
        """As of now, without reading the disk."""
        return self.desk.condition

    async def reload_pair(self) -> None:
        """Read the device port's certificate and key again; returns when every worker's new connections use them.

        If the pair cannot be used, the log has the reason and the old one stays. Nothing else is reloaded.
        """
        if self._pair is None:
            log.warning("nothing to reload: the device port has no certificate")
            return
        try:
            self._pair = await asyncio.to_thread(self._read_pair)
        except BadPair as error:
            log.error("the certificate is unchanged: %s", error)
            return
        await self.pool.take_pair(self._pair)

    def _read_pair(self) -> Pair:
        devices = self._config.devices
        pair = read_pair(devices.tls_certificate, devices.tls_key)
        expiry = expiry_of(pair)
        tell = log.info if expiry.timestamp() > self._clock() else log.warning
        tell("certificate %s, valid until %s", devices.tls_certificate, expiry.isoformat())
        return pair

    def rotate_tickets(self) -> None:
        """Have workers make TLS session tickets with new keys, and accept those of the current ones once more."""
        if self._tickets is not None:
            self._tickets = rotated(self._tickets)
            self.pool.take_tickets(self._tickets)

    async def _rotate(self) -> None:
        while True:
            await asyncio.sleep(PERIOD_SECONDS)
            self.rotate_tickets()

    async def record(self, changes: list[Recordable]) -> list[Withheld]:
        """Returns when the changes are durable and every worker sees them, with what is withheld as a result. Raises
        Unavailable."""
        return await self.desk.record(changes)

    async def _record_reported(self, changes: list[Recordable]) -> list[Withheld]:
        """As `record`, for workers."""
        return await self.record(self.failures.admitted(changes, time.monotonic()))

    async def lift_all(self, app: str, version: str, since: float, *, dry_run: bool) -> int:
        """See `FactsWriter.lift_all`."""
        return await self.desk.lift_all(app, version, since, dry_run=dry_run)

    def facts_of(self, app: str, device: str) -> DeviceFacts:
        """NO_FACTS for a device that is not known; reads memory."""
        return self._known_facts.look_up(app, device)

    async def announce(self, app: AppId, head: Head) -> NotTaken:
        """Returns when every worker serves this revision or a later one, with what they did not take of it; a stuck
        worker is given `ANSWER_SECONDS`."""
        return await self._tell({app: head})

    async def _tell(self, heads: dict[AppId, Head]) -> NotTaken:
        return await self.take_heads(heads, None)

    async def take_heads(self, heads: Mapping[AppId, Head], source: Counterparty | None) -> NotTaken:
        """As `announce`, for heads that `source` has announced: the others hear of them from here."""
        # Updated before any worker gets it, so that one that is starting has it in its setup.
        self._heads.update(self._news(heads))
        self.on_heads(heads)
        others = asyncio.gather(*(each.announce(heads) for each in self.others if each is not source))
        not_taken, _ = await asyncio.gather(self.pool.announce(heads), others)
        return not_taken

    def _tell_quarantine(self) -> None:
        self.pool.quarantine(sorted(self.prover.quarantine.digests))

    def _tell_issued(self, issued: dict[str, float]) -> None:
        """Rollouts advance in the workers as long as the heads are known to be fresh."""
        if issued != self._issued:
            self._issued = issued
            self.proofs.learn(issued)
            self.pool.learn(issued, self.proofs.heard)

    def _tell_unserved(self) -> None:
        unserved = dict(self._directory.served.unserved)
        if unserved != self._unserved:
            self._unserved = unserved
            self.pool.withhold(unserved)

    async def statuses(self) -> list[WorkerStatus]:
        """Of every worker, in their order."""
        answers = await self.pool.statuses()
        return [
            WorkerStatus(
                pid=worker.pid,
                ready=worker.ready.is_set() and answer is not None,
                restarts=worker.restarts,
                apps=answer.apps if answer else 0,
                counts=answer.counts if answer else WorkerCounts(),
                damaged=answer.damaged if answer else (),
            )
            for worker, answer in zip(self.pool.workers, answers, strict=True)
        ]

    async def _links_counted(self) -> dict[int, LinkCounts]:
        return {each.pid: each.counts.links for each in await self.statuses() if each.pid is not None and each.ready}

    def _news(self, heads: Mapping[AppId, Head]) -> dict[AppId, Head]:
        known = self._heads
        return {app: head for app, head in heads.items() if app not in known or head.revision > known[app].revision}

    def _setup(self, index: int) -> Setup:
        return Setup(
            data_dir=str(Path(self._config.data_dir).absolute()),
            node=self._directory.node,
            net_key=self._directory.net_key,
            worker=index,
            devices=self._config.devices,
            telemetry=self._config.telemetry,
            log=self._config.log,
            heads=self._heads,
            facts_table=str(self.desk.table_path.absolute()),
            behaviour_table=str(self._directory.behaviour_table.absolute()),
            heads_issued=self._issued,
            heads_heard=self.proofs.heard,
            max_stale_seconds=self.proofs.limit_seconds,
            unserved=self._unserved,
            place=self._config.place,
            tls=self._pair,
            tickets=self._tickets,
            quarantined=sorted(self.prover.quarantine.digests),
            terms=self.links.terms,
        )

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await self.catch_up()

    async def catch_up(self) -> None:
        """Have the workers serve what the store has now."""
        # Read before the heads, which are announced by the end of this turn: a worker that has the newer time but
        # not yet a pause would let more devices in after an outage.
        issued = self._directory.served.heads_issued()
        try:
            heads = await asyncio.to_thread(self._directory.served.heads)
        except (EdgeError, OSError) as error:
            log.error("cannot read the heads; serving the last good ones: %s", error)
            return
        if news := self._news(heads):
            await self._tell(news)
        self._tell_unserved()
        self._tell_issued(issued)
        self.proofs.watch()
        await asyncio.to_thread(self.proofs.save)

    async def _refresh(self) -> None:
        while True:
            try:
                await to_the_end(lambda: self._directory.renew(self._clock()))
            except (EdgeError, OSError) as error:
                log.error("cannot sign the heads again; they will show as stale: %s", error)
            await asyncio.sleep(REFRESH_SECONDS)

    async def _remember(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await to_the_end(self._directory.served.remember)
            except (EdgeError, OSError) as error:
                log.error("cannot remember what version names apps have used: %s", error)


def _make_tickets() -> TicketKeys | None:
    """Keys that all workers share; None if this interpreter or its OpenSSL allows none, which the log tells."""
    if reason := why_not_shared():
        log.warning(
            "each worker has its own keys for TLS sessions, so few are resumed; `edge doctor` tells: %s", reason
        )
        return None
    return new_keys()
