import asyncio
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from raw_client import a_client, read_until_closed

from edge.node.http.connection import accept_with
from edge.node.observing.traffic import Traffic
from edge.node.service.limits.admission import (
    CONNECTIONS_LIMIT,
    FIELDS_LIMIT,
    HEAD_LIMIT_BYTES,
    RESERVED_DESCRIPTORS,
    Connections,
    connections_limit,
)
from edge.node.service.peers import Proxies

ASK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def test_an_address_gets_its_share_and_gives_it_back():
    connections = Connections(2, Proxies())
    assert [connections.admit("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert connections.admit("192.0.2.2")
    connections.release("192.0.2.1")
    assert connections.admit("192.0.2.1")
    assert connections.refused == 1


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_proxies_and_a_limit_of_zero_are_not_counted(address):
    for connections in (Connections(1, Proxies(["192.0.2.0/24", "2001:db8::/32"])), Connections(0, Proxies())):
        assert all(connections.admit(address) for _ in range(5))
        connections.release(address)
        assert connections.open == 4


def test_an_ipv6_subscriber_is_one_peer_however_many_addresses_he_uses():
    connections = Connections(2, Proxies())
    addresses = [f"2001:db8:0:1::{n:x}" for n in range(1, 4)]
    assert [connections.admit(address) for address in addresses] == [True, True, False]
    assert connections.admit("2001:db8:0:2::1")
    connections.release(addresses[0])
    assert connections.held(addresses[1]) == 1


def test_all_connections_together_have_a_limit_that_also_holds_for_proxies():
    connections = Connections(0, Proxies(["192.0.2.0/24"]), total=2)
    assert [connections.admit(f"192.0.2.{n}") for n in range(3)] == [True, True, False]
    assert connections.closed()["worker_limit"] == 1
    connections.release("192.0.2.0")
    assert connections.admit("198.51.100.1")


@pytest.mark.parametrize(
    ("descriptors", "expected"),
    [(0, 1), (RESERVED_DESCRIPTORS, 1), (RESERVED_DESCRIPTORS + 200, 100), (1 << 20, CONNECTIONS_LIMIT)],
)
def test_the_limit_of_all_follows_from_the_descriptors(descriptors, expected):
    assert connections_limit(descriptors) == expected


class Lines:
    """An access log that keeps its lines."""

    def __init__(self):
        self.lines = []

    def note(self, line):
        self.lines.append(line)


async def serve(request):
    return web.Response(text=f"served {len(await request.read())}")


@asynccontextmanager
async def a_server(connections, answer=serve, **limits):
    """Its port; by default, `GET /` answers "served", `POST /` with the number of bytes received."""
    app = web.Application()
    app.router.add_get("/", answer)
    app.router.add_post("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(accept_with(runner.server, connections, loop, **limits), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await runner.cleanup()


async def test_a_flood_from_one_address_is_closed_and_the_next_device_served():
    connections = Connections(2, Proxies())
    async with a_server(connections) as port, a_client(port) as (reader, writer):
        writer.write(ASK)
        assert b"served" in await reader.readuntil(b"served 0")
        async with a_client(port), a_client(port) as (refused, refused_writer):
            refused_writer.write(ASK)
            assert await read_until_closed(refused) == b""
        while connections.held("127.0.0.1") != 1:
            await asyncio.sleep(0)
        async with a_client(port) as (again, again_writer):
            again_writer.write(ASK)
            await again.readuntil(b"served 0")


@pytest.mark.parametrize("begun", [b"", b"G", b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nA"])
async def test_a_connection_without_a_whole_head_is_closed_in_time(begun):
    connections = Connections(0, Proxies())
    async with a_server(connections, header_seconds=0.1) as port, a_client(port) as (reader, writer):
        writer.write(begun)
        assert await read_until_closed(reader) == b""
        assert connections.closed()["slow_head"] == 1


async def test_a_head_that_drips_is_closed_in_time_however_steadily():
    connections = Connections(0, Proxies())
    async with a_server(connections, header_seconds=0.15) as port, a_client(port) as (reader, writer):
        closed = asyncio.ensure_future(read_until_closed(reader))
        for byte in b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 100:
            writer.write(bytes([byte]))
            if (await asyncio.wait({closed}, timeout=0.01))[0]:
                break
        assert await closed == b""
        assert connections.closed()["slow_head"] == 1


async def test_the_second_head_has_its_own_time():
    connections = Connections(0, Proxies())
    async with a_server(connections, header_seconds=0.1) as port, a_client(port) as (reader, writer):
        writer.write(ASK)
        await reader.readuntil(b"served 0")
        writer.write(ASK[:20])
        assert await read_until_closed(reader) == b""
        assert connections.closed()["slow_head"] == 1


async def test_an_idle_connection_is_kept_beyond_the_heads_time_and_not_for_ever():
    connections = Connections(0, Proxies())
    limits = {"header_seconds": 0.05, "keep_alive_seconds": 0.3}
    async with a_server(connections, **limits) as port, a_client(port) as (reader, writer):
        writer.write(ASK)
        await reader.readuntil(b"served 0")
        started = asyncio.get_running_loop().time()
        assert await read_until_closed(reader) == b""
        assert asyncio.get_running_loop().time() - started >= 0.2
        assert connections.closed()["slow_head"] == 0


async def test_the_time_of_a_head_ends_with_the_head_not_with_the_body():
    connections = Connections(0, Proxies())
    async with a_server(connections, header_seconds=0.1) as port, a_client(port) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n")
        for _ in range(4):
            await asyncio.wait({asyncio.ensure_future(asyncio.sleep(0.05))})
            writer.write(b"x")
        await reader.readuntil(b"served 4")


FLOODS = {
    "one long line": b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "one long field": b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 20_000 + b"\r\n\r\n",
    "one long name": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"a" * 20_000 + b": b\r\n\r\n",
    "too many fields": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * (FIELDS_LIMIT + 1) + b"\r\n",
    "bytes without end": b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 2,
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
async def test_a_head_beyond_the_limits_is_refused_in_the_protocols_shape_or_cut(flood):
    connections = Connections(0, Proxies())
    async with a_server(connections, header_seconds=0.2) as port, a_client(port) as (reader, writer):
        writer.write(flood)
        answer = await read_until_closed(reader)
        assert answer == b"" or (answer.startswith(b"HTTP/1.") and b" 400 " in answer and b'{"error":"' in answer)
        assert connections.malformed + connections.closed()["slow_head"] == 1


SECRET = b"s3cr3t"
GARBAGE = {
    "no request": SECRET + b"\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\nCookie: s3cr3t\r\n\r\n",
    "an invalid address": b"GET http://[s3cr3t/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "an invalid port": b"CONNECT s3cr3t:99999 HTTP/1.1\r\nHost: x\r\n\r\n",
    "an invalid length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: s3cr3t\r\n\r\n",
    "an invalid chunk": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\ns3cr3t\r\n",
    "a chunk that is too long": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ns3cr3t\r\n",
    "an invalid chunk that nobody reads": b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\ns3cr3t\r\n",
    "an old upgrade": b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key1: s3cr3t\r\n\r\n",
    "garbage behind an upgrade": b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    b"s3cr3t\r\n\r\n",
    "garbage behind a request": ASK + b"s3cr3t\x00\r\n\r\n",
    "no UTF-8": b"GET /\xff\xfe HTTP/1.1\r\nHost: \xff\r\nCookie: s3cr3t\xff\r\n\r\n",
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200 + b"s3cr3t\r\n\r\n",
    "a later version": b"GET / HTTP/9.9\r\nHost: s3cr3t\r\n\r\n",
    "a long field": b"GET / HTTP/1.1\r\nHost: x\r\nA: " + SECRET * 3_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
async def test_what_is_no_request_costs_a_line_of_the_access_log_and_none_of_the_log(garbage, caplog):
    connections, traffic = Connections(0, Proxies()), Traffic(Lines())
    async with a_server(connections, traffic=traffic) as port, a_client(port) as (reader, writer):
        writer.write(garbage)
        assert SECRET not in await read_until_closed(reader)
    assert caplog.record_tuples == []
    assert connections.malformed == 1
    lines = traffic.access.lines
    assert 1 <= len(lines) <= 2 and {line.peer for line in lines} == {"127.0.0.1"}
    assert SECRET not in repr(lines).encode()


async def test_a_bug_is_logged_by_its_kind_and_place_and_never_quotes_the_request(caplog):
    class Broken(Traffic):
        def note(self, route, status, sent_bytes):
            raise KeyError("s3cr3t")

    connections = Connections(0, Proxies())
    async with a_server(connections, traffic=Broken()) as port, a_client(port) as (reader, writer):
        writer.write(ASK)
        await read_until_closed(reader)
    ((name, _, said),) = caplog.record_tuples
    assert name == "edge.http" and "KeyError in test_connections.py, line " in said and "s3cr3t" not in caplog.text


async def test_a_peer_that_reads_nothing_has_no_number_of_requests_answered():
    answered = []

    async def answer(request):
        answered.append(request)
        return web.Response(body=bytes(100_000))

    async with a_server(Connections(0, Proxies()), answer=answer) as port, a_client(port) as (_, writer):
        for _ in range(20):  # whose own buffer is full after the first answers
            writer.write(ASK * 30)
            for _ in range(50):
                await asyncio.sleep(0)
    assert 0 < len(answered) < 100


async def test_a_head_of_many_fields_cannot_make_the_node_hold_more_than_its_limit():
    connections = Connections(0, Proxies())
    field = b"A: " + b"a" * 4_000 + b"\r\n"
    async with a_server(connections) as port, a_client(port) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n" + field * (HEAD_LIMIT_BYTES // 4_000 + 20))
        assert await read_until_closed(reader) == b""
        assert connections.long_heads == 1


@pytest.mark.parametrize("version", [b"0.9", b"2.0", b"1.2"])
async def test_other_versions_of_http_are_cut_and_not_repeated(version):
    connections = Connections(0, Proxies())
    async with a_server(connections) as port, a_client(port) as (reader, writer):
        writer.write(ASK.replace(b"1.1", version))
        answer = await read_until_closed(reader)
        assert answer == b"" or answer.startswith(b"HTTP/1.0 400 ")
        assert connections.malformed == 1


async def test_http_1_0_is_spoken():
    async with a_server(Connections(0, Proxies())) as port, a_client(port) as (reader, writer):
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        assert (await read_until_closed(reader)).endswith(b"served 0")


async def test_an_unknown_expectation_is_refused_without_repeating_it():
    async with a_server(Connections(0, Proxies())) as port, a_client(port) as (reader, writer):
        writer.write(ASK[:-2] + b"Expect: <secret>\r\nConnection: close\r\n\r\n")
        answer = await read_until_closed(reader)
        assert b" 417 " in answer and b'{"error":"expectation_failed"' in answer
        assert b"secret" not in answer


async def test_a_compressed_body_stays_as_it_came():
    async with a_server(Connections(0, Proxies())) as port, a_client(port) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd")
        await reader.readuntil(b"served 4")
