"""Leaving a port: what the kernel has completed is accepted, and nothing else begins."""

import asyncio
import errno
import select
import socket

from aiohttp import web

from edge.node.processes.leaving import Leaving, accept_rest, close_for_all, connect, last_call, refuse_new
from edge.node.processes.listening import listen

PROMPT_SECONDS = 60.0


def connecting(address) -> socket.socket:
    peer = socket.socket()
    peer.setblocking(False)
    assert peer.connect_ex(address) in (0, errno.EINPROGRESS)
    return peer


def outcome(peer) -> int:
    """What became of a connection: 0 or the error."""
    assert select.select([], [peer], [], PROMPT_SECONDS)[1]
    return peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def test_what_has_connected_is_accepted_and_nothing_else_connects():
    listening = listen("127.0.0.1", 0, 16)
    address = listening.getsockname()
    early = [connecting(address) for _ in range(3)]
    assert [outcome(peer) for peer in early] == [0, 0, 0]
    refuse_new(listening)
    late = connecting(address)
    accepted = accept_rest(listening)
    close_for_all(listening)
    assert len(accepted) == 3
    assert outcome(late) == errno.ECONNREFUSED
    for each in (*early, *accepted, late):
        each.close()


def test_a_port_closes_although_another_holds_its_socket():
    listening = listen("127.0.0.1", 0, 16)
    with listening.dup() as held:
        address = listening.getsockname()
        waiting = connecting(address)
        assert outcome(waiting) == 0
        close_for_all(listening)
        assert waiting.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNRESET
        late = connecting(address)
        assert outcome(late) == errno.ECONNREFUSED
        assert accept_rest(held) == []
    waiting.close()
    late.close()


async def say_here(request):
    return web.Response(text="here")


async def test_an_answer_while_leaving_is_the_connections_last():
    leaving = Leaving()
    app = web.Application()
    app.router.add_get("/", say_here)
    app.on_response_prepare.append(leaving.mark)
    runner = web.AppRunner(app)
    await runner.setup()
    server = runner.server
    with listen("127.0.0.1", 0, 16) as listening:
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        await connect(accept_rest(listening), server)
        heads = []
        for leaving.begun in (False, True):
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            heads.append(await reader.readuntil(b"here"))
        assert [b"\r\nConnection: close\r\n" in head for head in heads] == [False, True]
        assert await reader.read() == b""
        await last_call(lambda: bool(server.connections), PROMPT_SECONDS)
        assert not server.connections
    writer.close()
    await runner.cleanup()
