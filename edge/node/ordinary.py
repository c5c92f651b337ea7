"""Which bytes are an ordinary request: whole, exact, of a hot route, with nothing about it that needs thought.

`measure` finds where the first request ends, a real HTTP parser (llhttp, by httptools) then reads exactly those bytes;
where the two could disagree about framing, the request is not ordinary and somebody else's. No socket in here.
"""

import re
from typing import NamedTuple

import httptools

from edge.wire.stats import STATS_BODY_LIMIT_BYTES
from edge.wire.updates import BODY_LIMIT_BYTES

HEAD_LIMIT_BYTES = 8 * 1024  # a device's has 300 to 800 bytes; a longer one is not ordinary

NOT_OURS = -1
INCOMPLETE = 0

# Everything that frames the body, from the first byte of the head to its last: one length in plain digits, once.
_LENGTH = re.compile(rb"\r\ncontent-length: ?([0-9]{1,7})(?=\r\n)", re.IGNORECASE)
_FOLDED = re.compile(rb"\r\n[ \t]|[^\r]\n")  # obsolete folding, and a line that ends without its CR
_GETS = (b"GET /bundles/", b"HEAD /bundles/")
_POSTS = {b"POST /updates HTTP/1.1\r\n": BODY_LIMIT_BYTES, b"POST /stats HTTP/1.1\r\n": STATS_BODY_LIMIT_BYTES}
_STARTS = (*_GETS, *_POSTS)
_LONGEST_START = max(len(start) for start in _STARTS)

# Headers that make a request somebody else's: framing, upgrades, waiting, and encodings of the body.
_ODD = frozenset({b"transfer-encoding", b"expect", b"upgrade", b"content-encoding", b"te", b"trailer", b"via"})
_KEPT = frozenset(
    {
        *(b"host", b"accept-encoding", b"connection", b"content-length"),
        *(b"range", b"if-range", b"if-none-match", b"if-modified-since"),
    }
)


class Request(NamedTuple):
    """`headers` are those that the lane reads, by lower-case name. `closes`: the connection ends with the answer."""

    method: str  # GET, HEAD or POST
    target: bytes
    headers: dict[bytes, bytes]
    body: bytes
    closes: bool


def measure(data: bytes) -> int:
    """How many bytes the first request of `data` has; INCOMPLETE, or NOT_OURS."""
    end = data.find(b"\r\n\r\n")
    if end < 0 or end > HEAD_LIMIT_BYTES:
        could_be = len(data) <= HEAD_LIMIT_BYTES and _could_start(data)
        return INCOMPLETE if end < 0 and could_be else NOT_OURS
    if _FOLDED.search(data, 0, end + 2):
        return NOT_OURS
    line_end = data.find(b"\n") + 1
    limit_bytes = _POSTS.get(data[:line_end])
    if limit_bytes is None:
        return end + 4 if data.startswith(_GETS) else NOT_OURS
    length = _LENGTH.search(data, line_end - 2, end + 2)
    if length is None:
        return NOT_OURS
    body_bytes = int(length[1])
    if body_bytes > limit_bytes:
        return NOT_OURS
    whole = end + 4 + body_bytes
    if len(data) >= whole:
        return whole
    # Who waits to be told to go on must not wait for us.
    return NOT_OURS if b"expect" in data[line_end:end].lower() else INCOMPLETE


def _could_start(data: bytes) -> bool:
    if len(data) >= _LONGEST_START:
        return data.startswith(_STARTS)
    return any(start.startswith(data[: len(start)]) for start in _STARTS)


class Reader:
    """Reads requests of one connection. After one that is not ordinary the reader is spent."""

    __slots__ = ("_body", "_closes", "_complete", "_headers", "_odd", "_parser", "_target")

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)

    def read(self, request: bytes) -> Request | None:
        """The one request that these bytes are; None when they are not exactly one, or not an ordinary one."""
        self._target = self._body = b""
        self._headers: dict[bytes, bytes] = {}
        self._odd = False
        self._complete = 0
        self._closes = True
        parser = self._parser
        try:
            parser.feed_data(request)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return None
        if self._odd or self._complete != 1 or parser.get_http_version() != "1.1":
            return None
        method = parser.get_method().decode()
        headers = self._headers
        if method != "POST" and b"content-length" in headers:
            return None  # a body that nobody asked for
        return Request(method, self._target, headers, self._body, self._closes)

    # What the parser calls.

    def on_url(self, target: bytes) -> None:
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        known = name.lower()
        if known in _KEPT:
            if known in self._headers:
                self._odd = True
            self._headers[known] = value
        elif known in _ODD:
            self._odd = True

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_chunk_header(self) -> None:
        self._odd = True

    def on_message_complete(self) -> None:
        self._complete += 1
        self._closes = not self._parser.should_keep_alive()  # the parser knows it here, and no longer afterwards
