import asyncio

import pytest
from aiohttp import web

from edge.node.connections import Connections, CountedConnection


def test_an_address_gets_its_share_and_gives_it_back():
    connections = Connections(2)
    assert [connections.admit("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert connections.admit("192.0.2.2")
    connections.release("192.0.2.1")
    assert connections.admit("192.0.2.1")
    assert connections.refused == 1


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_proxies_and_a_limit_of_zero_are_not_counted(address):
    for connections in (Connections(1, ["192.0.2.0/24", "2001:db8::/32"]), Connections(0)):
        assert all(connections.admit(address) for _ in range(5))
        connections.release(address)


async def test_a_flood_from_one_address_is_closed_and_the_next_device_served():
    async def answer(request):
        return web.Response(text="served")

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    loop = asyncio.get_running_loop()
    connections = Connections(2)
    server = await loop.create_server(lambda: CountedConnection(runner.server, connections, loop), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def ask(reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        return await reader.read(1_000)

    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
    assert b"served" in await ask(*held[0])
    refused = await asyncio.open_connection("127.0.0.1", port)
    try:
        answered = await ask(*refused)
    except ConnectionError:
        answered = b""
    assert answered == b""
    held[0][1].close()
    await held[0][1].wait_closed()
    async with asyncio.timeout(5):
        while connections._open.get("127.0.0.1") != 1:
            await asyncio.sleep(0)
    again = await asyncio.open_connection("127.0.0.1", port)
    assert b"served" in await ask(*again)
    for _, writer in (*held, refused, again):
        writer.close()
    server.close()
    await runner.cleanup()
