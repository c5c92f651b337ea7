"""aiohttp's protocol behind an admission: limits on connections and on the time and size of request heads.

Both ports use it. Requests that aiohttp itself refuses are answered in the shape of all errors, and counted instead of
logged: nothing that a peer sends reaches the log.
"""

import asyncio
import logging
import traceback
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from time import perf_counter
from time import time as clock
from typing import Any, cast

from aiohttp import HttpVersion10, HttpVersion11, web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from edge.node.delivery.send import reset_open
from edge.node.http.framing import Framing
from edge.node.http.peer import BEGUN, REQUESTED_APP, whence_of
from edge.node.http.refusals import refuse, refuse_malformed
from edge.node.observing.access_log import METHOD_LIMIT, Line
from edge.node.observing.traffic import ROUTES, Traffic, route_of
from edge.node.service.addresses import plain_address
from edge.node.service.limits.admission import (
    FIELD_LIMIT_BYTES,
    FIELDS_LIMIT,
    HEAD_LIMIT_BYTES,
    KEEP_ALIVE_SECONDS,
    LINE_LIMIT_BYTES,
    LINGER_SECONDS,
    Connections,
)
from edge.node.service.limits.loan import Handed, Loan
from edge.node.service.peers import find_peer
from edge.wire.arrival import HEAD_SECONDS

TURNS = 4  # of the loop, from an answer's last byte until aiohttp waits for the next request
VERSIONS = frozenset({HttpVersion10, HttpVersion11})

# No route has a longer path, and aiohttp looks at each of its parts: 4,000 take 4 ms. A longer one is no route's.
PATH_LIMIT_BYTES = 1024
NOWHERE = URL("/a-path-above-the-limit/")

# What a peer's bytes raise inside aiohttp, also while it reads the rest of a body that no handler asked for.
MALFORMED = (HttpProcessingError, web.RequestPayloadError, ConnectionError)

log = logging.getLogger("edge.http")


class CountedConnection(web.RequestHandler):
    """Admitted while its peer has connections left; aborted when a request head is too slow or too long."""

    __slots__ = (
        *("_address", "_admitted_as", "_channel", "_connections", "_framing", "_handed"),
        *("_head_bytes", "_head_seconds", "_head_timer", "_loan", "_traffic", "touched"),
    )

    def __init__(
        self,
        server: web.Server,
        connections: Connections,
        loop: asyncio.AbstractEventLoop,
        *,
        header_seconds: float = HEAD_SECONDS,
        keep_alive_seconds: float = KEEP_ALIVE_SECONDS,
        handed: Handed | None = None,
        traffic: Traffic | None = None,
    ) -> None:
        """`handed`: another protocol was admitted before it handed the connection over."""
        self._traffic = traffic or Traffic()
        limits: dict[str, Any] = {
            "keepalive_timeout": keep_alive_seconds,
            "lingering_time": LINGER_SECONDS,
            "max_line_size": LINE_LIMIT_BYTES,
            "max_field_size": FIELD_LIMIT_BYTES,
            "max_headers": FIELDS_LIMIT,
            "auto_decompress": False,  # no plugin compresses bodies, and a forged one could inflate a thousandfold
            "access_log": None,  # `log_access` writes ours
        }
        super().__init__(server, loop=loop, **limits)
        self._connections = connections
        self._address = ""
        self.touched = 0.0
        self._handed = handed
        self._loan = handed.loan if handed is not None else None
        self._admitted_as = handed.address if handed is not None else None
        self._head_seconds = header_seconds
        self._head_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._framing = Framing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._channel = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        address = self._address = plain_address(peer[0]) if peer else ""
        if self._handed is not None:
            self._start_head_timer(self._handed.waited_seconds)
        elif self._connections.admit(address):
            self._admitted_as = address
            self._start_head_timer()
        else:
            self._channel.abort()
        if self._admitted_as is not None:
            self._connections.unread.add(self, self._channel, self._address)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._admitted_as is not None:
            self._connections.release(self._admitted_as)
            self._admitted_as = None
        self._connections.unread.remove(self)
        self._stop_head_timer()
        super().connection_lost(exc)

    @property
    def downloads(self) -> bool:
        """Whether a file may be being sent, of which the sender judges the pace."""
        return self._current_request is not None

    def pause_writing(self) -> None:
        super().pause_writing()
        self._connections.unread.hold(self)

    def resume_writing(self) -> None:
        self._connections.unread.release(self)
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        self.touched = self._connections.unread.now
        if self._loan is not None and data:
            self._take_part(self._loan, data)
        else:
            self._parse(data)

    def _take_part(self, loan: Loan, data: bytes) -> None:
        if own := loan.take(data):
            self._parse(own)
            if loan.whole and self._loan is loan and not self._has_all():
                self._keep(loan)
        elif loan.full:
            self._channel.pause_reading()

    def _parse(self, data: bytes) -> None:
        size = self._framing.next_piece(data)
        self._receive(data[:size])  # nothing, too: aiohttp goes on so with what its parser holds
        while (data := data[size:]) and self.transport is not None:
            size = self._framing.next_piece(data)
            self._receive(data[:size])

    def _receive(self, data: bytes) -> None:
        heads = self._request_count
        super().data_received(data)
        if arrived := self._request_count - heads:
            self._stop_head_timer()
            self._check_heads(arrived)
        elif self._waits_for_head():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_LIMIT_BYTES:
                self._connections.long_heads += 1
                self._abort()
            elif self._head_timer is None:
                self._start_head_timer()
        if not self._framing.note(data) and self.transport is not None:
            self._connections.malformed += 1
            self._abort()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        # Raised before our middlewares see the request: an unknown `Expect`.
        shaped = refuse(resp) if isinstance(resp, web.HTTPException) else resp
        done = await super().finish_response(request, shaped, start_time)
        self.touched = self._connections.unread.now
        if self._loan is not None:
            self._loop.call_soon(self._give_back, TURNS)
        return done

    def log_access(self, request: web.BaseRequest, response: web.StreamResponse, time: float | None) -> None:
        """Called by aiohttp once per answer, after it was sent or its peer left."""
        route, sent_bytes = route_of(request.path), request.writer.output_size
        if response.status == HTTPStatus.REQUEST_TIMEOUT:
            self._connections.note_cut("slow_body")
        self._traffic.note(route, response.status, sent_bytes)
        if (access := self._traffic.access) is not None:
            ended = perf_counter()
            seconds = ended - request.get(BEGUN, ended)  # 0 if refused before our middlewares
            whence = whence_of(request, self._connections.proxies, self._address)
            peer = find_peer(whence, self._connections.proxies).prefix
            app, method, status = request.get(REQUESTED_APP, ""), request.method[:METHOD_LIMIT], response.status
            name = ROUTES[route]
            access.note(Line(clock(), method, name, status, sent_bytes, seconds, app, peer, whence.request_id))

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        if isinstance(exc, ConnectionError):
            return refuse_malformed()  # the peer left before our middlewares saw the request, and does not read this
        if status >= 500 and exc is not None and not isinstance(exc, MALFORMED):
            self.log_exception("", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionResetError("the answer has begun, so another one cannot follow")  # aiohttp ends it quietly
        if status >= 500:
            return refuse(web.HTTPInternalServerError())
        self._connections.malformed += 1  # counted but not logged: a flood must not fill the disk
        return refuse_malformed()

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Called by aiohttp for what it did not expect. A message or a traceback may quote the request, so a bug is
        logged by its kind and place alone."""
        bug = kw.get("exc_info")
        if isinstance(bug, MALFORMED):
            self._connections.malformed += 1
        else:
            log.error("bug while serving a connection: %s", _kind_and_place(bug))

    def _check_heads(self, arrived: int) -> None:
        """Abort on versions such as 0.9, in which aiohttp would otherwise answer."""
        for place in range(len(self._messages) - arrived, len(self._messages)):
            message, payload = self._messages[place]
            if getattr(message, "version", HttpVersion11) not in VERSIONS:
                self._connections.malformed += 1
                self._abort()
                return
            if isinstance(message, RawRequestMessage):
                self._framing.begin(message, payload)
                if len(message.url.raw_path) > PATH_LIMIT_BYTES:
                    self._messages[place] = (message._replace(path=NOWHERE.raw_path, url=NOWHERE), payload)

    def _waits_for_head(self) -> bool:
        # No parsed request and no handler at work: the bytes so far are the beginning of a head.
        return not self._messages and self._waiter is not None and not self._waiter.done()

    def _has_all(self) -> bool:
        """Whether aiohttp, too, sees one request in the bytes that it was lent, and its end in the last of them."""
        return self._request_count == 1 and self._framing.complete

    def _give_back(self, turns: int) -> None:
        """The answer is written: give the connection back as soon as aiohttp waits for the next request."""
        loan = self._loan
        if loan is None or self.transport is None or self._channel.is_closing():
            return
        if turns and not self._waits_for_head():
            self._loop.call_soon(self._give_back, turns - 1)
            return
        settled = loan.whole and self._has_all() and self._waits_for_head()
        if not settled or self._paused:
            self._keep(loan)
            return
        self._loan = self.transport = None  # aiohttp closes no transport that it does not have
        self._connections.unread.remove(self)
        self._admitted_as = None
        self.connection_lost(None)
        loan.take_back(loan.behind())

    def _keep(self, loan: Loan) -> None:
        """Not done with the request in time, or not sure of its end: the connection stays here."""
        self._loan = None
        self._channel.resume_reading()
        if behind := loan.behind():
            self._parse(behind)

    def _start_head_timer(self, waited_seconds: float = 0.0) -> None:
        seconds = max(self._head_seconds - waited_seconds, 0.0)
        self._head_timer = self._loop.call_later(seconds, self._on_head_timeout)

    def _stop_head_timer(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _on_head_timeout(self) -> None:
        self._head_timer = None
        self._connections.note_cut("slow_head")
        self._abort()

    def _abort(self) -> None:
        if self.transport is not None:
            self.force_close()
            reset_open(self._channel)


def _kind_and_place(bug: BaseException | None) -> str:
    steps = traceback.extract_tb(bug.__traceback__) if bug is not None else []
    place = f" in {Path(steps[-1].filename).name}, line {steps[-1].lineno}" if steps else ""
    return f"{type(bug).__name__}{place}"


def accept_with(
    server: web.Server, connections: Connections, loop: asyncio.AbstractEventLoop, **limits: Any
) -> Callable[..., CountedConnection]:
    """A factory of protocols, for accepted connections or, called with `handed`, for those handed over."""
    return partial(CountedConnection, server, connections, loop, **limits)
