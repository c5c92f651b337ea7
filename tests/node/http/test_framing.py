"""A chunked body may be as long as any, but not mostly framing; how it arrives does not matter."""

import asyncio

import pytest
from aiohttp import web
from raw_client import a_client, read_until_closed

from edge.node.http.connection import PATH_LIMIT_BYTES, accept_with
from edge.node.http.framing import CHUNK_BYTES, CHUNKS_LIMIT, PIECE_BYTES
from edge.node.service.limits.admission import Connections
from edge.node.service.peers import Proxies


@pytest.fixture
async def node():
    async def handle(request):
        return web.Response(text=f"got {len(await request.read())}")

    app = web.Application(client_max_size=8 << 20)
    app.router.add_post("/", handle)
    app.router.add_get("/{rest:a+}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    loop, connections = asyncio.get_running_loop(), Connections(0, Proxies())
    server = await loop.create_server(accept_with(runner.server, connections, loop), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], connections
    server.close()
    await runner.cleanup()


HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"


def in_chunks(body: bytes, size: int, extension: bytes = b"") -> bytes:
    chunks = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks) + b"0\r\n\r\n"


async def answer_to(port: int, request: bytes) -> bytes:
    async with a_client(port) as (reader, writer):
        writer.write(request)
        return await read_until_closed(reader)


@pytest.mark.parametrize(
    ("size_bytes", "chunk_bytes"),
    [(CHUNKS_LIMIT - 1, 1), (CHUNKS_LIMIT * 10, 10), (4 << 20, CHUNK_BYTES), (4 << 20, 1 << 20), (4 << 20, 4 << 20)],
)
async def test_a_body_in_chunks_that_are_worth_it_is_read(node, size_bytes, chunk_bytes):
    port, connections = node
    body = (b'{"x": 1},\r\n' * size_bytes)[:size_bytes] if chunk_bytes > 10 else b"x" * size_bytes
    assert (await answer_to(port, HEAD + in_chunks(body, chunk_bytes))).endswith(b"got %d" % size_bytes)
    assert connections.malformed == 0


@pytest.mark.parametrize("extension", [b"", b";a=b"])
async def test_a_body_that_is_mostly_framing_is_cut_and_counted(node, extension):
    port, connections = node
    assert b"200" not in await answer_to(port, HEAD + in_chunks(b"x" * (1 << 16), 1, extension))
    assert connections.malformed == 1


async def test_requests_behind_one_another_are_all_read_however_they_are_framed(node):
    port, _ = node
    plain = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b"
    several = b"".join(
        (
            HEAD.replace(b"Connection: close\r\n", b"") + in_chunks(b"x" * 1000, 1),
            plain % (3 * PIECE_BYTES, b"y" * 3 * PIECE_BYTES),
            HEAD.replace(b"Connection: close\r\n", b"") + in_chunks(b"x" * 1001, 1),
            HEAD + in_chunks(b"z" * 3 * PIECE_BYTES, PIECE_BYTES),
        )
    )
    answers = await answer_to(port, several)
    assert [int(part.split(b"HTTP")[0]) for part in answers.split(b"got ")[1:]] == [
        *(1000, 3 * PIECE_BYTES),
        *(1001, 3 * PIECE_BYTES),
    ]


async def test_a_path_above_the_limit_is_no_routes(node):
    port, _ = node
    for size, status in ((PATH_LIMIT_BYTES, b"200"), (PATH_LIMIT_BYTES + 1, b"404")):
        path = b"/" + b"a" * (size - 1)
        request = b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path
        assert (await answer_to(port, request)).split(b" ")[1] == status
