"""Which connections a worker takes, and how long one may take to say what it wants.

A device needs a few connections, a flood gets no more. Closing without a word costs the node least; to a plugin it is
a network error, never a verdict. What aiohttp itself refuses is answered here in the protocol's shape.
"""

import asyncio
import resource
from collections.abc import Callable
from functools import partial
from itertools import islice
from time import perf_counter
from time import time as clock
from typing import Any

from aiohttp import HttpVersion10, HttpVersion11, web

from edge.node.access_log import METHOD_LIMIT, Line
from edge.node.addresses import plain_address
from edge.node.asking import ASKED_APP, BEGUN, peer_behind
from edge.node.peers import Proxies, prefix_of
from edge.node.refusals import refuse, refuse_malformed
from edge.node.traffic import ROUTES, Traffic, route_of

HEADER_SECONDS = 20.0  # for a whole request head: the longest a plugin waits for an answer (device-protocol §1.1)
KEEP_ALIVE_SECONDS = 75  # an idle connection of a device that went to sleep; nginx's own default
LINGER_SECONDS = 2.0  # given to a peer that still sends what was refused, so that it reads why
# A real head has 500 bytes, behind three proxies 2 kB. The longest line is the query of a GET /channel_self.
LINE_LIMIT_BYTES = 8 * 1024
FIELD_LIMIT_BYTES = 8 * 1024
FIELDS_LIMIT = 64
HEAD_LIMIT_BYTES = 32 * 1024  # all of it: one connection may hold no more before it has said what it wants

SPOKEN = frozenset({HttpVersion10, HttpVersion11})

# Beside connections a worker holds its cached files, its store and log, the link and the spool.
RESERVED_DESCRIPTORS = 640
DESCRIPTORS_PER_CONNECTION = 2  # its socket, and the duplicate a download is sent through
CONNECTIONS_LIMIT = 50_000  # of one worker, at some 15 kB each; a device that finds no place comes again


class Connections:
    """`limit` per address prefix, 0 for none; `total` of all; connections of `proxies` carry everybody and count only
    there. The other numbers are what happened.
    """

    def __init__(self, limit: int, proxies: Proxies, total: int = CONNECTIONS_LIMIT) -> None:
        self._limit = limit
        self.proxies = proxies
        self.total = total
        self._held: dict[str, int] = {}
        self.open = 0
        self.refused = self.full = self.slow_heads = self.long_heads = self.malformed = 0

    def admit(self, address: str) -> bool:
        """Count one more connection of `address`, unless it has its share; then False, and nothing to release."""
        if self.open >= self.total:
            self.full += 1
            return False
        if self._limit and not self.proxies.trusts(address):
            prefix = prefix_of(address)
            held = self._held.get(prefix, 0)
            if held >= self._limit:
                self.refused += 1
                return False
            self._held[prefix] = held + 1
        self.open += 1
        return True

    def release(self, address: str) -> None:
        self.open -= 1
        prefix = prefix_of(address)
        held = self._held.get(prefix, 0)
        if held > 1:
            self._held[prefix] = held - 1
        else:
            self._held.pop(prefix, None)

    def held(self, address: str) -> int:
        return self._held.get(prefix_of(address), 0)

    def counts(self) -> dict[str, int]:
        return {
            "connections": self.open,
            "connections_refused": self.refused,
            "connections_full": self.full,
            "slow_heads": self.slow_heads,
            "long_heads": self.long_heads,
            "malformed_requests": self.malformed,
        }


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


def connections_limit(descriptors: int) -> int:
    """How many connections fit into so many descriptors; at least one, or a node on a tiny limit would serve nobody."""
    return max(1, min(CONNECTIONS_LIMIT, (descriptors - RESERVED_DESCRIPTORS) // DESCRIPTORS_PER_CONNECTION))


def raise_descriptor_limit() -> int:
    """Take all the descriptors the system lets this process have; the usual 1,024 are a desktop's. Returns how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = RESERVED_DESCRIPTORS + DESCRIPTORS_PER_CONNECTION * CONNECTIONS_LIMIT
    limit = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return limit


def accept_with(
    server: web.Server, connections: Connections, loop: asyncio.AbstractEventLoop, **limits: Any
) -> Callable[..., CountedConnection]:
    """What makes a protocol for a connection: one that is accepted, or, with `admitted_as`, one that is handed over."""
    return partial(CountedConnection, server, connections, loop, **limits)
