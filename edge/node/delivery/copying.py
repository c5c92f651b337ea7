"""Part of a file through a transport, which encrypts it: copied, without a thread for what is in the page cache."""

import asyncio
import os
from collections.abc import Callable

from edge.node.delivery.pace import Pace, Patience, unacknowledged
from edge.node.delivery.turns import Altered, Truncated

COPY_BYTES = 128 * 1024  # read at a time, and the most that may wait in the transport


def copy_at_once(transport: asyncio.Transport, head: bytes, fd: int, offset: int, count: int) -> int:
    """Write `head` and everything if it is little, in the page cache, and the peer keeps up; otherwise nothing.

    Returns the bytes written.
    """
    if count > COPY_BYTES or transport.get_write_buffer_size() > COPY_BYTES:
        return 0
    chunk = _read_cached(fd, count, offset)
    if chunk is None or len(chunk) < count:
        return 0
    transport.write(head + chunk)
    return len(head) + count


async def copy_file(
    transport: asyncio.Transport,
    out: int,
    part: tuple[int, int, int],
    patience: Patience,
    intact: Callable[[], bool],
    count_sent: Callable[[int], None],
) -> None:
    """`part` is a descriptor, an offset and a number of bytes; `out` a duplicate of the socket below; `count_sent`
    gets the size of each piece that was sent. Raises as `Wire.send_file`."""
    fd, offset, count = part
    copying = _Copying(transport, out, patience)
    while count:
        wanted = min(count, COPY_BYTES)
        chunk = _read_cached(fd, wanted, offset)
        if chunk is None:
            chunk = await asyncio.get_running_loop().run_in_executor(None, os.pread, fd, wanted, offset)
        if not chunk:
            raise Truncated(f"the file ends {count} bytes early")
        if len(chunk) == count and not intact():
            raise Altered(f"the file changed before its last {count} bytes")
        copying.write(chunk)
        count_sent(len(chunk))
        offset, count = offset + len(chunk), count - len(chunk)
        await copying.flush(COPY_BYTES)


class _Copying:
    """One connection during a transfer: writing to it, and waiting until it is writable."""

    def __init__(self, transport: asyncio.Transport, out: int, patience: Patience) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._out = out
        self._sent = 0
        self._wake_seconds = patience.wake_seconds
        self._pace = Pace(self._loop.time(), self._delivered(), *patience)

    def write(self, chunk: bytes) -> None:
        self._check_open()
        self._transport.write(chunk)
        self._sent += len(chunk)

    async def flush(self, keep_bytes: int) -> None:
        """Wait until the transport, which writes by itself, buffers at most `keep_bytes`. Raises Stalled."""
        if self._transport.get_write_buffer_size() > keep_bytes:
            await asyncio.sleep(0)  # uvloop writes at the end of each loop iteration
            self._check_open()
        while self._transport.get_write_buffer_size() > keep_bytes:
            await self._wait_writable()

    async def _wait_writable(self) -> None:
        """Wait until the socket is writable, until the next look at most. Raises Stalled, or ConnectionResetError."""
        woken = self._loop.create_future()
        self._loop.add_writer(self._out, _wake, woken)
        timer = self._loop.call_later(self._wake_seconds, _wake, woken)
        try:
            await woken
        finally:
            timer.cancel()
            self._loop.remove_writer(self._out)  # before it is closed, or epoll keeps reporting a dead descriptor
        self._check_open()
        self._pace.check(self._loop.time(), self._delivered())

    def _check_open(self) -> None:
        # Our duplicate would keep the connection alive after the transport closed its own descriptor.
        if self._transport.is_closing():
            raise ConnectionResetError("the connection is closing")

    def _delivered(self) -> int:
        return self._sent - self._transport.get_write_buffer_size() - unacknowledged(self._out)


def _read_cached(fd: int, count: int, offset: int) -> bytes | None:
    """The first of these bytes, as many as the page cache holds; None if reading them would wait for the disk."""
    chunk = bytearray(count)
    try:
        got = os.preadv(fd, [chunk], offset, os.RWF_NOWAIT)
    except OSError:  # not cached, or a file system without RWF_NOWAIT
        return None
    return bytes(memoryview(chunk)[:got])


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
