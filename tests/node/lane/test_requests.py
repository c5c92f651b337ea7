"""Cached heads: only ordinary ones, within the limit, and never with another meaning."""

import pytest

from edge.node.delivery.plan import DeliveryRequest
from edge.node.lane.fetch import Fetch
from edge.node.lane.requests import KNOWN_HEAD_LIMIT_BYTES, KNOWN_HEADS_LIMIT, UNFINISHED, KnownHeads, RequestHead
from edge.node.observing.traffic import STATS, UPDATES
from edge.wire.plugins.forms import ZipEnd

DIGEST = "ab" * 32


def a_check(*lines: bytes, length: bytes = b"2", body: bytes = b"{}", path: bytes = b"/updates") -> bytes:
    head = [b"POST %s HTTP/1.1" % path, b"Host: Node.example.com", b"Content-Length: " + length, *lines]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def head_of(request: bytes) -> bytes:
    return request[: request.index(b"\r\n\r\n") + 4]


def test_a_head_is_known_by_all_its_bytes_once_its_request_was_read():
    known = KnownHeads()
    request = a_check(b"Accept-Encoding: gzip", b"Connection: close")
    head = known.read(request + b"what comes next")
    assert head == RequestHead(UPDATES, "POST", 2, True, "Node.example.com", True, "", (), None)
    assert known == {head_of(request): head}
    assert known.read(a_check(path=b"/stats")).route == STATS
    assert len(known) == 2


@pytest.mark.parametrize(
    "request_",
    [
        a_check(b"Transfer-Encoding: chunked"),
        a_check(b"Content-Length: 2"),
        a_check(b"Expect: 100-continue"),
        a_check(length=b"+2"),
        a_check(b"Upgrade: websocket"),
        a_check(b"X-A: b\nX-B: c"),
        a_check(path=b"/updates?x"),
        b"GET /updates HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_nothing_is_remembered_of_what_is_not_ordinary(request_):
    known = KnownHeads()
    assert known.read(request_) is None
    assert not known


@pytest.mark.parametrize("cut", [1, 20, -3, -1])
def test_nothing_is_remembered_of_what_is_not_whole(cut):
    known = KnownHeads()
    assert known.read(a_check()[:cut]) is UNFINISHED
    assert not known


def test_what_is_large_is_not_remembered():
    known = KnownHeads()
    assert known.read(a_check(b"X: " + b"x" * KNOWN_HEAD_LIMIT_BYTES)).body_bytes == 2
    assert not known


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (f"/bundles/com.a/zip/{DIGEST}", ("zip", ZipEnd.REFUSE)),
        (f"/bundles/com.a/file/{DIGEST}?end=empty", ("file", ZipEnd.EMPTY)),
        (f"/bundles/com.a/zip/{DIGEST}?end=whole", ("zip", ZipEnd.WHOLE)),
        (f"/bundles/com.a/zip/{DIGEST}?end=", None),
        (f"/bundles/com.a/manifest/{DIGEST}", None),
        (f"/bundles/com.a/zip/{DIGEST.upper()}", None),
        (f"/bundles/com.a/zip/{DIGEST}/", None),
        (f"/bundles/com.a/x/../zip/{DIGEST}", None),
        (f"/bundles/-nothing/zip/{DIGEST}", None),
        (f"/bundles/com.%61/zip/{DIGEST}", None),
    ],
)
def test_an_address_is_read_with_its_head(target, expected):
    known = KnownHeads()
    head = known.read(f"GET {target} HTTP/1.1\r\nHost: x\r\nRange: bytes=1-2\r\n\r\n".encode())
    if expected is None:
        assert head.fetch is None
    else:
        asked = DeliveryRequest("GET", range="bytes=1-2", end=expected[1])
        assert head.fetch == Fetch("com.a", expected[0], DIGEST, asked)
    assert list(known.values()) == [head]


def test_a_flood_of_heads_never_takes_more_than_its_room():
    known, most = KnownHeads(), 0
    for number in range(2 * KNOWN_HEADS_LIMIT + 10):
        known.read(a_check(b"X-Request-Id: %d" % number))
        most = max(most, len(known))
    assert most == KNOWN_HEADS_LIMIT
    assert 0 < len(known) <= 10
