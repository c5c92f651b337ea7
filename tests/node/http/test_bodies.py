"""A body is read within a size and a time limit, and the node answers either way."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from raw_client import a_client, read_until_closed

from edge.node.http.bodies import read_body
from edge.node.http.connection import accept_with
from edge.node.http.refusals import refuse
from edge.node.service.limits.admission import Connections
from edge.node.service.limits.large_bodies import HELD_LIMIT_BYTES, LargeBodies
from edge.node.service.peers import Proxies

LIMIT_BYTES = 1_000
SECONDS = 0.15


@asynccontextmanager
async def serving(handle):
    app = web.Application()
    app.router.add_post("/", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(accept_with(runner.server, Connections(0, Proxies()), loop), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await runner.cleanup()


@pytest.fixture
async def port():
    async def handle(request):
        try:
            return web.Response(text=f"got {len(await read_body(request, LIMIT_BYTES, SECONDS))}")
        except web.HTTPException as error:
            return refuse(error)

    async with serving(handle) as port:
        yield port


@pytest.fixture
async def lending_port():
    """Of a node that holds as many large bodies as it may."""
    bodies = LargeBodies(Counter())
    bodies.held_bytes = HELD_LIMIT_BYTES

    async def handle(request):
        try:
            with bodies.lease("192.0.2.1", 0.0) as lease:
                return web.Response(text=f"got {len(await read_body(request, 1 << 20, lease=lease))}")
        except web.HTTPException as error:
            return refuse(error)

    async with serving(handle) as port:
        yield port
    bodies.close()


def post(framing: bytes, body: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + framing + b"\r\n\r\n" + body


async def test_a_body_of_the_limit_is_read(port):
    async with a_client(port) as (reader, writer):
        writer.write(post(b"Content-Length: 1000", b"x" * LIMIT_BYTES))
        assert (await read_until_closed(reader)).endswith(b"got 1000")


@pytest.mark.parametrize("sent", [b"", b"x" * 500])
async def test_a_body_that_does_not_arrive_is_given_up_in_time(port, sent):
    async with a_client(port) as (reader, writer):
        writer.write(post(b"Content-Length: 1000", sent))
        answer = await reader.readuntil(b"}")
        assert b" 408 " in answer and b'"error":"request_timeout"' in answer


async def test_a_body_that_drips_is_given_up_in_time_however_steadily(port):
    async with a_client(port) as (reader, writer):
        writer.write(post(b"Transfer-Encoding: chunked"))
        answered = asyncio.ensure_future(reader.readuntil(b"}"))
        while not (await asyncio.wait({answered}, timeout=0.01))[0]:
            writer.write(b"1\r\nx\r\n")
        assert b" 408 " in await answered


@pytest.mark.parametrize("framing", [b"Content-Length: 10000000", b"Transfer-Encoding: chunked"])
async def test_a_body_beyond_the_limit_is_refused_before_it_has_arrived(port, framing):
    async with a_client(port) as (reader, writer):
        writer.write(post(framing, b"" if b"Length" in framing else b"3e9\r\n" + b"x" * 1_001 + b"\r\n"))
        answer = await reader.readuntil(b"}")
        assert b" 413 " in answer and b'"error":"body_too_large"' in answer


async def test_a_large_body_is_refused_before_it_has_arrived_and_named_as_passing(lending_port):
    head = b"POST / HTTP/1.1\r\nHost: x\r\n"
    for framing in (b"Content-Length: 200000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n11170\r\n" + b"x" * 0x11170):
        async with a_client(lending_port) as (reader, writer):
            writer.write(head + framing)
            answer = await reader.readuntil(b"}")
            assert b" 503 " in answer and b'"error":"unavailable"' in answer
            assert b"Retry-After: 60\r\n" in answer


async def test_a_body_that_is_not_large_needs_no_lease(lending_port):
    async with a_client(lending_port) as (reader, writer):
        writer.write(post(b"Content-Length: 65536", b"x" * 65536))
        assert (await read_until_closed(reader)).endswith(b"got 65536")
