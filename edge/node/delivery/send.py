"""Send part of a file over a connection without copying it: `os.sendfile` beside the transport. Linux only.

uvloop has no sendfile, so this uses a duplicate of the socket's descriptor, on any loop, once the transport's own
buffer is empty. TLS builds its records in user space, so there we copy, without a thread for what is in the page cache.
A large download yields to the loop's other work, and a peer that reads nothing, or too slowly, is disconnected.
"""

import asyncio
import errno
import fcntl
import os
import socket
import struct
import sys
import termios
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

TURN_BYTES = 256 * 1024  # sent before yielding to the loop's other work: about 35 µs of copying into the kernel
COPY_BYTES = 128 * 1024  # read at a time for TLS, and the most that may wait in the transport
STALL_SECONDS = 30.0  # without one byte acknowledged; devices stop reading after 10 to 60 s themselves
MINIMUM_BPS = 8_000  # bits per second over the whole transfer: below GPRS, someone is holding the connection open
WAKE_SECONDS = 1.0  # the longest wait between two checks on a connection that accepts nothing

# Ways the kernel reports a dead connection. Untranslated, ETIMEDOUT would look like a timeout of ours.
_GONE = {
    errno.ECONNABORTED,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.ENOTCONN,
    errno.ETIMEDOUT,
}


class Stalled(ConnectionError):
    """The peer is connected but reads nothing, or too slowly."""


class Altered(Exception):
    """The file was changed while it was sent: our store's fault. The answer's last bytes are withheld."""


class Truncated(Altered):
    """The file is shorter than the answer's headers promised. The answer cannot be completed."""


class Patience(NamedTuple):
    """How slowly a peer may read: seconds without an acknowledged byte, and the minimum rate in bits per second."""

    stall_seconds: float = STALL_SECONDS
    minimum_bps: int = MINIMUM_BPS


DEFAULT_PATIENCE = Patience()


async def send_file(
    transport: asyncio.Transport,
    fd: int,
    offset: int,
    count: int,
    *,
    stall_seconds: float = STALL_SECONDS,
    minimum_bps: int = MINIMUM_BPS,
    intact: Callable[[], bool] = lambda: True,
) -> None:
    """Send `count` bytes of `fd` from `offset`, after everything the transport still buffers.

    The position of `fd` is neither used nor moved, so transfers can share it. `intact` is asked before the last bytes
    are sent; a change that comes later, to bytes that the kernel holds for the peer, shows nowhere. Raises Altered,
    Truncated, Stalled, or another ConnectionError when the peer is gone. After any exception or cancellation the stream
    ends at an unknown byte: the caller aborts the connection.
    """
    wire = _Wire(transport, stall_seconds, minimum_bps)
    try:
        if transport.get_extra_info("sslcontext") is not None:
            await _copy(wire, fd, offset, count, intact)
        else:
            await wire.flush()
            await _send(wire, fd, offset, count, intact)
    finally:
        wire.close()


def send_at_once(transport: asyncio.Transport, head: bytes, fd: int, offset: int, count: int) -> int:
    """Write `head` and up to TURN_BYTES of the file, as much as the kernel accepts now.

    Returns the number of bytes sent, the head's included: 0 while the transport still buffers bytes, which go first.
    Raises nothing, even if the peer is gone: the `send_file` that follows does. Over TLS, a small answer goes to the
    transport whole, a large one not at all.
    """
    if transport.is_closing():
        return 0
    if transport.get_extra_info("sslcontext") is not None:
        return _copy_at_once(transport, head, fd, offset, count)
    if transport.get_write_buffer_size():
        return 0
    kept = transport.get_extra_info("socket")
    out = socket.socket(kept.family, kept.type, kept.proto, fileno=kept.fileno())  # borrowed, not a duplicate
    sent = 0
    try:
        sent = out.send(head, socket.MSG_MORE if count else 0)  # in one packet with what follows
        if count and sent == len(head):
            sent += os.sendfile(out.fileno(), fd, offset, min(count, TURN_BYTES))
    except OSError:
        pass
    finally:
        out.detach()
    return sent


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


class Pace:
    """Decides when a transfer is too slow. Progress is what the peer acknowledged, not what the kernel accepted: the
    kernel may accept megabytes for a peer that reads nothing, then nothing for a while for one that is slow but alive.
    """

    __slots__ = ("_delivered", "_minimum_bps", "_moved", "_origin", "_stall_seconds", "_started")

    def __init__(self, now: float, delivered: int, stall_seconds: float, minimum_bps: int) -> None:
        self._started = self._moved = now
        self._origin = self._delivered = delivered
        self._stall_seconds = stall_seconds
        self._minimum_bps = minimum_bps

    def check(self, now: float, delivered: int) -> None:
        """`now` in seconds of a monotonic clock, `delivered` in bytes from any fixed origin. Raises Stalled."""
        if delivered > self._delivered:
            self._delivered, self._moved = delivered, now
        if now - self._moved >= self._stall_seconds:
            raise Stalled(f"nothing read for {now - self._moved:.1f} s")
        due_seconds = now - self._started - self._stall_seconds  # a slow start does not count
        if (self._delivered - self._origin) * 8 < self._minimum_bps * due_seconds:
            raise Stalled(f"less than {self._minimum_bps} bit/s over {now - self._started:.1f} s")


class _Wire:
    """One connection during a transfer: the duplicate descriptor, and waiting until it is writable."""

    def __init__(self, transport: asyncio.Transport, stall_seconds: float, minimum_bps: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._sent = 0
        self.check_open()
        self.out = os.dup(transport.get_extra_info("socket").fileno())
        self._wake_seconds = min(WAKE_SECONDS, stall_seconds / 4)
        self._pace = Pace(self._loop.time(), self._delivered(), stall_seconds, minimum_bps)

    def close(self) -> None:
        os.close(self.out)

    def check_open(self) -> None:
        # Our duplicate would keep the connection alive after the transport closed its own descriptor.
        if self._transport.is_closing():
            raise ConnectionResetError("the connection is closing")

    def count_sent(self, count: int) -> None:
        self._sent += count

    def write(self, chunk: bytes) -> None:
        self.check_open()
        self._transport.write(chunk)
        self.count_sent(len(chunk))

    async def flush(self, keep_bytes: int = 0) -> None:
        """Wait until the transport, which writes by itself, buffers at most `keep_bytes`. Raises Stalled."""
        if self._transport.get_write_buffer_size() > keep_bytes:
            await self.yield_to_loop()  # uvloop writes at the end of each loop iteration
        while self._transport.get_write_buffer_size() > keep_bytes:
            await self.wait_writable()

    async def yield_to_loop(self) -> None:
        await asyncio.sleep(0)
        self.check_open()

    async def wait_writable(self) -> None:
        """Wait until the socket is writable, for WAKE_SECONDS at most. Raises Stalled, or ConnectionResetError."""
        woken = self._loop.create_future()
        self._loop.add_writer(self.out, _wake, woken)
        timer = self._loop.call_later(self._wake_seconds, _wake, woken)
        try:
            await woken
        finally:
            timer.cancel()
            self._loop.remove_writer(self.out)  # before it is closed, or epoll keeps reporting a dead descriptor
        self.check_open()
        self._pace.check(self._loop.time(), self._delivered())

    def _delivered(self) -> int:
        return self._sent - self._transport.get_write_buffer_size() - unacknowledged(self.out)


def unacknowledged(descriptor: int) -> int:
    """Bytes in a socket's send queue that the peer has not acknowledged (SIOCOUTQ, tcp(7))."""
    return int.from_bytes(fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


async def _send(wire: _Wire, fd: int, offset: int, count: int, intact: Callable[[], bool]) -> None:
    turn = TURN_BYTES
    while count:
        if count <= turn and not intact():
            raise Altered(f"the file changed before its last {count} bytes")
        try:
            sent = os.sendfile(wire.out, fd, offset, min(count, turn))
        except BlockingIOError:
            await wire.wait_writable()
            turn = TURN_BYTES
            continue
        except OSError as error:
            raise _translated(error) from error
        if not sent:
            raise Truncated(f"the file ends {count} bytes early")
        wire.count_sent(sent)
        offset, count, turn = offset + sent, count - sent, turn - sent
        if count and not turn:
            await wire.yield_to_loop()
            turn = TURN_BYTES


def _copy_at_once(transport: asyncio.Transport, head: bytes, fd: int, offset: int, count: int) -> int:
    """Send everything if it is small, in the page cache, and the peer keeps up; otherwise nothing."""
    if count > COPY_BYTES or transport.get_write_buffer_size() > COPY_BYTES:
        return 0
    chunk = _read_cached(fd, count, offset)
    if chunk is None or len(chunk) < count:
        return 0
    transport.write(head + chunk)
    return len(head) + count


async def _copy(wire: _Wire, fd: int, offset: int, count: int, intact: Callable[[], bool]) -> None:
    loop = asyncio.get_running_loop()
    while count:
        wanted = min(count, COPY_BYTES)
        chunk = _read_cached(fd, wanted, offset)
        if chunk is None:
            chunk = await loop.run_in_executor(None, os.pread, fd, wanted, offset)
        if not chunk:
            raise Truncated(f"the file ends {count} bytes early")
        if len(chunk) == count and not intact():
            raise Altered(f"the file changed before its last {count} bytes")
        wire.write(chunk)
        offset, count = offset + len(chunk), count - len(chunk)
        await wire.flush(COPY_BYTES)


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


def _translated(error: OSError) -> Exception:
    return ConnectionResetError(error.errno, error.strerror) if error.errno in _GONE else error
