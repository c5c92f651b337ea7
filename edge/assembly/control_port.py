"""The control port: the control API behind limits on connections, on handshakes, and on the time of each request.

The process that serves it writes the device facts too, so no peer of it may hold what that needs.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from edge.node.delivery.pace import STALL_SECONDS
from edge.node.delivery.unread import bound_unread
from edge.node.http.connection import accept_with
from edge.node.processes.leaving import (
    ALONE,
    Leaving,
    Manner,
    accept_rest,
    close_for_all,
    connect,
    last_call,
    refuse_new,
)
from edge.node.processes.listening import CONTROL_BACKLOG
from edge.node.service.limits.admission import Connections
from edge.node.service.peers import Proxies
from edge.node.tls.pair import Pair
from edge.node.tls.port import PortTls

CONTROL_DRAIN_SECONDS = 10.0  # for a change in progress; a publisher repeats an upload that is cut
# A publisher uploads over a few connections. Behind a proxy all come from one address.
CONTROL_CONNECTIONS_LIMIT = 512
CONTROL_ADDRESS_LIMIT = 256
SWEEP_SECONDS = 1.0  # between two looks at what is not read


@asynccontextmanager
async def serving_control(
    app: web.Application,
    listening: socket.socket,
    pair: Pair | None,
    manner: Callable[[], Manner] = lambda: ALONE,
) -> AsyncIterator[Connections]:
    """Serves `app` inside the block; on leaving it, closes the port and answers whoever has connected by then. Yields
    the port's connections. `manner` is asked when it is left."""
    leaving = Leaving()
    app.on_response_prepare.append(leaving.mark)
    connections = Connections(CONTROL_ADDRESS_LIMIT, Proxies(), CONTROL_CONNECTIONS_LIMIT)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=CONTROL_DRAIN_SECONDS)
    await runner.setup()
    try:
        assert runner.server is not None, "the runner is set up"
        loop, tls = asyncio.get_running_loop(), PortTls(pair, connections.note_cut) if pair else None
        bound_unread(listening, STALL_SECONDS)
        sweeping = loop.create_task(_sweep(connections, tls))
        accept = _accept(accept_with(runner.server, connections, loop), tls)
        server = await loop.create_server(accept, sock=listening.dup(), backlog=CONTROL_BACKLOG)
        try:
            yield connections
        finally:
            leaving.begun = True
            leaves = manner()
            if not leaves.shared:
                refuse_new(listening)
            server.close()
            waiting = accept_rest(listening)
            if not leaves.shared:
                close_for_all(listening)
            listening.close()
            await connect(waiting, accept)
            await last_call(lambda: bool(connections.open), leaves.last_call_seconds(CONTROL_DRAIN_SECONDS))
    finally:
        await runner.cleanup()
        sweeping.cancel()


async def _sweep(connections: Connections, tls: PortTls | None) -> None:
    """Cut peers that do not read their answers, or end no handshake, until cancelled."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        now = time.monotonic()
        connections.unread.sweep(now)
        if tls is not None:
            tls.sweep(now)


def _accept(plain: Callable[[], asyncio.Protocol], tls: PortTls | None) -> Callable[[], asyncio.Protocol]:
    return plain if tls is None else lambda: tls.protect(plain())
