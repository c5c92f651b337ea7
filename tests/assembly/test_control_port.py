"""The control port admits, refuses and logs as the device port does."""

import socket
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from raw_client import a_client, read_until_closed

from edge.assembly.control_port import CONTROL_ADDRESS_LIMIT, serving_control
from edge.node.service.limits.admission import FIELDS_LIMIT

ASK = b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer s3cr3t\r\n"


@asynccontextmanager
async def a_control_port(tls=None):
    """Its port, and its connections."""

    async def answer(request):
        return web.Response(text="served")

    app = web.Application()
    app.router.add_get("/", answer)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        async with serving_control(app, listening, tls) as connections:
            yield listening.getsockname()[1], connections


REFUSED = {
    "an invalid address": ASK.replace(b" / ", b" http://[s3cr3t/ ") + b"\r\n",
    "no UTF-8": ASK + b"\xff: s3cr3t\r\n\r\n",
    "a field too many": ASK + b"A: s3cr3t\r\n" * (FIELDS_LIMIT - 1) + b"\r\n",
    "an invalid chunk": ASK + b"Transfer-Encoding: chunked\r\n\r\ns3cr3t\r\n",
}


@pytest.mark.parametrize("refused", REFUSED.values(), ids=REFUSED)
async def test_what_is_no_request_is_refused_and_leaves_nothing_in_the_log(refused, caplog):
    async with a_control_port() as (port, connections), a_client(port) as (reader, writer):
        writer.write(refused)
        answer = await read_until_closed(reader)
    assert b" 400 " in answer and b'{"error":"bad_request"' in answer
    assert connections.malformed == 1 and caplog.record_tuples == []


async def test_an_address_gets_its_share_of_the_connections():
    async with a_control_port() as (port, connections), a_client(port) as (reader, writer):
        writer.write(ASK + b"\r\n")
        await reader.readuntil(b"served")
        for _ in range(CONTROL_ADDRESS_LIMIT - 1):
            assert connections.admit("127.0.0.1")
        async with a_client(port) as (refused, refused_writer):
            refused_writer.write(ASK + b"\r\n")
            assert await read_until_closed(refused) == b""
    assert connections.refused == 1


async def test_who_waits_in_the_queue_is_answered_before_the_port_closes():
    async with a_control_port() as (port, _):
        # No turn of the loop passes before the block ends: only the kernel knows these peers.
        peers = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        for peer in peers:
            peer.sendall(ASK + b"\r\n")
    for peer in peers:
        with peer, peer.makefile("rb") as answer:
            assert answer.read().endswith(b"served")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
