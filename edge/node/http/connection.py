"""aiohttp's protocol behind the worker's admission: connections are counted, and a slow or long request head is cut.

What aiohttp itself refuses is answered in the device protocol's shape.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import islice
from time import perf_counter
from time import time as clock
from typing import Any

from aiohttp import HttpVersion10, HttpVersion11, web

from edge.node.http.peer import ASKED_APP, BEGUN, peer_behind
from edge.node.http.refusals import refuse, refuse_malformed
from edge.node.observing.access_log import METHOD_LIMIT, Line
from edge.node.observing.traffic import ROUTES, Traffic, route_of
from edge.node.service.addresses import plain_address
from edge.node.service.admission import (
    FIELD_LIMIT_BYTES,
    FIELDS_LIMIT,
    HEAD_LIMIT_BYTES,
    HEADER_SECONDS,
    KEEP_ALIVE_SECONDS,
    LINE_LIMIT_BYTES,
    LINGER_SECONDS,
    Connections,
)

SPOKEN = frozenset({HttpVersion10, HttpVersion11})


class CountedConnection(web.RequestHandler):
    """aiohttp's own protocol, let in only while its peer has connections left, and cut when its head does not come."""

    __slots__ = ("_admitted_as", "_connections", "_head_bytes", "_head_seconds", "_head_timer", "_traffic")

    def __init__(
        self,
        server: web.Server,
        connections: Connections,
        loop: asyncio.AbstractEventLoop,
        *,
        header_seconds: float = HEADER_SECONDS,
        keep_alive_seconds: float = KEEP_ALIVE_SECONDS,
        admitted_as: str | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        """`admitted_as`: the address of a connection that is counted already and comes from another protocol."""
        self._traffic = traffic or Traffic()
        limits: dict[str, Any] = {
            "keepalive_timeout": keep_alive_seconds,
            "lingering_time": LINGER_SECONDS,
            "max_line_size": LINE_LIMIT_BYTES,
            "max_field_size": FIELD_LIMIT_BYTES,
            "max_headers": FIELDS_LIMIT,
            "auto_decompress": False,  # no plugin compresses a body; a forger's would grow a thousandfold here
            "access_log": None,  # ours is in `log_access`
        }
        super().__init__(server, loop=loop, **limits)
        self._connections = connections
        self._admitted_as = admitted_as
        self._head_seconds = header_seconds
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        address = plain_address(peer[0]) if peer else ""
        if self._admitted_as is not None:
            self._await_head()
        elif self._connections.admit(address):
            self._admitted_as = address
            self._await_head()
        else:
            transport.abort()  # type: ignore[attr-defined]
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._admitted_as is not None:
            self._connections.release(self._admitted_as)
            self._admitted_as = None
        self._head_arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        heads = self._request_count
        super().data_received(data)
        if arrived := self._request_count - heads:
            self._head_arrived()
            self._refuse_other_versions(arrived)
        elif self._waits_for_head():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_LIMIT_BYTES:
                self._connections.long_heads += 1
                self._cut()
            elif self._head_timer is None:
                self._await_head()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        # What is raised before our middlewares see the request: an `Expect` we do not know.
        shaped = refuse(resp) if isinstance(resp, web.HTTPException) else resp
        return await super().finish_response(request, shaped, start_time)

    def log_access(self, request: web.BaseRequest, response: web.StreamResponse, time: float | None) -> None:
        """Called once for every answer, when it is out or its peer has left."""
        route, sent_bytes = route_of(request.path), request.writer.output_size
        self._traffic.note(route, response.status, sent_bytes)
        if (access := self._traffic.access) is not None:
            ended = perf_counter()
            seconds = ended - request.get(BEGUN, ended)  # what was refused before our middlewares took no time
            peer = peer_behind(request, self._connections.proxies).prefix
            app = request.get(ASKED_APP, "")
            method = request.method[:METHOD_LIMIT]
            access.note(Line(clock(), method, ROUTES[route], response.status, sent_bytes, seconds, app, peer))

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        if isinstance(exc, ConnectionError):
            return refuse_malformed()  # the peer left before our middlewares saw the request; nobody reads this
        if status >= 500 or request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        self._connections.malformed += 1  # counted, not logged: a flood of them must not fill the disk
        return refuse_malformed()

    def _refuse_other_versions(self, arrived: int) -> None:
        """aiohttp would answer "HTTP/0.9" to what says so, which is then nobody's HTTP."""
        for message, _ in islice(reversed(self._messages), arrived):
            if getattr(message, "version", HttpVersion11) not in SPOKEN:
                self._connections.malformed += 1
                self._cut()
                return

    def _waits_for_head(self) -> bool:
        # Nothing parsed and nobody at work: what has come so far is the beginning of a head.
        return not self._messages and self._waiter is not None and not self._waiter.done()

    def _await_head(self) -> None:
        self._head_timer = self._loop.call_later(self._head_seconds, self._give_up_head)

    def _head_arrived(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up_head(self) -> None:
        self._head_timer = None
        self._connections.slow_heads += 1
        self._cut()

    def _cut(self) -> None:
        transport = self.transport
        self.force_close()
        if transport is not None:
            transport.abort()


def accept_with(
    server: web.Server, connections: Connections, loop: asyncio.AbstractEventLoop, **limits: Any
) -> Callable[..., CountedConnection]:
    """What makes a protocol for a connection: one that is accepted, or, with `admitted_as`, one that is handed over."""
    return partial(CountedConnection, server, connections, loop, **limits)
