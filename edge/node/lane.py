"""The lane: a small HTTP protocol in front of aiohttp, for the requests that come by the million.

It answers whole, ordinary requests for the hot routes by itself. Everything else about a connection, from the first
byte of the first request that is anything else, goes to aiohttp's own protocol, which stays the one HTTP
implementation for whatever is unusual. `ordinary` says what is ordinary, the desk what to answer.
"""

import asyncio
from time import perf_counter
from typing import Any, cast

from aiohttp import web

from edge.node.addresses import plain_address
from edge.node.lane_shared import LaneShared, head_of
from edge.node.ordinary import END_OF_HEAD, Head
from edge.node.peers import country_of
from edge.node.send import cut, send_file
from edge.node.traffic import BUNDLES, STATS, UPDATES

# Requests that arrive while one is being answered wait here; a peer that sends more is not read from.
WAITING_LIMIT_BYTES = 64 * 1024


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
        self._proxied = self._shared.desk.proxies.trusts(self._address)
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
            elif not self._begin(head, data[end:whole]):
                self._hand_over(data)
                return
            data = data[whole:]
        self._data = data

    def _check(self, head: Head, body: bytes) -> None:
        shared, traffic = self._shared, self._shared.traffic
        begun = 0.0 if traffic.access is None else perf_counter()
        country = country_of(head.country) if self._proxied else ""
        reply = shared.desk.take_check(body, shared.desk.public_url or self._base(head), country)
        shared.checks += 1
        answer = shared.answer(reply, head.closes, head.takes_gzip)
        self._transport.write(answer)
        if traffic.access is None and reply.status == 200:
            traffic.checks += 1
            traffic.checks_bytes += len(answer)
        else:
            shared.note(self._address, head, reply.status, len(answer), begun, reply.app)
        if head.closes:
            self._closing = True
            self._transport.close()

    def _base(self, head: Head) -> str:
        own = self._transport.get_extra_info("sockname")
        return self._shared.desk.base_of(head.host, own[:2] if own else ("127.0.0.1", 80))

    def _begin(self, head: Head, body: bytes) -> bool:
        """Begin what waits: the next request is looked at when it is done. False: not a request for the lane after all;
        nothing was said yet.
        """
        if not self._named:
            return False
        if head.route == BUNDLES:
            delivery = self._shared.find_delivery(head)
            if delivery is None:
                return False
            work = self._deliver(head, delivery)
        elif head.route == STATS and not self._proxied:
            work = self._report(head, body)
        else:
            return False  # whose report it is stands in headers, too
        self._closing = head.closes
        self._shared.desk.overload.in_progress += 1
        self._busy = asyncio.get_running_loop().create_task(work)
        self._busy.add_done_callback(self._done)
        return True

    def _done(self, task: asyncio.Task[None]) -> None:
        self._busy = None
        self.touched = self._shared.now
        self._shared.desk.overload.in_progress -= 1
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
        reply = await shared.desk.take_report(body, shared.peer_of(self._address))
        shared.reports += 1
        answer = shared.answer(reply, self._closing, head.takes_gzip)
        self._transport.write(answer)
        shared.note(self._address, head, reply.status, len(answer), begun, reply.app)

    async def _deliver(self, head: Head, delivery: Any) -> None:
        """Headers, then the file by sendfile; a stream that ends early ends its connection."""
        shared, sent, begun = self._shared, False, perf_counter()
        status = sent_bytes = 0
        try:
            async with shared.files.lend(delivery.path) as file:
                if file is None:
                    answer = shared.not_found(self._closing)
                    self._transport.write(answer)
                    sent, status, sent_bytes = True, 404, len(answer)
                    return
                plan = shared.plan(head, delivery, file)
                answer = head_of(plan.status, plan.headers, shared, self._closing)
                self._transport.write(answer)
                status, sent_bytes = plan.status, len(answer)
                if plan.length:
                    await send_file(self._transport, file.fd, plan.offset, plan.length, **shared.patience._asdict())
                shared.deliveries += 1
                sent, sent_bytes = True, sent_bytes + plan.length
        except ConnectionError:
            pass  # a client that leaves, or reads too slowly, is not an error
        finally:
            if status:
                shared.note(self._address, head, status, sent_bytes, begun, delivery.app)
            if not sent:
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
