"""What all lanes of a worker share: the services behind an answer, a clock that ticks once a second, and counters."""

import asyncio
import logging
import time
from collections.abc import Callable

import msgspec
from aiohttp import web

from edge.config import is_loopback
from edge.node.delivery.dictionaries import DCZ
from edge.node.delivery.files import OpenFile, OpenFiles
from edge.node.delivery.pace import Patience
from edge.node.lane.answers import Answers, Outgoing
from edge.node.lane.fetch import Fetch
from edge.node.lane.registry import LaneRegistry
from edge.node.lane.requests import KnownHeads, RequestHead
from edge.node.links.samples import LinkSamples
from edge.node.observing.access_log import Line
from edge.node.observing.traffic import ROUTES, Traffic
from edge.node.service.device_service import DeviceService
from edge.node.service.heard.delivery_counts import SentBlob
from edge.node.service.limits.admission import Connections
from edge.node.service.limits.loan import Handed
from edge.node.service.peers import NOWHERE, Peer, Whence, find_peer, told_id

SWEEP_SECONDS = 1.0  # the precision of idle timeouts; a timer per request would cost a tenth of the request

log = logging.getLogger("edge.lane")


class LaneContext:
    """One per worker; the public counters are totals since it started.

    `fallback(handed)` makes aiohttp's protocol for a connection that is handed over, and already admitted.
    """

    def __init__(
        self,
        service: DeviceService,
        files: OpenFiles,
        connections: Connections,
        patience: Patience,
        fallback: Callable[[Handed], web.RequestHandler],
        traffic: Traffic | None = None,
    ) -> None:
        self.service = service
        self.files = files
        self.connections = connections
        self.patience = patience
        self.fallback = fallback
        self.traffic = traffic or Traffic()
        self.links = LinkSamples(lambda address: is_loopback(address) or service.proxies.trusts(address))
        self.known_heads = KnownHeads(service.proxies.country_header)
        self.answers = Answers(time.time())
        self.leaving = False  # set by the worker that leaves: each answer is then its connection's last
        self.open_lanes = LaneRegistry(connections)
        self.checks = self.reports = self.deliveries = self.handed_over = self.taken_back = self.bugs = 0
        self._full = 0  # connections refused for lack of room, as of the last tick
        self.tick()

    def tick(self) -> None:
        """Once a second: set `now` (monotonic), the service's clock and the Date of answers; report overload."""
        self.now = time.monotonic()
        now = time.time()
        self.service.moments.tick(now)
        if self.service.overload.overloaded or self.connections.full > self._full:
            self.service.faults.note_everything()
        self._full = self.connections.full
        self.answers.tick(now)

    async def sweep(self) -> None:
        """Tick, end idle lanes and cut slow peers, once a second, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.tick()
            self.open_lanes.end_idle(self.now)
            self.connections.unread.sweep(self.now)

    def counts(self) -> dict[str, int]:
        """By the names that the worker's metrics have."""
        return {
            "lane_checks": self.checks,
            "lane_reports": self.reports,
            "lane_deliveries": self.deliveries,
            "lane_handed_over": self.handed_over,
            "lane_taken_back": self.taken_back,
            "lane_bugs": self.bugs,
        }

    def record_answer(
        self, whence: Whence, head: RequestHead, status: int, sent_bytes: int, begun: float, app: str
    ) -> None:
        """Count one answer and write its access log line, if there is a log. `begun` is of `time.perf_counter`."""
        self.traffic.note(head.route, status, sent_bytes)
        if (access := self.traffic.access) is not None:
            seconds, name, peer = time.perf_counter() - begun, ROUTES[head.route], self.peer_of(whence).prefix
            line = Line(time.time(), head.method, name, status, sent_bytes, seconds, app, peer, whence.request_id)
            access.note(line)

    def note_delivery(self, fetch: Fetch, answer: Outgoing, size_bytes: int, begun: float) -> None:
        """An answer has ended, of whose part of a file `size_bytes` were sent."""
        if answer.length:
            seconds = time.perf_counter() - begun if answer.status == 200 else None
            sent = SentBlob(fetch.app, fetch.kind, fetch.digest, DCZ if fetch.patch else "")
            self.service.deliveries.note(sent, size_bytes, answer.length, seconds)

    def record_bug(self, bug: BaseException, whence: Whence = NOWHERE) -> None:
        """Count and log an exception that no code expected."""
        self.bugs += 1
        log.error("bug while answering a device%s", told_id(whence), exc_info=bug)

    def record_failure(self, fetch: Fetch, slow: Whence | None = None) -> None:
        """This node failed a download; `slow` is whence it was asked for, if that peer was too slow."""
        self.service.faults.note_download(fetch.app, fetch.digest, self.peer_of(slow).prefix if slow else "")

    def peer_of(self, whence: Whence) -> Peer:
        """The peer of a request."""
        return find_peer(whence, self.service.proxies)

    def plan_file(self, fetch: Fetch, file: OpenFile, closes: bool) -> Outgoing:
        """The head, and which part of `file` follows it; a patch that is sent is counted."""
        answer = self.answers.plan_file(fetch, file, closes)
        if fetch.patch and answer.length:
            self.service.counts.others["patches_sent"] += 1
        return answer

    def admitted(self, fetch: Fetch) -> Fetch | None:
        """The download, with the patch from the dictionary that its client has, if there is one. None without room for
        a download, or if this app's devices may not read the blob."""
        overload, snapshot = self.service.overload, self.service.current.snapshot(fetch.app)
        if snapshot is None or overload.overloaded or overload.downloads_full:
            return None
        if not snapshot.may_read(fetch.kind, fetch.digest):
            return None
        patch = snapshot.patch_to(fetch.digest, fetch.terms.held) if fetch.terms.held else None
        return fetch if patch is None else msgspec.structs.replace(fetch, patch=patch)
