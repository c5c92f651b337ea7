"""Cached heads: only ordinary ones, within the limit, and never with another meaning."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.node.delivery.plan import DeliveryRequest
from edge.node.lane.fetch import Fetch
from edge.node.lane.requests import (
    KNOWN_HEAD_LIMIT_BYTES,
    KNOWN_HEADS_LIMIT,
    UNFINISHED,
    KnownHeads,
    RequestHead,
    measure_unusual,
)
from edge.node.observing.traffic import STATS, UPDATES
from edge.node.service.peers import NO_PLACES
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
    assert head == RequestHead(UPDATES, "POST", 2, True, "Node.example.com", True, None)
    assert known.read(request) is head and known == {head_of(request): head}  # in use the second time
    assert known.read(a_check(path=b"/stats")).route == STATS
    assert known.held == 2


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
    assert not known.held


@pytest.mark.parametrize("cut", [1, 20, -3, -1])
def test_nothing_is_remembered_of_what_is_not_whole(cut):
    known = KnownHeads()
    assert known.read(a_check()[:cut]) is UNFINISHED
    assert not known.held


@pytest.mark.parametrize(
    ("request_", "size"),
    [
        (b"GET /updates HTTP/1.1\r\nHost: x\r\n\r\n", 0),
        (b"PUT /channel_self HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n", 2),
        (b"PUT /channel_self HTTP/1.1\r\nHost: x\r\ncontent-length:2\r\n\r\n", 2),
        (b"GET /updates HTTP/1.0\r\nHost: x\r\n\r\n", None),
        (b"GET /updates HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", None),
        (b"GET /updates HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", None),
        (b"GET /updates HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", None),
        (b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n", None),
        (b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2, 2\r\n\r\n", None),
        (b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length : 2\r\n\r\n", None),
        (b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: +2\r\n\r\n", None),
        (b"PUT / HTTP/1.1\r\nHost: x\r\nX: a\nContent-Length: 2\r\n\r\n", None),
        (b"PUT / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n", None),
        (b"GET /updates HTTP/1.1\r\nHost: x\r\n", None),
    ],
)
def test_the_end_of_an_unusual_request_is_told_only_where_it_is_plain(request_, size):
    """`size` is that of the body; None: it cannot be told."""
    assert measure_unusual(request_ + b"{}{}") == (0 if size is None else len(request_) + size)


def test_what_is_large_is_not_remembered():
    known = KnownHeads()
    assert known.read(a_check(b"X: " + b"x" * KNOWN_HEAD_LIMIT_BYTES)).body_bytes == 2
    assert not known.held


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
    request = f"GET {target} HTTP/1.1\r\nHost: x\r\nRange: bytes=1-2\r\n\r\n".encode()
    head = known.read(request)
    if expected is None:
        assert head.fetch is None
    else:
        asked = DeliveryRequest("GET", range="bytes=1-2", end=expected[1])
        assert head.fetch == Fetch("com.a", expected[0], DIGEST, asked)
    assert known.find(request) is head


def test_a_flood_of_heads_takes_no_more_than_its_room_and_pushes_out_none_in_use():
    known, most, fleet = KnownHeads(), 0, a_check(b"User-Agent: the fleet's")
    head = [known.read(fleet) for _ in range(2)][1]
    for number in range(2 * KNOWN_HEADS_LIMIT):
        known.read(a_check(b"X-Flood: %d" % number))
        most = max(most, known.held)
        known.read(a_check(b"X-Seen-Twice: %d" % (number // 2)))
        known.get(head_of(fleet)) or known.read(fleet)
    assert KNOWN_HEADS_LIMIT * 2 // 3 < most <= KNOWN_HEADS_LIMIT
    assert known.get(head_of(fleet)) is head


def ask(known: KnownHeads, request: bytes) -> tuple:
    """Twice: what is heard, and the second time from a head that is known."""
    end = request.find(b"\r\n\r\n") + 4
    (first, said), (head, again) = known.hear(request, end, "192.0.2.1"), known.hear(request, end, "192.0.2.1")
    assert said.says_what(again) and (first is None or first.host == head.host)
    return head, again


def test_what_a_proxy_states_is_kept_out_of_the_head_that_is_remembered():
    known = KnownHeads("CF-IPCountry")
    heads = set()
    for number in range(300):
        address, named = b"198.51.100.%d" % (number % 256), b"%032x" % number
        lines = [b"X-Forwarded-For: " + address, b"X-Forwarded-Proto: https", b"CF-IPCountry: DE"]
        lines += [b"X-Request-ID: " + named, b"user-agent: phone %d" % number, b"traceparent: 00-%s" % named]
        head, whence = ask(known, a_check(*lines))
        heads.add(id(head))
        assert (whence.forwarded, whence.scheme, whence.country) == ([address.decode()], "https", "DE")
        assert whence.request_id == named.decode()
    assert len(heads) == known.held == 1


@pytest.mark.parametrize(
    "line",
    [
        b"X-Forwarded-For:192.0.2.7",
        b"X-Forwarded-For: 192.0.2.7\xff",
        b"X-Forwarded-For: " + b"192.0.2.7, " * 60 + b"192.0.2.7",
        b"X-FORWARDED-For: 192.0.2.7",
        b"X-Forwarded-For:  \t192.0.2.7",
        b"X-Forwarded-For:",
    ],
)
def test_a_line_that_is_too_odd_to_be_cut_is_read_by_the_parser_each_time(line):
    known = KnownHeads()
    _, whence = ask(known, a_check(b"X-Forwarded-For: 198.51.100.9", line))
    assert whence.forwarded[0] == "198.51.100.9" and len(whence.forwarded) == 2
    assert known.held == 0


@pytest.mark.parametrize(
    "line",
    [
        b"X-Forwarded-For: 192.0.2.7\r\n 192.0.2.8",
        b"X-Forwarded-For: 192.0.2.7\nContent-Length: 3",
        b"X-Forwarded-For: 192.0.2.7\rContent-Length: 3",
        b"X-Forwarded-For: 192.0.2.7\0",
        b"X-Forwarded-For: 192.0.2.7\r\nContent-Length: 2",
        b"X-Forwarded-For: 192.0.2.7\r\nTransfer-Encoding: chunked",
        b"X-Forwarded-For : 192.0.2.7",
    ],
)
def test_a_value_that_would_change_the_framing_is_never_ordinary(line):
    known = KnownHeads()
    ask(known, a_check(b"X-Forwarded-For: 192.0.2.7"))  # a head alike is known
    assert ask(known, a_check(line))[0] is None


NAMES = [b"X-Forwarded-For", b"x-forwarded-for", b"X-fOrwarded-for", b"X-Forwarded-Proto", b"X-Request-ID"]
NAMES += [b"cf-ipcountry", b"User-Agent", b"traceparent", b"X-Real-IP", b"X-Other", b"Accept-Encoding", b"Connection"]
NAMES += [b"Content-Length", b"Via", b"Range"]
VALUES = [b"192.0.2.7", b"2001:db8::1, 10.0.0.1", b"https", b"DE", b"gzip", b"close", b"2", b"a b", b"", b" x ", b"\t"]
ODD_VALUES = [b"\xff", b"a\rb", b"a\nb", b"a\0b", b"\r\n folded", b"\r\nHost: b", b"x" * 600]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(NAMES),
            st.sampled_from([b": ", b": ", b": ", b":", b":  ", b" : "]),
            st.sampled_from(VALUES) | st.sampled_from(ODD_VALUES) | st.binary(max_size=4),
        ),
        max_size=5,
    ),
    st.lists(st.sampled_from(VALUES + ODD_VALUES), min_size=5, max_size=5),
)
def test_a_head_that_is_known_without_its_values_is_heard_as_the_parser_reads_it(lines, others):
    """Two requests of the same lines with other values: what the memory says of the second, the parser says, too."""
    known = KnownHeads("CF-IPCountry")
    for values in ([value for _, _, value in lines], others):
        request = a_check(*(name + colon + value for (name, colon, _), value in zip(lines, values, strict=False)))
        end = request.find(b"\r\n\r\n") + 4
        for _ in range(2):
            head, whence = known.hear(request, end, "192.0.2.1")
            parsed, said = KnownHeads("CF-IPCountry").hear(request, end, "192.0.2.1")
            told = [each and msgspec.structs.replace(each, places=None) for each in (head, parsed)]
            assert told[0] == told[1]
            assert whence.says_what(said)
        direct = known.read(request)
        assert (direct and msgspec.structs.replace(direct, places=None)) == told[1]


def test_a_stranger_who_names_nothing_does_not_hide_what_a_proxy_states():
    known = KnownHeads("CF-IPCountry")
    odd = b"X-Forwarded-proto: https"  # a spelling that is not cut: with such a line the parser is asked each time
    known.read(a_check(b"X-Forwarded-For: ", b"CF-IPCountry: ", odd))
    for _ in range(3):
        _, whence = ask(known, a_check(b"X-Forwarded-For: 192.0.2.7", b"CF-IPCountry: DE", odd))
        assert (whence.forwarded, whence.country, whence.scheme) == (["192.0.2.7"], "DE", "https")


@given(
    st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from([b": ", b": ", b":"])), max_size=4),
    st.lists(
        st.tuples(st.booleans(), st.lists(st.sampled_from([b"", *VALUES, *ODD_VALUES[:2]]), min_size=4, max_size=4)),
        min_size=2,
        max_size=6,
    ),
)
def test_heads_of_strangers_and_of_a_proxy_in_any_order_are_told_as_the_parser_reads_them(lines, requests):
    """All of the same lines, with values of their own; a stranger's is looked up as the lane does it."""
    known = KnownHeads("CF-IPCountry")
    for proxied, values in requests:
        request = a_check(*(name + colon + value for (name, colon), value in zip(lines, values, strict=False)))
        parsed, said = KnownHeads("CF-IPCountry").hear(request, len(request) - 2, "192.0.2.1")
        if proxied:
            head, whence = known.hear(request, len(request) - 2, "192.0.2.1")
            assert whence.says_what(said)
        else:
            head = known.get(head_of(request)) or known.read(request)
            assert head is None or head.places == NO_PLACES
        told = [each and msgspec.structs.replace(each, places=NO_PLACES) for each in (head, parsed)]
        assert told[0] == told[1]
