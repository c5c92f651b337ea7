"""The lane: a small HTTP protocol in front of aiohttp, for the few requests that make up nearly all traffic.

It answers whole, ordinary requests on the hot routes. At the first request that is anything else, it hands the
connection over to aiohttp's own protocol, unanswered bytes included; aiohttp stays the one implementation of everything
unusual. A proxy's connection comes back afterwards. `requests` decides what is ordinary, the service what to answer.
"""

import asyncio
from collections.abc import Coroutine
from functools import partial
from time import perf_counter
from typing import Any, cast

import msgspec
from aiohttp import web

from edge.domain.model import UpdateCheck
from edge.node.delivery.files import OpenFile
from edge.node.delivery.send import Wire, reset_open
from edge.node.lane.context import LaneContext
from edge.node.lane.download import WaitingDownload
from edge.node.lane.feature_answers import answer_features
from edge.node.lane.fetch import Fetch
from edge.node.lane.reporting import ReportAnswer
from edge.node.lane.requests import END_OF_HEAD, RequestHead, measure_unusual
from edge.node.lane.unfinished import Unfinished
from edge.node.observing.traffic import FEATURES, PROBES, STATS, UPDATES
from edge.node.service.addresses import plain_address
from edge.node.service.answer_cache import EncodedBody
from edge.node.service.checks.check_service import NotLoaded
from edge.node.service.common_answers import Reply
from edge.node.service.limits.loan import Handed, Loan
from edge.node.service.limits.unread_answers import CLOSING_BYTES
from edge.node.service.peers import NOWHERE, Whence
from edge.wire.answers import greeting_body

# Requests that arrive during an answer wait here; beyond this, the lane stops reading from the peer.
WAITING_LIMIT_BYTES = 64 * 1024

GREETING = Reply(200, EncodedBody(greeting_body(), None))

# Why the next request has to wait: bits of `Lane._state`.
READING = 0
ANSWERING = 1
CHOKED = 2
CLOSING = 4


class Lane(asyncio.Protocol):
    """One connection. Requests are answered in order, one at a time.

    `_state` is READING, in which a whole request is answered as soon as it has arrived, or a union of bits, each of
    which holds the next request back:

    * ANSWERING: a task is writing an answer, or a report waits for the disk. Set by `_start` and `_report`, only from
      READING; cleared by `_go_on`.
    * CHOKED: the peer does not read its answers. Set by `pause_writing`, cleared by `resume_writing`.
    * CLOSING: no request follows. Set by a refused admission, a request with `Connection: close` and `close_when_idle`;
      never cleared. The transport closes as soon as ANSWERING is clear.

    Back in READING, the lane goes on with what has arrived. Two ends need no bit, since no event follows them:
    `_hand_over`, only from READING and before any byte of the answer, and `connection_lost`, from any state.
    """

    __slots__ = (
        *("_address", "_context", "_proxied", "_transport", "_whence"),  # set when the connection begins
        *("_answer", "_answered", "_data", "_rest", "_state", "_wire", "touched"),  # change afterwards
    )

    def __init__(self, context: LaneContext) -> None:
        self._context = context
        self._address = ""
        self._data = b""  # what arrived while a bit was set
        self._rest: Unfinished | None = None  # the request that was arriving in READING; if there is one, no `_data`
        self._state = READING
        self._answer: asyncio.Task[None] | ReportAnswer | None = None  # in ANSWERING
        self._answered = False  # a request before this one
        self._wire: Wire | None = None  # from the first download on
        self.touched = context.now

    @property
    def downloads(self) -> bool:
        """Whether a file is being sent, of which the sender judges the pace."""
        return bool(self._state & ANSWERING)

    def overdue(self, now: float) -> str:
        """Which part of a request has taken its peer too long to send: "slow_head", "slow_body" or ""."""
        return self._rest.overdue(now) if self._rest is not None and not self._state else ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        context = self._context
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self._address = plain_address(peer[0]) if peer else ""
        self._whence = Whence(self._address)
        self._proxied = context.service.proxies.trusts(self._address)
        if context.connections.admit(self._address):
            context.open_lanes.add(self, self._transport, self._address)
        else:
            self._state = CLOSING
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._context.open_lanes.remove(self):
            self._context.connections.release(self._address)
        answer = self._answer
        if answer is not None:
            answer.cancel()
        if not isinstance(answer, asyncio.Task):  # one that is cancelled sends last, and `_go_on` follows
            self._close_wire()

    def data_received(self, data: bytes) -> None:
        self.touched = self._context.now
        if not self._state:
            if self._rest is not None and not (data := self._rest.add(data)):
                return
            self._read(data)
            return
        data = self._data = self._unread() + data
        if len(data) > WAITING_LIMIT_BYTES:
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        self._state |= CHOKED
        self._transport.pause_reading()
        self._context.connections.unread.hold(self)

    def resume_writing(self) -> None:
        self._state &= ~CHOKED
        self._context.connections.unread.release(self)
        if not self._state & ANSWERING:
            self._read_on()

    def close_when_idle(self) -> None:
        """Accept no further request: close now, or after the answer in progress."""
        self._state |= CLOSING
        if not self._state & ANSWERING:
            self._context.connections.unread.close(self)

    def cut_off(self) -> None:
        """Reset the connection, whatever is in progress."""
        reset_open(self._transport)

    def _read(self, data: bytes) -> None:
        """Answer the whole requests in `data` until one has to wait, and keep the rest."""
        known, first = self._context.known_heads, data
        while data and not self._state:
            end = data.find(END_OF_HEAD) + len(END_OF_HEAD)  # if there is none, 3: no known head is so short
            if self._proxied:
                head, whence = known.hear(data, end, self._address)
            else:
                head, whence = known.get(data[:end]) or known.read(data), self._whence
            if head is None:
                self._hand_over(data, self._rest if data is first else None)
                return
            whole = end + head.body_bytes
            if len(data) < whole:
                break
            if self._context.leaving:
                head = msgspec.structs.replace(head, closes=True)
            if head.route == UPDATES:
                self._answer_check(head, whence, data[end:whole])
            elif head.route == PROBES:
                self._answer_probe(head, whence)
            elif not self._begin(head, whence, data[end:whole], alone=whole == len(data)):
                self._hand_over(data, self._rest if data is first else None)
                return
            self._answered = True
            data = data[whole:]
        if data and not self._state:
            self._rest = Unfinished(data, self._context.now, self._rest if data is first else None)
        else:
            self._data, self._rest = data, None

    def _unread(self) -> bytes:
        """Take everything that arrived and was not read."""
        data, rest = self._data, self._rest
        self._data, self._rest = b"", None
        return data if rest is None else rest.bytes

    def _read_on(self) -> None:
        self._transport.resume_reading()
        self._read(self._unread())

    def _answer_check(self, head: RequestHead, whence: Whence, body: bytes) -> None:
        context, traffic = self._context, self._context.traffic
        begun = 0.0 if traffic.access is None else perf_counter()
        try:
            base = context.service.public_url or self._base(head, whence)
            country = whence.country if self._proxied else ""
            reply = context.service.take_check(body, base, country, whence)
        except NotLoaded as unloaded:
            self._start(self._answer_late(head, unloaded.check, base, whence, begun), closes=head.closes)
            return
        except Exception as bug:  # the loop would end the connection, too, but count nothing
            self._fail(bug, whence)
            return
        context.checks += 1
        sent = context.answers.write_reply(self._transport, reply, head.closes, head.takes_gzip)
        if traffic.access is None and reply.status == 200:
            traffic.checks += 1
            traffic.checks_bytes += sent
        else:
            context.record_answer(whence, head, reply.status, sent, begun, reply.app)
        if head.closes:
            self._close_after(sent)

    def _close_after(self, sent: int) -> None:
        """Close; if nothing but this little answer was ever sent, without a look at what the peer has not taken."""
        if self._answered or sent > CLOSING_BYTES:
            self.close_when_idle()
        else:
            self._state |= CLOSING
            self._transport.close()

    async def _answer_late(
        self, head: RequestHead, check: UpdateCheck, base: str, whence: Whence, begun: float
    ) -> None:
        """The check is for an app that is not loaded yet; requests behind it wait, as behind any answer."""
        context = self._context
        reply = await context.service.await_check(check, base, whence)
        context.checks += 1
        sent = context.answers.write_reply(self._transport, reply, self._closes(), head.takes_gzip)
        context.record_answer(whence, head, reply.status, sent, begun, reply.app)

    def _base(self, head: RequestHead, whence: Whence) -> str:
        own = self._transport.get_extra_info("sockname")
        return self._context.service.base_of(head.host, own[:2] if own else ("127.0.0.1", 80), whence.scheme)

    def _answer_probe(self, head: RequestHead, whence: Whence) -> None:
        """Answer a load balancer's probe: to answer is to be alive."""
        begun = perf_counter()
        sent = self._context.answers.write_reply(self._transport, GREETING, head.closes, False)
        self._context.record_answer(whence, head, GREETING.status, sent, begun, "")
        if head.closes:
            self.close_when_idle()

    def _answer_features(self, head: RequestHead, whence: Whence, body: bytes) -> bool:
        """From memory, or not at all: False, and the request is for aiohttp."""
        try:
            answered = answer_features(self._context, self._transport, head, whence, body)
        except Exception as bug:
            self._fail(bug, whence)
            return True
        if answered and head.closes:
            self.close_when_idle()
        return answered

    def _begin(self, head: RequestHead, whence: Whence, body: bytes, *, alone: bool) -> bool:
        """Begin an answer that may have to wait. False: the request is for aiohttp, and nothing was sent."""
        if head.fetch is not None:
            fetch = self._context.admitted(head.fetch)
            return fetch is not None and self._deliver(head, whence, fetch, at_once=alone)
        if head.route == FEATURES:
            return self._answer_features(head, whence, body)
        if head.route != STATS:
            return False
        self._report(head, whence, body)
        return True

    def _start(
        self, work: Coroutine[Any, Any, None], *, closes: bool, file: OpenFile | None = None, downloads: int = 0
    ) -> None:
        """Run `work` as the task that answers; `file` is held until it ends."""
        overload = self._context.service.overload
        overload.in_progress += 1
        overload.downloads += downloads
        if file is not None:
            file.acquire()
        self._state |= ANSWERING | CLOSING if closes else ANSWERING
        self._answer = task = asyncio.get_running_loop().create_task(work)
        # A callback, since a task that is cancelled before it starts runs none of its own code.
        task.add_done_callback(partial(self._finish, file, downloads))

    def _finish(self, file: OpenFile | None, downloads: int, task: asyncio.Task[None]) -> None:
        self._answer = None
        self._context.service.overload.downloads -= downloads
        if file is not None:
            file.release()
        if not task.cancelled() and (bug := task.exception()) is not None:
            self._fail(bug)
        self._go_on()

    def _fail(self, bug: BaseException, whence: Whence = NOWHERE) -> None:
        self._context.record_bug(bug, whence)
        self._state |= CLOSING
        self._transport.abort()

    def _go_on(self) -> None:
        """The answer is complete, or given up."""
        self._state &= ~ANSWERING
        self.touched = self._context.now
        self._context.service.overload.in_progress -= 1
        if self._transport.is_closing():
            self._close_wire()
        elif self._state & CLOSING:
            self._context.connections.unread.close(self)
        elif not self._state:
            self._read_on()

    def _report(self, head: RequestHead, whence: Whence, body: bytes) -> None:
        report = ReportAnswer(self._context, self._transport, head, whence, self._closes, self._end_report)
        try:
            begun = report.begin(body)
        except Exception as bug:
            self._fail(bug, whence)
            return
        if not begun:
            self._start(report.take_slowly(body), closes=head.closes)
            return
        self._context.service.overload.in_progress += 1
        self._state |= ANSWERING | CLOSING if head.closes else ANSWERING
        self._answer = report

    def _end_report(self, bug: Exception | None) -> None:
        self._answer = None
        if bug is not None:
            self._fail(bug)
        self._go_on()

    def _closes(self) -> bool:
        return bool(self._state & CLOSING)

    def _deliver(self, head: RequestHead, whence: Whence, fetch: Fetch, *, at_once: bool) -> bool:
        """Send what the peer accepts now, at once. A task does what waits for the disk or for the peer, and any request
        with more behind it: a thousand pipelined ones must not hold the loop.
        """
        context, begun, wire = self._context, perf_counter(), self._wire or self._open_wire()
        file = context.files.get(fetch.blob) if at_once else None
        if file is not None:
            answer = context.plan_file(fetch, file, head.closes)
            sent = wire.send_at_once(answer.head, file.fd, answer.offset, answer.length)
            if sent == answer.total_bytes:
                context.deliveries += 1
                context.note_delivery(fetch, answer, answer.length, begun)
                context.record_answer(whence, head, answer.status, sent, begun, fetch.app)
                if head.closes:
                    self.close_when_idle()
                return True
        waiting = WaitingDownload(context, (self._transport, wire), (head, whence), fetch, begun)
        work = waiting.open_and_send(self._closes) if file is None else waiting.send_rest(file, answer, sent)
        self._start(work, closes=head.closes, file=file, downloads=1)
        return True

    def _open_wire(self) -> Wire:
        self._wire = wire = Wire(self._transport)
        return wire

    def _close_wire(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def _hand_over(self, data: bytes, before: Unfinished | None) -> None:
        """Give the connection to aiohttp, with every byte that was not answered; `before` is what was known to have
        arrived of the request. A proxy's comes back when the request is done, for others follow on it."""
        context = self._context
        self._data, self._rest = b"", None
        context.handed_over += 1
        context.open_lanes.remove(self)
        self._close_wire()
        waited = context.now - before.begun if before is not None else 0.0
        size = measure_unusual(data) if self._proxied and not context.leaving else 0
        loan = Loan(size, self._take_back) if size else None
        protocol: web.RequestHandler = context.fallback(Handed(self._address, waited, loan))
        self._transport.set_protocol(protocol)
        protocol.connection_made(self._transport)
        protocol.data_received(data)

    def _take_back(self, data: bytes) -> None:
        """aiohttp has answered, keeps nothing of the connection, and leaves the bytes behind its request."""
        context = self._context
        context.taken_back += 1
        self._answered, self.touched = True, context.now
        self._transport.set_protocol(self)
        context.open_lanes.add(self, self._transport, self._address)
        self._transport.resume_reading()
        if context.leaving:
            self.close_when_idle()
        elif data:
            self._read(data)
