"""The lanes of a worker: every open connection, what they all share, and the sweep that ends idle and slow ones."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from aiohttp import web

from edge.node.delivery.files import OpenFiles
from edge.node.delivery.send import Patience
from edge.node.lane.answers import Answers, Outgoing
from edge.node.lane.fetch import Fetch
from edge.node.lane.requests import Head, KnownHeads
from edge.node.observing.access_log import Line
from edge.node.observing.traffic import ROUTES, Traffic
from edge.node.service.admission import HEADER_SECONDS, KEEP_ALIVE_SECONDS, Connections
from edge.node.service.device_service import DeviceService
from edge.node.service.peers import Peer, find_peer, prefix_of

SWEEP_SECONDS = 1.0  # how exact the clock of idle connections is; a timer for each request would cost a tenth of it

log = logging.getLogger("edge.lane")


class Swept(Protocol):
    """A connection as the registry sees it: how long it has been idle, and how to end it."""

    touched: float  # of `time.monotonic`: when bytes last arrived or an answer was finished

    @property
    def waits(self) -> bool:
        """Whether the beginning of a request is here and the rest is not."""

    def close_when_idle(self) -> None:
        """Take no further request: end now, or with the answer that is under way."""

    def cut_off(self) -> None:
        """End now, whatever is under way."""


class LaneShared:
    """`fallback(address)` makes aiohttp's protocol for a connection that was admitted under that address already."""

    def __init__(
        self,
        service: DeviceService,
        files: OpenFiles,
        connections: Connections,
        patience: Patience,
        fallback: Callable[[str], web.RequestHandler],
        traffic: Traffic | None = None,
    ) -> None:
        self.service = service
        self.files = files
        self.connections = connections
        self.patience = patience
        self.fallback = fallback
        self.traffic = traffic or Traffic()
        self.known_heads = KnownHeads(service.proxies.country_header)
        self.answers = Answers(time.time())
        self.lanes: set[Swept] = set()
        self._left = asyncio.Event()
        self._full = 0  # connections that found no place, as of the last tick
        self.checks = self.reports = self.deliveries = self.handed_over = self.bugs = 0
        self.tick()

    def tick(self) -> None:
        """Once a second: set the clock of answers, of idle connections and of the service."""
        self.now = time.monotonic()
        now = time.time()
        self.service.moments.tick(now)
        if self.service.overload.overloaded or self.connections.full > self._full:
            self.service.faults.note_everything()
        self._full = self.connections.full
        self.answers.tick(now)

    async def sweep(self) -> None:
        """For ever: end what is idle too long, cut what does not finish saying what it wants."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.tick()
            for lane in list(self.lanes):
                idle_seconds = self.now - lane.touched
                if lane.waits and idle_seconds > HEADER_SECONDS:
                    self.connections.slow_heads += 1
                    lane.cut_off()
                elif idle_seconds > KEEP_ALIVE_SECONDS:
                    lane.close_when_idle()

    async def drain(self, seconds: float) -> None:
        """Let every answer under way be finished, for so long; what is idle ends now."""
        for lane in list(self.lanes):
            lane.close_when_idle()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.lanes:
                    self._left.clear()
                    await self._left.wait()
        for lane in list(self.lanes):
            lane.cut_off()

    def counts(self) -> dict[str, int]:
        return {
            "lane_checks": self.checks,
            "lane_reports": self.reports,
            "lane_deliveries": self.deliveries,
            "lane_handed_over": self.handed_over,
            "lane_bugs": self.bugs,
        }

    def forget(self, lane: Swept) -> None:
        self.lanes.discard(lane)
        self._left.set()

    def note_bug(self, bug: BaseException) -> None:
        self.bugs += 1
        log.error("bug while answering a device", exc_info=bug)

    def note(self, address: str, head: Head, status: int, sent_bytes: int, begun: float, app: str) -> None:
        """Count one answer, and write its line where an access log is kept. `begun` is of `time.perf_counter`."""
        self.traffic.note(head.route, status, sent_bytes)
        if (access := self.traffic.access) is not None:
            seconds, name = time.perf_counter() - begun, ROUTES[head.route]
            access.note(Line(time.time(), head.method, name, status, sent_bytes, seconds, app, prefix_of(address)))

    def peer_of(self, address: str) -> Peer:
        return find_peer(address, (), None, self.service.proxies)

    def admits(self, fetch: Fetch) -> bool:
        """Whether a download can begin now, and this app's devices may read the blob."""
        overload, snapshot = self.service.overload, self.service.current.snapshot(fetch.app)
        if snapshot is None or overload.overloaded or overload.downloads_full:
            return False
        return snapshot.may_read(fetch.kind, fetch.digest)

    def failed(self, fetch: Fetch, address: str = "") -> None:
        """This node failed a download; with `address`, because that peer took nothing."""
        self.service.faults.note_download(fetch.app, fetch.digest, prefix_of(address) if address else "")

    def lost(self, fetch: Fetch, closes: bool) -> Outgoing:
        """For a blob that went between the look for it and its opening."""
        self.service.lost.note(fetch.app, fetch.digest)
        self.failed(fetch)
        return self.answers.lost(fetch, closes)
