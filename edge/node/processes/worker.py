"""A worker process: serves devices from snapshots in memory, and follows what its supervisor tells it.

Started as `python -m edge.node.processes.worker 3 4` with two inherited descriptors, the listening socket and its end
of the link. It leaves when told to drain, on SIGTERM, and when its supervisor is gone.
"""

import asyncio
import gc
import logging
import signal
import socket
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import web

from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.model import AppId
from edge.facts.changes import Recorded
from edge.facts.table import FactsTable
from edge.node.delivery.files import OpenFiles
from edge.node.delivery.send import Patience
from edge.node.http.app import build_device_app
from edge.node.http.connection import accept_with
from edge.node.http.device_routes import Readiness
from edge.node.lane.connection import Lane
from edge.node.lane.context import LaneContext
from edge.node.observing.access_log import AccessLog
from edge.node.observing.log import set_up_logging
from edge.node.observing.traffic import Traffic
from edge.node.processes.link import (
    Acknowledged,
    Drain,
    Issued,
    Link,
    NewHeads,
    NewPair,
    Ready,
    Setup,
    Status,
    StatusQuery,
    ToWorker,
)
from edge.node.processes.listening import LISTEN_BACKLOG
from edge.node.processes.tls import HANDSHAKE_SECONDS, SHUTDOWN_SECONDS, PortTls
from edge.node.service.admission import Connections, connections_limit, raise_descriptor_limit
from edge.node.service.app_snapshots import Current
from edge.node.service.device_service import DeviceService
from edge.node.service.event_limits import EventLimits
from edge.node.service.facts_client import FactsClient
from edge.node.service.overload import IN_PROGRESS_SHARE, Overload, watch_lag
from edge.node.service.peers import Proxies
from edge.store.objects.fs import FsStore
from edge.store.releases import Head
from edge.telemetry.disk_budget import DiskBudget
from edge.telemetry.spool import Spool

MEND_SECONDS = 60.0  # how late a worker notices that a lost manifest is back

SWITCH_SECONDS = 0.0005
COLLECT_AFTER_OBJECTS = 50_000  # containers more than before; at Python's own 700 it ran at every tenth check

log = logging.getLogger("edge.worker")


class Worker:
    def __init__(self, setup: Setup, link: Link, listening: socket.socket) -> None:
        data_dir = Path(setup.data_dir)
        self._setup = setup
        self._link = link
        self._listening = listening
        self._current = Current(FsStore(data_dir / "store"), setup.region)
        telemetry = setup.telemetry
        spool_dir = data_dir / "node" / "telemetry" / "spool"
        self._spool = Spool(
            spool_dir, setup.node, setup.worker, budget=DiskBudget(spool_dir, telemetry.spool_limit_bytes)
        )
        self._files = OpenFiles()
        self._readiness = Readiness()
        devices = setup.devices
        self._patience = Patience(devices.stall_seconds, devices.minimum_bps)
        proxies = Proxies(devices.trusted_proxies, devices.country_header)
        total = connections_limit(raise_descriptor_limit())
        self._connections = Connections(devices.connections_per_address, proxies, total)
        self._overload = Overload(int(total * IN_PROGRESS_SHARE), devices.downloads_per_worker)
        self._facts = FactsClient(FactsTable(Path(setup.facts_table)), link.send)
        self._service = DeviceService(
            self._current,
            self._spool,
            public_url=devices.public_url,
            allowed_hosts=frozenset(host.lower() for host in devices.allowed_hosts),
            proxies=proxies,
            overload=self._overload,
            event_limits=EventLimits(telemetry.app_events_per_second, telemetry.address_events_per_second),
            facts=self._facts,
            scheme="https" if setup.tls else "http",
        )
        self._service.moments.learn(setup.heads_issued)
        self._tls = PortTls(setup.tls) if setup.tls else None
        self._traffic = Traffic(AccessLog(setup.log.format) if setup.log.access else None)
        self._lanes: LaneContext | None = None
        self._leaving = asyncio.Event()
        self._building = asyncio.Lock()
        self._incomplete: dict[str, Head] = {}  # of the apps that are served without a manifest of theirs

    async def run(self) -> None:
        """Serve until told to leave; returns when every request under way is answered or the time for it is over."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._leaving.set)
        await self._take(self._setup.heads)
        runner = web.AppRunner(
            build_device_app(self._service, self._files, self._readiness, self._patience),
            access_log=None,
            shutdown_timeout=self._setup.devices.drain_seconds,
        )
        await runner.setup()
        assert runner.server is not None
        usual = accept_with(runner.server, self._connections, loop, traffic=self._traffic)
        lanes = self._lanes = LaneContext(
            self._service,
            self._files,
            self._connections,
            self._patience,
            lambda address: usual(admitted_as=address),
            self._traffic,
        )
        server = await loop.create_server(lambda: Lane(lanes), **self._port_options())
        watching = [loop.create_task(job) for job in (watch_lag(self._overload), lanes.sweep(), self._mend())]
        settle_collector()
        share_the_interpreter()
        self._readiness.ready = True
        self._link.send(Ready())
        # Followed to the end: requests that are finished while draining may wait for the writer of device facts.
        following = loop.create_task(self._follow())
        try:
            await self._leaving.wait()
        finally:
            self._readiness.ready = False
            server.close()
            for job in watching:
                job.cancel()
            await asyncio.gather(lanes.open_lanes.drain(self._setup.devices.drain_seconds), runner.cleanup())
            await self._spool.close()
            await self._files.close()
            self._facts.flush()
            self._facts.close()
            if self._traffic.access is not None:
                self._traffic.access.close()
            following.cancel()
            self._link.close()

    async def _follow(self) -> None:
        while True:
            match await self._link.receive():
                case NewHeads(number, heads):
                    await self._take(heads)
                    self._link.send(Acknowledged(number))
                case Issued(issued):
                    self._service.moments.learn(issued)
                case StatusQuery(number):
                    self._link.send(Status(number, len(self._current), self._counts()))
                case Recorded(number, refused, withheld):
                    self._facts.settle(number, refused, withheld)
                case NewPair(number, pair) if self._tls is not None:
                    self._tls.replace(pair)
                    self._link.send(Acknowledged(number))
                case Drain():
                    self._leaving.set()
                case None:  # the supervisor is gone: a node without one is not to serve on
                    self._leaving.set()
                    return

    def _port_options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"sock": self._listening, "backlog": LISTEN_BACKLOG}
        if self._tls is not None:
            options["ssl"] = self._tls.context
            options |= {"ssl_handshake_timeout": HANDSHAKE_SECONDS, "ssl_shutdown_timeout": SHUTDOWN_SECONDS}
        return options

    async def _take(self, heads: Mapping[str, Head]) -> None:
        if heads:
            async with self._building:
                self._current.swap(await asyncio.to_thread(self._build, heads))

    async def _mend(self) -> None:
        """Look again for manifests that were lost."""
        while True:
            await asyncio.sleep(MEND_SECONDS)
            await self._take(dict(self._incomplete))

    def _build(self, heads: Mapping[str, Head]) -> list[AppSnapshot]:
        """What could be read and verified; an app that could not keeps its last good snapshot, and it is said."""
        built = []
        for app, head in heads.items():
            served = self._current.snapshot(AppId(app))
            if served and served.revision >= head.revision and app not in self._incomplete:
                continue
            try:
                snapshot = self._current.build(AppId(app), head, time.time())
                built.append(snapshot)
                self._incomplete.pop(app, None)
                if snapshot.lost:
                    self._incomplete[app] = head
            except Exception:
                log.exception("app %s stays at its last good revision: revision %s is unreadable", app, head.revision)
                self._service.counts["unreadable_revisions"] += 1
        return built

    def _counts(self) -> dict[str, int]:
        overload = self._overload
        busy = {"in_progress": overload.in_progress, "downloads": overload.downloads}
        overloaded = {"overloaded": int(overload.overloaded), "lost_blobs": len(self._service.lost), **busy}
        dropped = {"offers_not_noted": self._facts.offers_dropped}
        lanes = self._lanes.counts() if self._lanes else {}
        answered = self._traffic.counts()
        return {**self._service.counts, **self._connections.counts(), **lanes, **answered, **overloaded, **dropped}


def share_the_interpreter() -> None:
    """A snapshot is built in a thread, some milliseconds of Python each. At the usual interval a check that comes
    meanwhile waits 5 ms at each turn of the loop for the thread to let go; at this one, a tenth of that.
    """
    sys.setswitchinterval(SWITCH_SECONDS)


def settle_collector() -> None:
    """What is loaded now stays: the collector does not look at it again, and at the rest only seldom. Requests and
    snapshots make no cycles, so what they leave is freed at once; the collector is for the odd exception's trace.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS, 20, 100)


async def serve(listening: socket.socket, end: socket.socket) -> None:
    link = await Link.over(end, ToWorker)
    setup = await link.receive()
    if isinstance(setup, Setup):  # None: the supervisor left before it said anything
        set_up_logging(setup.log)
        await Worker(setup, link, listening).run()


def main() -> None:
    # Ctrl-C reaches the whole process group; the supervisor alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    listening, end = (socket.socket(fileno=int(number)) for number in sys.argv[1:3])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(listening, end))


if __name__ == "__main__":
    main()
