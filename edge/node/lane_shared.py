"""What all lanes of a worker share: the desk, the files, the connections, the clock of the second, and the heads.

The heads say what aiohttp's answers say, in the same order, so that nobody can tell which door a request went through.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web

from edge.node.access_log import Line
from edge.node.bundle_routes import Patience
from edge.node.connections import HEADER_SECONDS, KEEP_ALIVE_SECONDS, Connections
from edge.node.delivery import TRANSIENT, Asked, Blob, plan_delivery
from edge.node.desk import DeviceDesk, Reply
from edge.node.fetch import Fetch
from edge.node.files import OpenFile, OpenFiles
from edge.node.lost import RETRY_AFTER_SECONDS
from edge.node.ordinary import Head, KnownHeads
from edge.node.peers import Peer, find_peer, prefix_of
from edge.node.refusals import refusal_body
from edge.node.traffic import ROUTES, Traffic

if TYPE_CHECKING:
    from edge.node.lane import Lane

SWEEP_SECONDS = 1.0  # how exact the clock of idle connections is; a timer for each request would cost a tenth of it

# Heads of answers with bytes of a file: after a publish every device fetches the same ones. Peers choose the words of a
# range, so these are 8 MB at the very most.
PLANS_LIMIT = 1024

log = logging.getLogger("edge.lane")

CORS = (
    b"Access-Control-Allow-Origin: *\r\n"
    b"Access-Control-Expose-Headers: ETag, Content-Range, Accept-Ranges, Retry-After\r\n"
)
_JSON = b"Content-Type: application/json\r\n"

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


class Outgoing(NamedTuple):
    """An answer with a piece of a file: its head and, of the file, from where and how many bytes."""

    status: int
    head: bytes
    offset: int = 0
    length: int = 0

    @property
    def total_bytes(self) -> int:
        return len(self.head) + self.length


class LaneShared:
    """`fallback(address)` makes aiohttp's protocol for a connection that was admitted under that address already."""

    def __init__(
        self,
        desk: DeviceDesk,
        files: OpenFiles,
        connections: Connections,
        patience: Patience,
        fallback: Callable[[str], web.RequestHandler],
        traffic: Traffic | None = None,
    ) -> None:
        self.desk = desk
        self.files = files
        self.connections = connections
        self.patience = patience
        self.fallback = fallback
        self.traffic = traffic or Traffic()
        self.known_heads = KnownHeads(desk.proxies.country_header)
        self.lanes: set[Lane] = set()
        self._left = asyncio.Event()
        self._full = 0  # connections that found no place, as of the last tick
        self.checks = self.reports = self.deliveries = self.handed_over = self.bugs = 0
        self.tick()

    def tick(self) -> None:
        """Once a second: the time, as heads tell it, as idle connections are measured by, and as the desk knows it."""
        self.now = time.monotonic()
        now = time.time()
        self.desk.moments.tick(now)
        if self.desk.overload.overloaded or self.connections.full > self._full:
            self.desk.faults.note_everything()
        self._full = self.connections.full
        self.date = b"Date: %s\r\n" % formatdate(now, usegmt=True).encode()
        self._date_end = self.date + b"\r\n"
        self._ok, self._ok_closing = (_json_start(200, closes, self.date) for closes in (False, True))

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

    def forget(self, lane: "Lane") -> None:
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
        return find_peer(address, (), None, self.desk.proxies)

    def answer(self, reply: Reply, closes: bool, takes_gzip: bool) -> bytes:
        """A whole answer of the desk's."""
        body, gzipped = reply.body.plain, reply.body.gzipped
        if gzipped is None and reply.status == 200:
            return b"%s%d\r\n\r\n%s" % (self._ok_closing if closes else self._ok, len(body), body)
        packed = gzipped is not None and takes_gzip
        if packed and gzipped is not None:
            body = gzipped
        start = _json_start(reply.status, closes, self.date, gzipped is not None, packed)
        return b"%s%d\r\n\r\n%s" % (start, len(body), body)

    def admits(self, fetch: Fetch) -> bool:
        """Whether a download can begin now, and this app's devices may read the blob."""
        overload, snapshot = self.desk.overload, self.desk.current.snapshot(fetch.app)
        if snapshot is None or overload.overloaded or overload.downloads_full:
            return False
        return snapshot.may_read(fetch.kind, fetch.digest)

    def outgoing(self, fetch: Fetch, file: OpenFile, closes: bool) -> Outgoing:
        planned = _planned(Blob(fetch.kind, fetch.digest, file.bytes, file.modified), fetch.asked, closes)
        return planned._replace(head=planned.head + self._date_end)

    def failed(self, fetch: Fetch, address: str = "") -> None:
        """This node failed a download; with `address`, because that peer took nothing."""
        self.desk.faults.note_download(fetch.app, fetch.digest, prefix_of(address) if address else "")

    def lost(self, fetch: Fetch, closes: bool) -> Outgoing:
        """For a blob that went between the look for it and its opening."""
        self.desk.lost.note(fetch.app, fetch.digest)
        self.failed(fetch)
        body = refusal_body(503)
        headers = (
            ("Content-Type", "application/json"),
            ("Retry-After", str(RETRY_AFTER_SECONDS)),
            ("Cache-Control", TRANSIENT),
            ("Content-Length", str(len(body))),
        )
        start = _start_of(503, headers, closes)
        return Outgoing(503, start + self._date_end + (b"" if fetch.asked.method == "HEAD" else body))


@lru_cache(PLANS_LIMIT)
def _planned(blob: Blob, asked: Asked, closes: bool) -> Outgoing:
    """Without the end of its head, which tells the second."""
    plan = plan_delivery(blob, asked)
    return Outgoing(plan.status, _start_of(plan.status, plan.headers, closes), plan.offset, plan.length)


def _json_start(status: int, closes: bool, date: bytes, varies: bool = False, packed: bool = False) -> bytes:
    """A head of JSON up to the name of its length: what is left is a number and an empty line."""
    return b"".join(
        (
            _STATUS_LINES[status],
            b"Content-Encoding: gzip\r\n" if packed else b"",
            b"Vary: Accept-Encoding\r\n" if varies else b"",
            _JSON,
            CORS,
            b"Connection: close\r\n" if closes else b"",
            date,
            b"Content-Length: ",
        )
    )


def _start_of(status: int, headers: Iterable[tuple[str, str]], closes: bool) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers).encode("latin-1")
    return b"".join((_STATUS_LINES[status], lines, CORS, b"Connection: close\r\n" if closes else b""))
