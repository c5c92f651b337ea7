"""A worker process: serves devices from snapshots in memory, and follows the messages of its supervisor.

Started as `python -m edge.node.processes.worker 3 4` with two inherited descriptors, the listening socket and its end
of the link. It exits on `Drain`, on SIGTERM, and when its supervisor is gone.
"""

import asyncio
import signal
import socket
import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path

import uvloop
from aiohttp import web

from edge.domain.forms.observed import NOTHING_OBSERVED
from edge.domain.model import AppId
from edge.facts.changes import Recorded
from edge.facts.table import FactsTable
from edge.node.delivery.files import OpenFiles
from edge.node.delivery.pace import Patience
from edge.node.delivery.unread import bound_unread
from edge.node.http.app import build_device_app
from edge.node.http.connection import accept_with
from edge.node.http.device_routes import Readiness
from edge.node.lane.connection import Lane
from edge.node.lane.context import LaneContext
from edge.node.observing.access_log import AccessLog
from edge.node.observing.counts import Gauges, WorkerCounts
from edge.node.observing.log import set_up_logging
from edge.node.observing.traffic import Traffic
from edge.node.processes.data_paths import DataPaths
from edge.node.processes.interpreter import settle_collector, share_the_interpreter
from edge.node.processes.leaving import Leaving, Manner, accept_rest, connect, last_call
from edge.node.processes.link import (
    DAMAGES_SHOWN_LIMIT,
    Acknowledged,
    BlindGuard,
    Drain,
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
    ToWorker,
    Unserved,
)
from edge.node.processes.listening import LISTEN_BACKLOG
from edge.node.processes.snapshot_loader import SnapshotLoader
from edge.node.service.device_service import DeviceService
from edge.node.service.facts_client import FactsClient
from edge.node.service.limits.admission import Connections, connections_limit, raise_descriptor_limit
from edge.node.service.limits.event_limits import EventLimits
from edge.node.service.limits.overload import IN_PROGRESS_SHARE, Overload, watch_lag
from edge.node.service.peers import Proxies
from edge.node.service.proof_client import ProofAnswer, ProofClient
from edge.node.service.snapshots.builder import SnapshotBuilder
from edge.node.service.snapshots.served import ServedSnapshots
from edge.node.tls.port import PortTls
from edge.store.damage import Damage
from edge.store.disk.seen import SeenDocuments
from edge.store.objects.fs import FsStore
from edge.store.objects.port import blob_key
from edge.store.remembered import RememberedNames
from edge.telemetry.behaviour.table import BehaviourTable
from edge.telemetry.spool.disk_budget import DiskBudget
from edge.telemetry.spool.spool import Spool


class Worker:
    """Everything of one worker. `run` serves until `Drain`, SIGTERM or the end of the link."""

    def __init__(self, setup: Setup, link: Link, listening: socket.socket) -> None:
        devices = setup.devices
        self._link = link
        self._listening = listening  # held beside the server's own copy, to empty the queue after that is closed
        self._heads = setup.heads
        self._drain_seconds = devices.drain_seconds
        store = FsStore(DataPaths(Path(setup.data_dir)).store_dir)
        self._served = ServedSnapshots(store)
        self._quarantined = frozenset(setup.quarantined)
        self._terms = setup.terms
        builder = SnapshotBuilder(
            store, setup.place, lambda: self._quarantined, _withdrawn_of(setup), lambda: self._terms
        )
        self._loader = SnapshotLoader(builder, self._served)
        self._proofs = ProofClient(lambda number, digest, app: link.send(Prove(number, digest, app)))
        self._files = OpenFiles(lambda digest: store.open(blob_key(digest)), self._proofs)
        self._readiness = Readiness()
        self._patience = Patience(devices.stall_seconds, devices.minimum_bps)
        proxies = Proxies(devices.trusted_proxies, devices.country_header)
        total = connections_limit(raise_descriptor_limit())
        self._connections = Connections(devices.connections_per_address, proxies, total, self._patience)
        self._overload = Overload(int(total * IN_PROGRESS_SHARE), devices.downloads_per_worker)
        self._spool = _open_spool(setup)
        behaviour = BehaviourTable(Path(setup.behaviour_table))
        self._facts = FactsClient(FactsTable(Path(setup.facts_table)), link.send, behaviour)
        self._service = _build_service(setup, self._served, self._spool, proxies, self._overload, self._facts)
        self._handing = self._service.hand_over_as(f"{setup.node}-{setup.worker}")
        self._withhold(setup.unserved)
        self._tls = PortTls(setup.tls, self._connections.note_cut, setup.tickets) if setup.tls else None
        self._traffic = Traffic(AccessLog(setup.log.format) if setup.log.access else None)
        self._lanes: LaneContext | None = None
        self._may_serve, self._leaving = asyncio.Event(), asyncio.Event()
        self._last = Leaving()
        self._drain_number, self._patient = 0, False  # the supervisor's request to leave; 0: it made none

    async def run(self) -> None:
        """Returns when every request in progress is answered, or the drain time is over."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._leave)
        await self._loader.start(self._heads)
        app = build_device_app(self._service, self._files, self._readiness, self._patience)
        app.on_response_prepare.append(self._last.mark)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=self._drain_seconds)
        await runner.setup()
        lanes = self._lanes = self._build_lanes(runner, loop)
        bound_unread(self._listening, self._patience.stall_seconds)
        # Until the end: requests that finish while draining may wait for the writer of device facts.
        following = loop.create_task(self._follow())
        self._link.send(Prepared())
        await self._may_serve.wait()
        accept = self._accept(lanes)
        server = await loop.create_server(accept, sock=self._listening.dup(), backlog=LISTEN_BACKLOG)
        jobs = [watch_lag(self._overload), lanes.sweep(), self._loader.run(), self._handing.run()]
        if self._tls is not None:
            jobs.append(self._tls.watch())
        watching = [loop.create_task(job) for job in jobs]
        settle_collector()
        share_the_interpreter()
        self._readiness.ready = True
        self._link.send(Ready())
        try:
            await self._leaving.wait()
        finally:
            self._readiness.ready = False
            server.close()
            await self._close_port(accept)
            await self._finish(lanes, runner)
            for job in watching:
                job.cancel()
            await self._close()
            following.cancel()
            self._link.close()

    def _leave(self) -> None:
        self._leaving.set()
        self._may_serve.set()

    async def _close_port(self, accept: Callable[[], asyncio.Protocol]) -> None:
        """Take the connections that still wait in the kernel's queue, then hold the socket no longer."""
        waiting = accept_rest(self._listening)
        self._listening.close()
        if self._drain_number:
            self._link.send(Acknowledged(self._drain_number))
        await connect(waiting, accept)

    async def _finish(self, lanes: LaneContext, runner: web.AppRunner) -> None:
        """Answer what was asked. Idle connections may ask once more, for a short time; then they are closed."""
        server = runner.server
        assert server is not None, "the runner is set up"
        lanes.leaving = self._last.begun = True
        self._service.features.streams.close()
        seconds = Manner(patient=self._patient).last_call_seconds(self._drain_seconds)
        await last_call(lambda: bool(lanes.open_lanes.count or server.connections), seconds)
        rest_seconds = self._drain_seconds - seconds
        with suppress(TimeoutError):
            async with asyncio.timeout(rest_seconds):
                await asyncio.gather(lanes.open_lanes.drain(rest_seconds), runner.cleanup())

    def _build_lanes(self, runner: web.AppRunner, loop: asyncio.AbstractEventLoop) -> LaneContext:
        assert runner.server is not None, "the runner is set up"
        usual = accept_with(runner.server, self._connections, loop, traffic=self._traffic)
        return LaneContext(
            self._service,
            self._files,
            self._connections,
            self._patience,
            lambda handed: usual(handed=handed),
            self._traffic,
        )

    async def _close(self) -> None:
        """Store and send what waits, then close files and tables."""
        await self._handing.finish()
        await self._spool.close()
        await self._files.close()
        self._service.bodies.close()
        self._facts.flush()
        self._facts.close()
        if self._traffic.access is not None:
            self._traffic.access.close()

    async def _follow(self) -> None:
        while True:
            match await self._link.receive():
                case Serve():
                    self._may_serve.set()
                case NewHeads(number, heads):
                    damaged = await self._loader.load(heads)
                    self._link.send(Acknowledged(number, damaged[:DAMAGES_SHOWN_LIMIT]))
                case Issued(issued, heard):
                    self._service.moments.learn(issued, heard)
                case Unserved(shards):
                    self._withhold(shards)
                case BlindGuard(blind):
                    self._served.guard_blind = blind
                case NetworkKey(key):
                    self._service.networks.begin_again(key)
                case StatusQuery(number):
                    shown = list(islice(self._served.damages, DAMAGES_SHOWN_LIMIT))
                    self._link.send(Status(number, len(self._served), self._counts(), shown))
                case TellNotes(number):
                    self._handing.begin(partial(self._link.send, Acknowledged(number)))
                case Recorded() as recorded:
                    self._facts.settle(recorded)
                case Proved(number, identity, later):
                    self._proofs.settle(number, ProofAnswer(identity, later))
                case NewTerms(terms):
                    self._terms = terms
                    self._loader.choose_again()
                case Quarantined(digests):
                    await self._quarantine(frozenset(digests))
                case NewPair(number, pair) if self._tls is not None:
                    self._tls.replace(pair)
                    self._link.send(Acknowledged(number))
                case NewTickets(keys) if self._tls is not None:
                    self._tls.take_keys(keys)
                case Drain(number, patient):
                    self._drain_number, self._patient = number, patient
                    self._leave()
                case None:  # the supervisor is gone, and without one a worker does not serve
                    self._proofs.give_up()
                    self._leave()
                    return

    async def _quarantine(self, digests: frozenset[str]) -> None:
        changed = digests ^ self._quarantined
        self._quarantined = digests
        await self._loader.judge_again(changed)

    def _withhold(self, shards: Mapping[str, str]) -> None:
        """Offer nothing to the apps of these shards, and name them as long as that lasts."""
        self._service.checks.unserved = self._served.unserved_shards = shards
        self._served.damages.replace("*", ("head",), [_damage_of(*each) for each in shards.items()])

    def _accept(self, lanes: LaneContext) -> Callable[[], asyncio.Protocol]:
        """The factory of protocols for accepted connections."""
        if (tls := self._tls) is None:
            return lambda: Lane(lanes)
        return lambda: tls.protect(Lane(lanes))

    def _counts(self) -> WorkerCounts:
        counts, overload, access = self._service.counts, self._overload, self._traffic.access
        return WorkerCounts(
            decisions=counts.decisions,
            events=counts.events,
            refused_events=counts.refused_events,
            app_events=counts.app_events,
            features=counts.features,
            push=counts.push,
            withheld=counts.withheld,
            over_limit=counts.over_limit,
            shed=counts.shed,
            closed=self._connections.closed(),
            requests=self._traffic.requests(),
            sent_bytes=self._traffic.sent_bytes(),
            others=counts.others
            | (self._lanes.counts() if self._lanes else {})
            | ({"access_lines_dropped": access.dropped} if access else {})
            | {"offers_not_noted": self._facts.offers_dropped}
            | {f"damage_found/{grain}": n for grain, n in self._served.damages.found.items()},
            damaged=self._served.damages.by_grain(),
            links=self._lanes.links.counts if self._lanes else NOTHING_OBSERVED,
            gauges=Gauges(
                connections=self._connections.open,
                in_progress=overload.in_progress,
                downloads=overload.downloads,
                overloaded=int(overload.overloaded),
                lost_blobs=len(self._quarantined),
                unserved_apps=len(self._served.unserved),
                loaded_apps=self._served.loaded,
                unread_apps=self._loader.unread,
            ),
        )


def _damage_of(shard: str, cause: str) -> Damage:
    return Damage(
        app="*",
        grain="head",
        name=shard,
        effect="all apps of this shard are offered nothing",
        cause=cause,
        repair="restore the newer copy, or run `edge store accept-restored`",
    )


def _withdrawn_of(setup: Setup) -> Callable[[AppId], Collection[str]]:
    """What this node remembers as withdrawn, for an app whose latest revision cannot be read."""
    remembered = RememberedNames(SeenDocuments(DataPaths(Path(setup.data_dir)).node_dir))
    return lambda app: [name for name, used in remembered.of(app).names.items() if used.withdrawn]


def _open_spool(setup: Setup) -> Spool:
    folder = DataPaths(Path(setup.data_dir)).spool_dir
    return Spool(folder, setup.node, setup.worker, budget=DiskBudget(folder, setup.telemetry.spool_limit_bytes))


def _build_service(
    setup: Setup, served: ServedSnapshots, spool: Spool, proxies: Proxies, overload: Overload, facts: FactsClient
) -> DeviceService:
    devices, telemetry = setup.devices, setup.telemetry
    service = DeviceService(
        served,
        spool,
        public_url=devices.bundles_url or devices.public_url,
        allowed_hosts=frozenset(host.lower() for host in devices.allowed_hosts),
        proxies=proxies,
        overload=overload,
        event_limits=EventLimits(telemetry.app_events_per_second, telemetry.address_events_per_second),
        facts=facts,
        net_key=setup.net_key,
        scheme="https" if setup.tls else "http",
    )
    service.moments.limit_seconds = setup.max_stale_seconds
    service.moments.learn(setup.heads_issued, setup.heads_heard)
    return service


async def serve(listening: socket.socket, end: socket.socket) -> None:
    """Wait for the setup, then run a worker with it."""
    link = await Link.over(end, ToWorker)
    setup = await link.receive()
    if isinstance(setup, Setup):  # None: the supervisor is already gone
        set_up_logging(setup.log)
        await Worker(setup, link, listening).run()


def main() -> None:
    """Run a worker on the two descriptors in `sys.argv`."""
    # These may reach the whole process group; only the supervisor acts on them.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    listening, end = (socket.socket(fileno=int(number)) for number in sys.argv[1:3])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(listening, end))


if __name__ == "__main__":
    main()
