"""Whether a peer takes what was written to it, judged by what its kernel acknowledged. Linux only.

The kernel accepts an answer for a peer that reads nothing, and a transport keeps what the kernel does not. So how much
was accepted says nothing: what counts is what still waits, in both, and whether it becomes less.
"""

import asyncio
import socket
import struct

from edge.node.delivery.pace import Pace, Patience, unacknowledged

# In a socket's send queue beyond what is on its way: a peer that reads nothing holds this and its own window, not the
# 4 MB up to which the kernel lets a queue grow. Twice what it is refilled at, some milliseconds before it is empty.
UNSENT_BYTES = 256 * 1024
_TCP_NOTSENT_LOWAT = 25  # tcp(7); not in Python's socket module
_BYTES_ACKED = struct.Struct("=Q")  # of struct tcp_info, from Linux 4.1 on
_BYTES_ACKED_PLACE = 120


def bound_unread(listening: socket.socket, stall_seconds: float) -> None:
    """Let the kernel hold little for a peer that does not read, and end a connection of which nothing was acknowledged
    for `stall_seconds`, closed ones included. Connections inherit this from the socket that they are accepted on."""
    listening.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, max(1, int(stall_seconds * 1000)))


def waiting_bytes(transport: asyncio.Transport) -> int:
    """Bytes that were written and that the peer has not acknowledged; 0 once the socket is closed.

    Below TLS it is closed one turn of the loop before the connection's protocol is told.
    """
    below = transport.get_extra_info("socket")
    try:
        return transport.get_write_buffer_size() + unacknowledged(below.fileno()) if below is not None else 0
    except (OSError, ValueError):  # a descriptor of -1
        return 0


class Taking:
    """A peer that something waits for: it has to take that at the pace of a download."""

    __slots__ = ("_pace", "_patience", "_target")

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._pace: Pace | None = None
        self._target = 0

    def check(self, transport: asyncio.Transport, now: float, waiting: int) -> None:
        """`now` in monotonic seconds; `waiting`, above 0, is what waits now. Raises Stalled.

        What waits at first has to be taken before the clock starts again, for what waits by then: a connection that is
        always busy is not slow.
        """
        acknowledged = _acknowledged(transport)
        if self._pace is None or acknowledged >= self._target:
            self._pace = Pace(now, acknowledged, *self._patience)
            self._target = acknowledged + waiting
        else:
            self._pace.check(now, acknowledged)


def _acknowledged(transport: asyncio.Transport) -> int:
    """Bytes that the peer has acknowledged since it connected."""
    seen = transport.get_extra_info("socket").getsockopt(
        socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED_PLACE + _BYTES_ACKED.size
    )
    return int(_BYTES_ACKED.unpack_from(seen, _BYTES_ACKED_PLACE)[0])
