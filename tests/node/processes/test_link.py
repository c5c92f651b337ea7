"""The link between a supervisor and its worker."""

import asyncio
import socket

from edge.node.processes.link import Drain, FromWorker, Link, Ready


async def test_sending_to_a_supervisor_that_is_gone_is_no_error():
    """A check on a draining worker may report a fault then."""
    ours, theirs = socket.socketpair()
    link = await Link.over(ours, FromWorker)
    theirs.close()
    assert await link.receive() is None
    for _ in range(3):
        link.send(Ready())
        await asyncio.sleep(0.01)
    link.close()
    link.send(Ready())


async def test_messages_arrive_in_their_order():
    ours, theirs = socket.socketpair()
    link, other = await Link.over(ours, FromWorker), await Link.over(theirs, Ready | Drain)
    for message in (Ready(), Drain(7), Ready()):
        link.send(message)
    assert [await other.receive() for _ in range(3)] == [Ready(), Drain(7), Ready()]
    link.close()
    assert await other.receive() is None
    other.close()
