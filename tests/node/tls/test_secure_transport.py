"""The node's end of TLS: the same to its protocol however the stream is cut, one write an event, and no peer's toy."""

import asyncio
import ssl
from contextlib import suppress

import pytest
from certificates import a_certificate
from hypothesis import given
from hypothesis import strategies as st
from tls_in_memory import HIGH_BYTES, Connected, trusting_anyone

from edge.node.tls.pair import read_pair
from edge.node.tls.port import BAD, HANDSHAKE_SECONDS, SLOW, PortTls
from edge.node.tls.transport import BARREN_BYTES, READ_BYTES, WRITE_BYTES

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
TICKET_BYTES = 600  # more than a ticket, an answer and the close have, and less than the node's certificate


class Lines(asyncio.Protocol):
    """Answers each line; "large" with much, and "bye" with the end."""

    def __init__(self):
        self.heard = []
        self.rest = b""
        self.events = []

    def connection_made(self, transport):
        self.transport = transport
        self.events.append("made")

    def connection_lost(self, exc):
        self.events.append("lost")

    def eof_received(self):
        self.events.append("eof")

    def pause_writing(self):
        self.events.append(("pause", self.transport.get_write_buffer_size()))

    def resume_writing(self):
        self.events.append("resume")

    def data_received(self, data):
        *lines, self.rest = (self.rest + data).split(b"\n")
        for line in lines:
            self.heard.append(line)
            self.transport.writelines([b"<", bytes(3 * WRITE_BYTES) if line == b"large" else line, b">"])
            if line == b"bye":
                self.transport.close()


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return read_pair(*a_certificate(tmp_path_factory.mktemp("pair")))


@pytest.fixture
def cuts():
    return []


@pytest.fixture
def tls(pair, cuts):
    return PortTls(pair, cuts.append)


def connected(tls, version=ssl.TLSVersion.TLSv1_3, **options) -> tuple[Connected, Lines]:
    lines = Lines()
    return Connected(tls, lines, trusting_anyone(version), **options), lines


def cut(stream: bytes, sizes: list[int]) -> list[bytes]:
    pieces, at = [], 0
    while stream and at < len(sizes):
        pieces.append(stream[: sizes[at]])
        stream, at = stream[sizes[at] :], at + 1
    return [*pieces, stream] if stream else pieces


SIZES = st.lists(st.integers(1, 400) | st.integers(1, 40_000), max_size=40)


@given(st.sampled_from(VERSIONS), SIZES, SIZES, st.lists(st.integers(0, 30_000), min_size=1, max_size=5))
def test_a_stream_that_is_cut_anywhere_is_answered_alike(pair, version, first, second, lengths):
    end, lines = connected(PortTls(pair, pytest.fail), version)
    said = [b"%d" % n * (length // 5) for n, length in enumerate(lengths)]
    with pytest.raises(ssl.SSLWantReadError):
        end.peer.do_handshake()
    end.deliver(*cut(end.said.read(), first))
    end.heard.write(end.wire.take())
    if version == ssl.TLSVersion.TLSv1_2:  # its client hears of the end of the handshake before it says anything
        with pytest.raises(ssl.SSLWantReadError):
            end.peer.do_handshake()
        end.deliver(*cut(end.said.read(), second))
        end.heard.write(end.wire.take())
    end.peer.do_handshake()
    stream = end.say(b"".join(line + b"\n" for line in said))
    end.deliver(*cut(stream, second))
    assert lines.heard == said
    assert end.hear() == b"".join(b"<" + line + b">" for line in said)
    assert lines.events == ["made"]


def test_the_ticket_the_answer_and_the_end_leave_in_one_write(tls):
    end, lines = connected(tls)
    last = end.shake()
    end.deliver(last + end.say(b"bye\n"))
    (sent,) = end.wire.writes
    assert len(sent) < TICKET_BYTES and end.wire.closed
    assert end.hear() == b"<bye>"
    assert end.peer.session.has_ticket
    assert end.peer.read(1) == b""  # the end was said
    end.transport.connection_lost(None)
    assert lines.events == ["made", "lost"]


def test_a_ticket_waits_for_the_answer_and_is_nothing_unread(tls):
    end, _ = connected(tls)
    end.deliver(end.shake())
    assert end.wire.writes == [] and end.transport.get_write_buffer_size() == 0
    end.deliver(end.say(b"a\n"))
    assert len(end.wire.writes) == 1
    assert end.hear() == b"<a>" and end.peer.session.has_ticket


def test_in_tls_1_2_the_handshake_ends_before_the_client_speaks(tls):
    end, _ = connected(tls, ssl.TLSVersion.TLSv1_2)
    end.open()
    end.deliver(end.say(b"a\n"))
    assert end.hear() == b"<a>"


def test_what_a_protocol_writes_outside_of_an_event_leaves_at_once(tls):
    end, lines = connected(tls)
    end.open()
    lines.transport.writelines([b"one", b"two"])
    assert len(end.wire.writes) == 1
    assert end.hear() == b"onetwo"


def test_much_is_written_at_once_and_the_protocol_hears_how_much_waits(tls):
    end, lines = connected(tls)
    end.open().deliver(end.say(b"large\n" * 3))
    (_, first), *later = lines.events[1:]
    assert first > 3 * WRITE_BYTES > HIGH_BYTES and later == []
    assert end.transport.get_write_buffer_size() > 3 * first - 1_000
    assert end.hear() == (b"<" + bytes(3 * WRITE_BYTES) + b">") * 3
    assert lines.events[2:] == ["resume"]


def test_a_peer_that_says_the_end_is_answered_first_and_told_the_end(tls):
    end, lines = connected(tls)
    end.open()
    asked = end.say(b"a\n")
    with pytest.raises(ssl.SSLWantReadError):
        end.peer.unwrap()
    end.deliver(asked + end.said.read())
    assert (lines.heard, lines.events, end.wire.closed) == ([b"a"], ["made", "eof"], True)
    assert end.wire.ended is False
    assert end.hear() == b"<a>"
    end.peer.unwrap()


def test_a_peer_that_ends_without_a_word_ends_the_connection(tls, cuts):
    end, lines = connected(tls)
    end.open().deliver(end.say(b"half a li"))
    assert end.transport.eof_received() is False
    assert (lines.heard, lines.events, end.wire.closed, cuts) == ([], ["made", "eof"], True, [])


def test_the_end_of_what_is_written_can_be_said_alone(tls):
    end, lines = connected(tls)
    end.open()
    lines.transport.write_eof()
    lines.transport.write(b"nothing")
    assert end.wire.ended and not end.wire.closed
    assert end.hear() == b""
    end.deliver(end.say(b"still heard\n"))
    assert lines.heard == [b"still heard"]
    lines.transport.close()
    assert end.wire.closed


def test_a_closed_transport_takes_nothing_more(tls):
    end, lines = connected(tls)
    end.open()
    lines.transport.close()
    count = len(end.wire.writes)
    lines.transport.write(b"late")
    lines.transport.writelines([b"late"])
    lines.transport.close()
    assert len(end.wire.writes) == count and lines.transport.is_closing()
    end.transport.connection_lost(None)
    lines.transport.write(b"late")
    lines.transport.close()
    lines.transport.abort()
    assert lines.events == ["made", "lost"] and not end.wire.reset


def test_nothing_can_be_written_before_the_handshake_is_over(tls):
    end, lines = connected(tls)
    with pytest.raises(RuntimeError):
        lines.transport.write(b"early")
    lines.transport.close()
    assert end.wire.closed and end.wire.writes == []


def test_a_protocol_takes_over_in_the_middle_of_a_connection(tls):
    end, lines = connected(tls)
    end.open()
    other = Lines()
    lines.transport.set_protocol(other)
    other.connection_made(lines.transport)
    end.deliver(end.say(b"a\n"))
    assert (lines.heard, other.heard, lines.transport.get_protocol()) == ([], [b"a"], other)
    end.transport.connection_lost(None)
    assert (lines.events, other.events) == (["made"], ["made", "lost"])


def test_what_is_known_of_a_connection_is_as_asyncio_has_it(tls):
    end, lines = connected(tls)
    ask = lines.transport.get_extra_info
    assert isinstance(ask("sslcontext"), ssl.SSLContext) and ask("cipher", "none") == "none"
    end.open()
    assert ask("peername") == ("192.0.2.1", 50_000)
    assert ask("ssl_object").context is ask("sslcontext")
    assert ask("cipher")[1] == "TLSv1.3" and not ask("peercert") and ask("compression") is None
    assert ask("nothing", 7) == 7


@given(st.sampled_from(VERSIONS), st.integers(0, 2_500), st.integers(0, 255), SIZES, st.booleans())
def test_a_stream_that_was_tampered_with_brings_nothing_but_what_was_said(pair, version, place, flip, sizes, cut_short):
    cuts = []
    end, lines = connected(PortTls(pair, cuts.append), version)
    sent = 0

    def altered(flight: bytes) -> bytes:
        nonlocal sent
        at, sent = place - sent, sent + len(flight)
        if not 0 <= at < len(flight):
            return flight
        return flight[:at] if cut_short else flight[:at] + bytes([flight[at] ^ flip]) + flight[at + 1 :]

    said = [b"%d" % n * 100 for n in range(5)]
    try:
        for _ in range(3):
            with suppress(ssl.SSLWantReadError):
                end.peer.do_handshake()
            end.deliver(*cut(altered(end.said.read()), sizes))
            end.heard.write(end.wire.take())
        for line in said:
            end.deliver(*cut(altered(end.say(line + b"\n")), sizes))
        heard = end.hear()
    except ssl.SSLError:  # the peer has noticed
        heard = b""
    assert said[: len(lines.heard)] == lines.heard
    assert b"".join(b"<" + line + b">" for line in lines.heard).startswith(heard)
    assert cuts in ([], [BAD]) and bool(cuts) == end.wire.closed
    if end.wire.closed:
        end.transport.connection_lost(None)
        assert lines.events == ["made", "lost"]


GARBAGE = {
    "plain HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "zeros": bytes(100),
    "a record of nothing": b"\x16\x03\x01\x00\x00",
    "an old hello": b"\x80\x2e\x01\x00\x02" + bytes(60),
    "a hello of nonsense": b"\x16\x03\x01\x00\x20\x01\x00\x00\x1c" + b"\xff" * 28,
}


@pytest.mark.parametrize("sent", GARBAGE.values(), ids=GARBAGE)
@pytest.mark.parametrize("step", [1, 1_000])
def test_what_is_not_tls_is_refused_and_counted(tls, cuts, sent, step):
    end, lines = connected(tls)
    end.deliver(*cut(sent, [step] * len(sent)))
    if end.wire.closed:
        assert cuts == [BAD] and not b"".join(end.wire.writes).startswith(b"HTTP")
    else:  # it may still become a hello
        tls.sweep(float("inf"))
        assert cuts == [SLOW] and end.wire.reset
    end.transport.connection_lost(None)
    assert (lines.heard, lines.events, tls.shaking) == ([], ["made", "lost"], 0)


def test_a_record_that_was_forged_ends_the_connection_unheard(tls, cuts):
    end, lines = connected(tls)
    end.open()
    record = bytearray(end.say(b"a\n"))
    record[-1] ^= 1
    end.deliver(bytes(record))
    assert (lines.heard, cuts, end.wire.closed) == ([], [BAD], True)
    with pytest.raises(ssl.SSLError, match="BAD_RECORD_MAC"):
        end.hear()


def test_a_hello_without_an_end_is_refused(tls, cuts):
    client = trusting_anyone()
    client.set_alpn_protocols([f"{n:05}" + "x" * 200 for n in range(300)])
    end = Connected(tls, Lines(), client)
    with pytest.raises(ssl.SSLWantReadError):
        end.peer.do_handshake()
    hello = end.said.read()
    end.deliver(*cut(hello, [1_000] * (len(hello) // 1_000)))
    assert (cuts, end.wire.closed) == ([BAD], True)


def test_new_keys_without_end_are_refused_and_cost_little(tls, cuts):
    end, _ = connected(tls)
    end.open()
    updates = [end.update_keys() for _ in range(2 * BARREN_BYTES // 20)]
    end.deliver(*updates[:100], end.say(b""))
    assert (cuts, end.wire.writes) == ([], [])  # they are answered together, with what is said next
    end.deliver(b"".join(updates[100:]))
    assert (cuts, end.wire.closed) == ([BAD], True)


def test_new_keys_now_and_then_are_followed(tls, cuts):
    end, lines = connected(tls)
    end.open()
    for n in range(2_000):
        end.deliver(end.update_keys() + end.say(b"%0200d\n" % n))
        assert end.hear() == b"<%s>" % lines.heard[-1]
    assert cuts == []


def test_records_of_a_byte_are_read_as_long_as_a_request_has(tls, cuts):
    end, lines = connected(tls)
    end.open()
    end.deliver(*(end.say(b"x") for _ in range(500)), end.say(b"\n"))
    assert (lines.heard, cuts) == ([b"x" * 500], [])
    end.deliver(*(end.say(b"x") for _ in range(BARREN_BYTES // 20)))
    assert cuts == [BAD]


def test_an_upload_of_many_records_is_no_flood(tls, cuts):
    end, lines = connected(tls)
    end.open()
    for size in (READ_BYTES, 100, 5_000):
        for _ in range(200):
            end.deliver(end.say(b"x" * size))
    end.deliver(end.say(b"\n"))
    assert len(lines.heard[0]) == 200 * (READ_BYTES + 5_100) and cuts == []


def test_a_handshake_has_its_time_and_then_is_cut(tls, cuts):
    begun = [connected(tls) for _ in range(3)]
    idle, half, whole = (end for end, _ in begun)
    half.deliver(GARBAGE["a hello of nonsense"][:20])
    whole.open()
    assert tls.shaking == 2
    now = tls._now
    tls.sweep(now + HANDSHAKE_SECONDS)
    assert cuts == []
    tls.sweep(now + HANDSHAKE_SECONDS + 0.1)
    assert cuts == [SLOW, SLOW]
    assert (idle.wire.reset, half.wire.reset, whole.wire.closed, tls.shaking) == (True, True, False, 0)
