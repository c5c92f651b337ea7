"""The lane's answers as bytes. What repeats is cached: the start of a check's answer, and the plans of deliveries.

Headers equal those of aiohttp's answers, in the same order, so a device cannot tell which server it reached.
"""

import asyncio
from collections.abc import Iterable
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple

from edge.node.delivery.dictionaries import DCZ
from edge.node.delivery.files import OpenFile
from edge.node.delivery.plan import Blob, DeliveryRequest, HeaderField, plan_delivery
from edge.node.lane.fetch import Fetch
from edge.node.service.common_answers import CORS_HEADERS, Reply, refusal_body
from edge.node.service.features.feature_replies import CACHE_CONTROL, PREFLIGHT_HEADERS, FeatureReply
from edge.node.service.limits.overload import RETRY_AFTER_SECONDS
from edge.node.service.limits.unread_answers import SHARED_BYTES

# Cached plans: after a publish every device fetches the same files. Peers choose the text of a range, so a full cache
# takes up to 8 MB.
PLANS_LIMIT = 1024
READY_LIMIT = 1024  # whole answers to requests that were seen this second, a kilobyte each

_CORS = b"".join(f"{name}: {value}\r\n".encode() for name, value in CORS_HEADERS)
_JSON = b"Content-Type: application/json\r\n"
_CLOSE = b"Connection: close\r\n"
_RETRY_AFTER = f"Retry-After: {RETRY_AFTER_SECONDS}\r\n".encode()
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


class Outgoing(NamedTuple):
    """An answer with part of a file: `length` bytes from `offset` follow the head."""

    status: int
    head: bytes  # and the body, where there is no file
    offset: int = 0
    length: int = 0

    @property
    def total_bytes(self) -> int:
        return len(self.head) + self.length


class _Ready(NamedTuple):
    """It holds `fetch`, so that no other has its id."""

    fetch: Fetch
    file: OpenFile
    answer: Outgoing


class Answers:
    """Encodes answers, dated with the time last given to `tick`."""

    def __init__(self, now: float) -> None:
        self._ready: dict[tuple[int, bool], _Ready] = {}
        self.tick(now)

    def tick(self, now: float) -> None:
        """`now` in seconds since the epoch."""
        self._date = b"Date: %s\r\n" % formatdate(now, usegmt=True).encode()
        self._date_end = self._date + b"\r\n"
        self._ok, self._ok_closing = (_json_start(200, closes, self._date) for closes in (False, True))
        self._preflights = _PREFLIGHT + self._date_end, _PREFLIGHT + _CLOSE + self._date_end
        self._ready.clear()

    def write_reply(self, transport: asyncio.WriteTransport, reply: Reply, closes: bool, takes_gzip: bool) -> int:
        """A reply of the device service, headers and body; `closes` adds `Connection: close`. Returns its size."""
        ready = reply.ready
        if ready is not None:  # it is given again and again until the next tick, so its date stays right
            answer = ready.get((closes, takes_gzip))
            if answer is None:
                answer = ready[closes, takes_gzip] = self._encode(reply, closes, takes_gzip)
            transport.write(answer)
            return len(answer)
        if len(reply.body.plain) <= SHARED_BYTES:
            answer = self._encode(reply, closes, takes_gzip)
            transport.write(answer)
            return len(answer)
        head, body = self._parts(reply, closes, takes_gzip)
        transport.writelines((head, body))  # not copied: uvloop keeps one object for all that wait for it
        return len(head) + len(body)

    def _encode(self, reply: Reply, closes: bool, takes_gzip: bool) -> bytes:
        body = reply.body
        if body.gzipped is None and reply.status == 200:
            return b"%s%d\r\n\r\n%s" % (self._ok_closing if closes else self._ok, len(body.plain), body.plain)
        return b"".join(self._parts(reply, closes, takes_gzip))

    def _parts(self, reply: Reply, closes: bool, takes_gzip: bool) -> tuple[bytes, bytes]:
        body, gzipped = reply.body.plain, reply.body.gzipped
        varies, packed = gzipped is not None, False
        if gzipped is not None and takes_gzip:
            body, packed = gzipped, True
        start = _json_start(reply.status, closes, self._date, varies, packed)
        return b"%s%d\r\n\r\n" % (start, len(body)), body

    def write_features(
        self, transport: asyncio.WriteTransport, reply: FeatureReply, closes: bool, takes_gzip: bool
    ) -> int:
        """A reply about features, headers and body. Returns its size."""
        ready = reply.ready
        found = ready.get((closes, takes_gzip)) if ready is not None else None
        if found is not None and found[0] is self._date:
            head = found[1]
        else:
            head = self._feature_head(reply, closes, takes_gzip)
            if ready is not None:
                ready[closes, takes_gzip] = self._date, head
        answer = head + (reply.gzipped if takes_gzip and reply.gzipped is not None else reply.body)
        transport.write(answer)
        return len(answer)

    def _feature_head(self, reply: FeatureReply, closes: bool, takes_gzip: bool) -> bytes:
        body, varies = reply.body, b""
        if reply.gzipped is not None:
            varies = b"Vary: Accept-Encoding\r\n"
            if takes_gzip:
                body, varies = reply.gzipped, b"Content-Encoding: gzip\r\n" + varies
        length = b"Content-Length: %d\r\n\r\n" % len(body) if reply.status != 304 else b"\r\n"
        start, stated = _feature_start(reply.status, closes), _lines_of(reply.headers()[1:])
        return b"".join((start, varies, stated, self._date, length))

    def write_preflight(self, transport: asyncio.WriteTransport, closes: bool) -> int:
        """The answer to what a browser asks before a request of features."""
        answer = self._preflights[closes]
        transport.write(answer)
        return len(answer)

    def plan_file(self, fetch: Fetch, file: OpenFile, closes: bool) -> Outgoing:
        """The head, and which part of `file` follows it.

        A head that is remembered by its bytes has the same `fetch` each time: what it was answered this second is
        found without comparing its fields.
        """
        key = id(fetch), closes
        ready = self._ready.get(key)
        if ready is not None and ready.fetch is fetch and ready.file is file:
            return ready.answer
        encoding = DCZ if fetch.patch else ""
        blob = Blob(fetch.kind, fetch.blob, file.bytes, file.modified, encoding, fetch.terms.use_as)
        planned = _planned(blob, fetch.request, closes)
        answer = planned._replace(head=planned.head + self._date_end)
        if len(self._ready) >= READY_LIMIT:
            self._ready.clear()
        self._ready[key] = _Ready(fetch, file, answer)
        return answer

    def plan_refusal(self, fetch: Fetch, headers: Iterable[HeaderField], closes: bool) -> Outgoing:
        """A 503."""
        body = refusal_body(503)
        headers = (("Content-Type", "application/json"), *headers, ("Content-Length", str(len(body))))
        start = _file_start(503, headers, closes)
        return Outgoing(503, start + self._date_end + (b"" if fetch.request.method == "HEAD" else body))


@lru_cache(PLANS_LIMIT)
def _planned(blob: Blob, request: DeliveryRequest, closes: bool) -> Outgoing:
    """Without the end of the head, which is the date."""
    plan = plan_delivery(blob, request)
    return Outgoing(plan.status, _file_start(plan.status, plan.headers, closes), plan.offset, plan.length)


def _json_start(status: int, closes: bool, date: bytes, varies: bool = False, packed: bool = False) -> bytes:
    """The head of a JSON answer up to the value of Content-Length."""
    return b"".join(
        (
            _STATUS_LINES[status],
            _RETRY_AFTER if status == 503 else b"",
            b"Content-Encoding: gzip\r\n" if packed else b"",
            b"Vary: Accept-Encoding\r\n" if varies else b"",
            _JSON,
            _CORS,
            _CLOSE if closes else b"",
            date,
            b"Content-Length: ",
        )
    )


@lru_cache(2 * len(_STATUS_LINES))
def _feature_start(status: int, closes: bool) -> bytes:
    """The head of an answer about features up to what differs from one to the next."""
    return b"".join(
        (
            _STATUS_LINES[status],
            b"" if status == 304 else _JSON,
            _lines_of([("Cache-Control", CACHE_CONTROL)]),
            _CORS,
            _CLOSE if closes else b"",
        )
    )


def _file_start(status: int, headers: Iterable[tuple[str, str]], closes: bool) -> bytes:
    lines = _lines_of(headers)
    return b"".join((_STATUS_LINES[status], lines, _CORS, _CLOSE if closes else b""))


def _lines_of(headers: Iterable[tuple[str, str]]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in headers).encode("latin-1")


_PREFLIGHT = b"".join((_STATUS_LINES[204], _lines_of(PREFLIGHT_HEADERS), _CORS))
