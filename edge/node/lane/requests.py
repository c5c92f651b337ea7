"""Which bytes are an ordinary request: whole, strictly framed, on a hot route, with no header that needs care.

`measure` finds where the first request ends; a real HTTP parser (llhttp, by httptools) then parses exactly those bytes.
Where the two could disagree about framing, the request is not ordinary and aiohttp's. A parsed head is remembered by
its bytes, for the same bytes mean the same again; one of a proxy by those bytes without what varies (`varying`), for
values that nothing here reads change nothing else. Sans-I/O.
"""

import re
import sys
from collections.abc import Mapping

import httptools
import msgspec

from edge.node.lane.fetch import Fetch, parse_fetch
from edge.node.lane.varying import Varying
from edge.node.observing.traffic import BUNDLES, FEATURES, PROBES, STATS, UPDATES
from edge.node.service.features.asking import FeatureAsk, read_ask
from edge.node.service.limits.admission import FIELDS_LIMIT
from edge.node.service.limits.large_bodies import LARGE_BYTES
from edge.node.service.limits.memory import Memory
from edge.node.service.peers import NO_PLACES, NOWHERE, Places, Whence
from edge.wire.ofrep.addresses import parse_bulk_address
from edge.wire.ofrep.context import CONTEXT_LIMIT_BYTES
from edge.wire.updates import BODY_LIMIT_BYTES

LINES_LIMIT = 1 + FIELDS_LIMIT  # the request's own and one for each field; aiohttp refuses a head of more
HEAD_LIMIT_BYTES = 8 * 1024  # a device's has 300 to 800 bytes; a longer one is not ordinary
# Peers choose these bytes: up to 12 MB of whole heads, and as much of cut ones. A flood of heads that never repeat
# pushes out none that do.
KNOWN_HEADS_LIMIT = 6144
KNOWN_HEAD_LIMIT_BYTES = 1536  # a plugin's has up to 800, a browser's with a key and a condition 1,200

NOT_OURS = -1
INCOMPLETE = 0

END_OF_HEAD = b"\r\n\r\n"

# Most clients spell the name in one of two ways, which need no regular expression.
_LENGTH_NAMES = (b"\r\nContent-Length: ", b"\r\ncontent-length: ")
_ODD_LENGTH_NAME = re.compile(rb"\r\ncontent-length: ?", re.IGNORECASE)
_DIGITS = re.compile(rb"[0-9]{1,7}(?=\r\n)")
_BODYLESS = (b"GET /bundles/", b"HEAD /bundles/", b"OPTIONS /features/", b"GET /livez HTTP/1.1\r\n")
# A large report is charged before it is received, which is aiohttp's side's.
_POSTS = {b"POST /updates HTTP/1.1\r\n": BODY_LIMIT_BYTES, b"POST /stats HTTP/1.1\r\n": LARGE_BYTES}
_ROUTES = {b"/updates": UPDATES, b"/stats": STATS}  # of a POST; a GET is for a blob or a probe
_FEATURES = b"POST /features/"
_STARTS = (*_BODYLESS, *_POSTS, _FEATURES)
_LONGEST_START = max(len(start) for start in _STARTS)

# Headers that make a request aiohttp's: framing, upgrades, waiting for 100, encoded bodies.
_ODD = (b"transfer-encoding", b"expect", b"upgrade", b"content-encoding", b"te", b"trailer")
_REFRAMING = (b"transfer-encoding", b"expect", b"upgrade")  # in a head: its request may end anywhere
_KEPT = (
    *(b"host", b"accept-encoding", b"connection", b"content-length"),
    b"available-dictionary",
    *(b"authorization", b"x-api-key"),
    *(b"range", b"if-range", b"if-none-match", b"if-modified-since", b"if-match", b"if-unmodified-since"),
)
_IS_ODD, _IS_NOTHING = b"odd", b""


def _spellings() -> dict[bytes, bytes]:
    """Meaning by header name, in the two spellings devices use (`Host`, `host`); look up others in lower case."""
    meanings = {name: name for name in _KEPT}
    meanings |= dict.fromkeys(_ODD, _IS_ODD)
    return meanings | {name.title(): meaning for name, meaning in meanings.items()}


_MEANINGS = _spellings()


class RequestHead(msgspec.Struct, frozen=True):
    """A parsed request head. `fetch` is None unless the target is a blob's address."""

    route: int  # UPDATES, STATS, BUNDLES, FEATURES or PROBES
    method: str  # GET, HEAD, OPTIONS or POST
    body_bytes: int
    closes: bool  # the connection ends after the answer
    host: str
    takes_gzip: bool
    fetch: Fetch | None
    places: Places = NO_PLACES  # of what a proxy states, among the values that were cut
    features: FeatureAsk | None = None  # of a POST for all features of an app


# For a request whose head or body has not fully arrived: no number of bytes is enough for its body.
UNFINISHED = RequestHead(UPDATES, "", sys.maxsize, False, "", False, None)


def measure(data: bytes) -> int:
    """The length in bytes of the first request in `data`, INCOMPLETE, or NOT_OURS."""
    end = data.find(END_OF_HEAD)
    if end < 0 or end > HEAD_LIMIT_BYTES:
        could_be = len(data) <= HEAD_LIMIT_BYTES and _could_start(data)
        return INCOMPLETE if end < 0 and could_be else NOT_OURS
    if _is_odd(data, end + 2):
        return NOT_OURS
    line_end = data.find(b"\n") + 1
    limit_bytes = CONTEXT_LIMIT_BYTES if data.startswith(_FEATURES) else _POSTS.get(data[:line_end])
    if limit_bytes is None:
        return end + 4 if data.startswith(_BODYLESS) else NOT_OURS
    body_bytes = _content_length(data, line_end - 2, end + 2)
    if body_bytes is None or body_bytes > limit_bytes:
        return NOT_OURS
    whole = end + 4 + body_bytes
    if len(data) >= whole:
        return whole
    # A client that waits for 100 Continue would wait for us, while we wait for its body.
    return NOT_OURS if b"expect" in data[line_end:end].lower() else INCOMPLETE


def measure_unusual(data: bytes) -> int:
    """The length in bytes of the first request in `data` that is not ordinary and yet plainly framed, by a length or
    without a body; 0 if that cannot be told."""
    end = data.find(END_OF_HEAD)
    if not 0 <= end <= HEAD_LIMIT_BYTES or _is_odd(data, end + 2):
        return 0
    first, _, lines = data[: end + 2].lower().partition(b"\r\n")
    if not first.endswith(b" http/1.1") or any(name in lines for name in _REFRAMING):
        return 0
    lengths = (b"\r\n" + lines).count(b"\r\ncontent-length")
    body_bytes = _content_length(data, len(first), end + 2) if lengths else 0
    return 0 if lengths > 1 or body_bytes is None else end + len(END_OF_HEAD) + body_bytes


def measure_parts(data: bytes) -> tuple[int, int]:
    """Where the body of the unfinished request in `data` begins, and where it ends; both 0 while the head is not whole.

    For bytes of which `measure` says INCOMPLETE.
    """
    end = data.find(END_OF_HEAD)
    if end < 0:
        return 0, 0
    begins = end + len(END_OF_HEAD)
    return begins, begins + (_content_length(data, data.find(b"\n") - 1, end + 2) or 0)


def _is_odd(data: bytes, end: int) -> bool:
    """Whether a line ends without CR, or folds the one before (RFC 9112 2.2, 5.2), or there are too many."""
    lines = data.count(b"\r\n", 0, end)
    return (
        data.count(b"\n", 0, end) != lines
        or lines > LINES_LIMIT
        or data.find(b"\r\n ", 0, end) >= 0
        or data.find(b"\r\n\t", 0, end) >= 0
    )


def _content_length(data: bytes, start: int, end: int) -> int | None:
    """None unless Content-Length is up to seven plain digits."""
    for name in _LENGTH_NAMES:
        place = data.find(name, start, end)
        if place >= 0:
            digits = _DIGITS.match(data, place + len(name), end)
            return int(digits[0]) if digits else None
    spelled = _ODD_LENGTH_NAME.search(data, start, end)
    digits = _DIGITS.match(data, spelled.end(), end) if spelled else None
    return int(digits[0]) if digits else None


def _could_start(data: bytes) -> bool:
    if len(data) >= _LONGEST_START:
        return data.startswith(_STARTS)
    return any(start.startswith(data[: len(start)]) for start in _STARTS)


class KnownHeads(Memory[bytes, RequestHead]):
    """Parsed heads: one memory for all connections of a worker.

    A connection whose peer is not to be believed looks up its exact bytes with `get`, and `read`s what is not there. On
    one from a proxy each head is `heard`, with what the proxy states of the request. Those are remembered apart, cut:
    no head that a stranger sent tells what a proxy states.
    """

    def __init__(self, country_header: str = "") -> None:
        super().__init__(KNOWN_HEADS_LIMIT)
        self._heard = Memory[bytes, RequestHead](KNOWN_HEADS_LIMIT)  # by their cut bytes, with their places
        self._varying = Varying(country_header)

    @property
    def held(self) -> int:
        """How many heads there are in all, whole and cut."""
        return super().held + self._heard.held

    def clear(self) -> None:
        """Forget everything."""
        super().clear()
        self._heard.clear()

    def read(self, data: bytes) -> RequestHead | None:
        """The head of the first request in `data`: UNFINISHED if that has not fully arrived, None if not ordinary."""
        text = data[: data.find(END_OF_HEAD) + len(END_OF_HEAD)]
        head = self.find(text)
        if head is None:
            head, _ = self._parse(data, "")
            if head and head is not UNFINISHED and len(text) <= KNOWN_HEAD_LIMIT_BYTES:
                self.note(text, head)
        return head

    def hear(self, data: bytes, end: int, proxy: str) -> tuple[RequestHead | None, Whence]:
        """As `read`, with what the proxy at this address states of the request; `end` is the head's, if that is whole.

        Nothing is stated of a request that is not whole or not ordinary.
        """
        if end > HEAD_LIMIT_BYTES:
            return None, NOWHERE
        heard = self._heard
        key, names, values = self._varying.cut(data[:end])
        head = heard.get(key) or heard.find(key)
        if head is not None:
            return head, Whence(proxy, head.places, values)
        head, whence = self._parse(data, proxy)
        if head is None or head is UNFINISHED or len(key) > KNOWN_HEAD_LIMIT_BYTES:
            return head, whence
        places = self._varying.places(names)
        # Otherwise a line that a proxy states is too odd to be cut, and only the parser can tell.
        if whence.says_what(Whence(proxy, places, values)):
            head = msgspec.structs.replace(head, places=places)
            heard.note(key, head)
        return head, whence

    def _parse(self, data: bytes, proxy: str) -> tuple[RequestHead | None, Whence]:
        size = measure(data)
        if size == INCOMPLETE:
            return UNFINISHED, NOWHERE
        if size == NOT_OURS:
            return None, NOWHERE
        reading = _Reading(self._varying.stated)
        head = reading.read(data[:size])
        if head is None or data.find(END_OF_HEAD) + len(END_OF_HEAD) + head.body_bytes != size:
            return None, NOWHERE
        return head, Whence(proxy, Places(*reading.places), reading.values)


class _Reading:
    """Parses one request, then is discarded: no state of the parser reaches the next one.

    `values` are those of the headers in `stated`, which may come more than once; `places` say which is whose, in the
    order of the numbers given there.
    """

    __slots__ = (
        *(
            "_body_bytes",
            "_closes",
            "_complete",
            "_headers",
            "_odd",
            "_parser",
            "_stated",
            "_target",
            "places",
            "values",
        ),
    )

    def __init__(self, stated: Mapping[bytes, int]) -> None:
        self._stated = stated
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self.values: list[bytes] = []
        self.places: tuple[list[int], ...] = ([], [], [], [])
        self._odd = False
        self._complete = self._body_bytes = 0
        self._closes = True

    def read(self, request: bytes) -> RequestHead | None:
        """None if the bytes are not exactly one request, or not an ordinary one."""
        parser, headers = self._parser, self._headers
        try:
            parser.feed_data(request)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return None
        if self._odd or self._complete != 1 or parser.get_http_version() != "1.1" or b"host" not in headers:
            return None  # HTTP/1.1 requires `Host` (RFC 9112 3.2), which aiohttp enforces
        method, ask = parser.get_method().decode(), None
        if self._target.startswith(b"/features/"):
            route: int | None = FEATURES
            ask = self._feature_ask() if method == "POST" else None
            if ask is None and method != "OPTIONS":
                return None
        else:
            route = _ROUTES.get(self._target) if method == "POST" else PROBES if self._target == b"/livez" else BUNDLES
        if route is None or (method != "POST" and b"content-length" in headers):  # a body where none belongs
            return None
        return RequestHead(
            route,
            method,
            self._body_bytes,
            self._closes,
            headers[b"host"].decode("latin-1"),
            b"gzip" in headers.get(b"accept-encoding", b""),
            parse_fetch(method, self._target, headers) if route == BUNDLES else None,
            features=ask,
        )

    def _feature_ask(self) -> FeatureAsk | None:
        address = parse_bulk_address(self._target.decode("latin-1"))
        if address is None:
            return None
        names = (b"authorization", b"x-api-key", b"if-none-match")
        return read_ask(*address, *(self._headers.get(name, b"").decode("latin-1") for name in names))

    # Callbacks of the parser.

    def on_url(self, target: bytes) -> None:
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        meaning = _MEANINGS.get(name)
        if meaning is None:
            lowered = name.lower()
            if (place := self._stated.get(lowered)) is not None:
                self.places[place].append(len(self.values))
                self.values.append(value)
                return
            meaning = _MEANINGS.get(lowered, _IS_NOTHING)
        if meaning:
            if meaning is _IS_ODD or meaning in self._headers:
                self._odd = True
            self._headers[meaning] = value

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)

    def on_chunk_header(self) -> None:
        self._odd = True

    def on_message_complete(self) -> None:
        self._complete += 1
        self._closes = not self._parser.should_keep_alive()  # known to the parser only during this callback
