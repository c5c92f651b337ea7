"""The lane: a small HTTP protocol in front of aiohttp, for the requests that come by the million.

It answers whole, ordinary requests for the hot routes by itself. Everything else about a connection, from the first
byte of the first request that is anything else, goes to aiohttp's own protocol, which stays the one HTTP
implementation for whatever is unusual. `ordinary` says what is ordinary, the service what to answer.
"""

import asyncio
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, cast

from aiohttp import web

from edge.node.delivery.files import OpenFile
from edge.node.delivery.send import Stalled, cut, send_at_once, send_file
from edge.node.lane.answers import Outgoing
from edge.node.lane.fetch import Fetch
from edge.node.lane.registry import LaneShared
from edge.node.lane.requests import END_OF_HEAD, Head
from edge.node.observing.traffic import PROBES, STATS, UPDATES
from edge.node.service.addresses import plain_address
from edge.node.service.answer_cache import EncodedBody
from edge.node.service.device_service import Reply
from edge.node.service.peers import country_of
from edge.wire.answers import greeting_body

# Requests that arrive while one is being answered wait here; a peer that sends more is not read from.
WAITING_LIMIT_BYTES = 64 * 1024

GREETING = Reply(200, EncodedBody(greeting_body(), None))


class Lane(asyncio.Protocol):
    """One connection. Requests are answered in their order, one at a time."""

    __slots__ = (
        *("_address", "_busy", "_choked", "_closing", "_data", "_named", "_proxied", "_shared", "_transport"),
        "touched",
    )

    def __init__(self, shared: LaneShared) -> None:
        self._shared = shared
        self._data = b""
        self._busy: asyncio.Task[None] | None = None
        self._choked = False
        self._closing = False
        self._address = ""
        self.touched = shared.now

    @property
    def waits(self) -> bool:
        """Whether the beginning of a request is here and the rest is not."""
        return bool(self._data) and self._busy is None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._address = plain_address(peer[0]) if peer else ""
        self._proxied = self._shared.service.proxies.trusts(self._address)
        # Whose line in the access log it is stands in headers that the lane does not read.
        self._named = self._shared.traffic.access is None or not self._proxied
        if self._shared.connections.admit(self._address):
            self._shared.lanes.add(self)
        else:
            self._closing = True
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self._shared.lanes:
            self._shared.forget(self)
            self._shared.connections.release(self._address)
        if self._busy is not None:
            self._busy.cancel()

    def data_received(self, data: bytes) -> None:
        self.touched = self._shared.now
        if self._data:
            data = self._data + data
        if self._busy is None and not self._choked:
            self._take(data)
            return
        self._data = data
        if len(data) > WAITING_LIMIT_BYTES:
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        """The peer does not read its answers: it gets no more until it does."""
        self._choked = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._choked = False
        if self._busy is None:
            self._go_on()

    def close_when_idle(self) -> None:
        """Take no further request: end now, or with the answer that is under way."""
        self._closing = True
        if self._busy is None:
            self._transport.close()

    def cut_off(self) -> None:
        self._transport.abort()

    def _take(self, data: bytes) -> None:
        """Answer the whole requests in `data` for as long as each is answered at once."""
        known = self._shared.known_heads
        while data and not self._closing and self._busy is None and not self._choked:
            end = data.find(END_OF_HEAD) + len(END_OF_HEAD)  # of a head that is not whole no beginning is known
            head = known.get(data[:end]) or known.read(data)
            if head is None:
                self._hand_over(data)
                return
            whole = end + head.body_bytes
            if len(data) < whole:
                break
            if head.route == UPDATES and self._named:
                self._check(head, data[end:whole])
            elif head.route == PROBES and self._named:
                self._greet(head)
            elif not self._begin(head, data[end:whole], alone=whole == len(data)):
                self._hand_over(data)
                return
            data = data[whole:]
        self._data = data

    def _check(self, head: Head, body: bytes) -> None:
        shared, traffic = self._shared, self._shared.traffic
        begun = 0.0 if traffic.access is None else perf_counter()
        country = country_of(head.country) if self._proxied else ""
        reply = shared.service.take_check(body, shared.service.public_url or self._base(head), country)
        shared.checks += 1
        answer = shared.answers.whole(reply, head.closes, head.takes_gzip)
        self._transport.write(answer)
        if traffic.access is None and reply.status == 200:
            traffic.checks += 1
            traffic.checks_bytes += len(answer)
        else:
            shared.note(self._address, head, reply.status, len(answer), begun, reply.app)
        if head.closes:
            self._closing = True
            self._transport.close()

    def _greet(self, head: Head) -> None:
        """A balancer asks whether we live; who answers does."""
        begun = perf_counter()
        answer = self._shared.answers.whole(GREETING, head.closes, False)
        self._transport.write(answer)
        self._shared.note(self._address, head, GREETING.status, len(answer), begun, "")
        if head.closes:
            self._closing = True
            self._transport.close()

    def _base(self, head: Head) -> str:
        own = self._transport.get_extra_info("sockname")
        return self._shared.service.base_of(head.host, own[:2] if own else ("127.0.0.1", 80))

    def _begin(self, head: Head, body: bytes, *, alone: bool) -> bool:
        """Begin what may have to wait. False: not a request for the lane after all; nothing was said yet."""
        if not self._named:
            return False
        if head.fetch is not None:
            return self._shared.admits(head.fetch) and self._deliver(head, head.fetch, at_once=alone)
        if head.route != STATS or self._proxied:
            return False  # whose report it is stands in headers, too
        self._closing = head.closes
        self._work(self._report(head, body))
        return True

    def _work(self, work: Coroutine[Any, Any, None], file: OpenFile | None = None, downloads: int = 0) -> None:
        """Something that waits: the next request is looked at when it is done. `file` is taken until then."""
        overload = self._shared.service.overload
        overload.in_progress += 1
        overload.downloads += downloads
        if file is not None:
            file.take()
        self._busy = asyncio.get_running_loop().create_task(work)
        self._busy.add_done_callback(partial(self._done, file, downloads))  # also of what ends before it began

    def _done(self, file: OpenFile | None, downloads: int, task: asyncio.Task[None]) -> None:
        self._busy = None
        self.touched = self._shared.now
        overload = self._shared.service.overload
        overload.in_progress -= 1
        overload.downloads -= downloads
        if file is not None:
            file.give_back()
        if not task.cancelled() and (bug := task.exception()) is not None:
            self._shared.note_bug(bug)
            self._transport.abort()
        if self._closing or self._transport.is_closing():
            self._transport.close()
        elif not self._choked:
            self._go_on()

    def _go_on(self) -> None:
        self._transport.resume_reading()
        data, self._data = self._data, b""
        self._take(data)

    async def _report(self, head: Head, body: bytes) -> None:
        shared, begun = self._shared, perf_counter()
        reply = await shared.service.take_report(body, shared.peer_of(self._address))
        shared.reports += 1
        answer = shared.answers.whole(reply, self._closing, head.takes_gzip)
        self._transport.write(answer)
        shared.note(self._address, head, reply.status, len(answer), begun, reply.app)

    def _deliver(self, head: Head, fetch: Fetch, *, at_once: bool) -> bool:
        """What the peer takes at once goes at once; a task does what waits, for the disk or for the peer, and what has
        more requests behind it: a thousand in one piece must not hold the loop.
        """
        shared, begun = self._shared, perf_counter()
        file = shared.files.held(fetch.digest) if at_once else None
        if file is None:
            try:
                path = shared.service.current.blob(fetch.app, fetch.kind, fetch.digest)
            except FileNotFoundError:
                return False  # lost, which is for aiohttp to say
            if path is not None:
                self._closing = head.closes
                self._work(self._open_and_send(head, fetch, path, begun), downloads=1)
            return path is not None
        self._closing = head.closes
        answer = shared.answers.outgoing(fetch, file, head.closes)
        sent = send_at_once(self._transport, answer.head, file.fd, answer.offset, answer.length)
        if sent < answer.total_bytes:
            self._work(self._send_rest(head, fetch, file, answer, sent, begun), file, downloads=1)
            return True
        shared.deliveries += 1
        shared.note(self._address, head, answer.status, sent, begun, fetch.app)
        if head.closes:
            self._transport.close()
        return True

    async def _open_and_send(self, head: Head, fetch: Fetch, path: Path, begun: float) -> None:
        shared = self._shared
        async with shared.files.lend(fetch.digest, path) as file:
            if file is not None:
                shared.service.lost.found(fetch.digest)
                await self._send_rest(head, fetch, file, shared.answers.outgoing(fetch, file, self._closing), 0, begun)
                return
        answer = shared.lost(fetch, self._closing)
        self._transport.write(answer.head)
        shared.note(self._address, head, answer.status, answer.total_bytes, begun, fetch.app)

    async def _send_rest(
        self, head: Head, fetch: Fetch, file: OpenFile, answer: Outgoing, sent: int, begun: float
    ) -> None:
        """The answer from its byte `sent` on; a stream that ends early ends its connection."""
        shared, done = self._shared, max(sent - len(answer.head), 0)
        try:
            self._transport.write(answer.head[sent:])
            if rest := answer.length - done:
                await send_file(self._transport, file.fd, answer.offset + done, rest, **shared.patience._asdict())
            sent = answer.total_bytes
            shared.deliveries += 1
        except Stalled:
            shared.failed(fetch, "" if self._proxied else self._address)
        except ConnectionError:
            pass  # a client that leaves, or reads too slowly, is not an error
        except Exception:
            shared.failed(fetch)
            raise
        finally:
            shared.note(self._address, head, answer.status, max(sent, len(answer.head)), begun, fetch.app)
            if sent < answer.total_bytes:
                cut(self._transport)

    def _hand_over(self, data: bytes) -> None:
        """From here on the connection is aiohttp's, which is told everything that was not answered."""
        shared = self._shared
        shared.handed_over += 1
        shared.forget(self)
        protocol: web.RequestHandler = shared.fallback(self._address)
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(data)
