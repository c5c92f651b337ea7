"""Send part of a file over a connection without copying it: `os.sendfile` beside the transport. Linux only.

uvloop has no sendfile, so this uses a duplicate of the socket's descriptor, on any loop, once the transport's own
buffer is empty. TLS builds its records in user space, so there we copy (`copying`). A large download yields to the
loop's other work (`turns`), and a peer that reads nothing, or too slowly, is disconnected (`pace`).
"""

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

from edge.node.delivery.copying import copy_at_once, copy_file
from edge.node.delivery.pace import DEFAULT_PATIENCE, Patience
from edge.node.delivery.turns import TURN_BYTES, Transfer, queue_of


class Wire:
    """A connection as files are sent over it. `close` it when the connection is lost and nothing is being sent: the
    duplicate of its socket, made by the first file, serves all that follow, and keeps the connection open."""

    __slots__ = ("_duplicate", "_secure", "_transport", "file_bytes")

    def __init__(self, transport: asyncio.Transport) -> None:
        self.file_bytes = 0  # of the last `send_file`, as many as went to the kernel, or to TLS
        self._transport = transport
        self._secure = transport.get_extra_info("sslcontext") is not None
        self._duplicate: socket.socket | None = None

    def close(self) -> None:
        if self._duplicate is not None:
            self._duplicate.close()
            self._duplicate = None

    def send_at_once(self, head: bytes, fd: int, offset: int, count: int) -> int:
        """Write `head` and up to TURN_BYTES of the file, as much as the kernel accepts now.

        Returns the number of bytes sent, the head's included: 0 while the transport still buffers bytes, which go
        first. Raises nothing, even if the peer is gone: the `send_file` that follows does. Over TLS, a small answer
        goes to the transport whole, a large one not at all.
        """
        transport, sent = self._transport, 0
        if transport.is_closing():
            return 0
        if self._secure:
            return copy_at_once(transport, head, fd, offset, count)
        if transport.get_write_buffer_size():
            return 0
        try:
            out = self._duplicate or self._open()
            sent = out.send(head, socket.MSG_MORE if count else 0)  # in one packet with what follows
            if count and sent == len(head):
                sent += os.sendfile(out.fileno(), fd, offset, min(count, TURN_BYTES))
        except OSError:
            pass
        return sent

    async def send_file(
        self,
        fd: int,
        offset: int,
        count: int,
        patience: Patience = DEFAULT_PATIENCE,
        intact: Callable[[], bool] = lambda: True,
    ) -> None:
        """Send `count` bytes of `fd` from `offset`, after everything the transport still buffers.

        The position of `fd` is neither used nor moved, so transfers can share it. `intact` is asked before the last
        bytes are sent; a change that comes later, to bytes that the kernel holds for the peer, shows nowhere. Raises
        Altered, Truncated, Stalled, or another ConnectionError when the peer is gone. After any exception or
        cancellation the stream ends at an unknown byte: the caller aborts the connection.
        """
        transport, part, self.file_bytes = self._transport, (fd, offset, count), 0
        if transport.is_closing():
            raise ConnectionResetError("the connection is closing")
        out = (self._duplicate or self._open()).fileno()
        if self._secure:
            await copy_file(transport, out, part, patience, intact, self._count)
            return
        loop = asyncio.get_running_loop()
        transfer = Transfer(transport, out, part, patience, intact, loop.create_future())
        try:
            await queue_of(loop).carry(transfer)
        finally:
            self.file_bytes = transfer.sent

    def _count(self, size_bytes: int) -> None:
        self.file_bytes += size_bytes

    def _open(self) -> socket.socket:
        kept = self._transport.get_extra_info("socket")
        number = os.dup(kept.fileno())
        self._duplicate = made = socket.socket(kept.family, kept.type, kept.proto, number)
        return made


def reset_connection(transport: asyncio.Transport) -> None:
    """Reset the connection, or end it if it is closing already."""
    if transport.is_closing():
        transport.abort()
    else:
        reset_open(transport)


def reset_open(transport: asyncio.Transport) -> None:
    """Reset a connection whose protocol was not told yet that it is lost; it may be closing and wait for its buffer.

    The kernel drops what the peer has not read, which could be much for a silent peer.
    """
    linger = struct.pack("ii", 1, 0)  # on, for 0 seconds
    if (below := transport.get_extra_info("socket")) is not None:
        with suppress(OSError):  # closed below TLS, whose protocol is told a turn later
            below.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()
