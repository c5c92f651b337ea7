"""Send a piece of a file down a connection without copying it: `os.sendfile` beside the transport.

uvloop's own sendfile is missing, so this works on a duplicate of the socket's descriptor, on any loop. The transport
must have nothing left to write, which `flush` waits for. TLS keeps its records in user space, so there we copy, and
need no thread for what is in the page cache. One big download never holds the loop, and a peer that takes nothing is
given up. Linux.
"""

import asyncio
import errno
import fcntl
import os
import socket
import struct
import sys
import termios
from typing import NamedTuple

TURN_BYTES = 256 * 1024  # sent before the loop's other work gets its turn: about 35 µs of copying into the kernel
COPY_BYTES = 128 * 1024  # read at once where TLS needs the bytes; also what may wait in the transport
STALL_SECONDS = 30.0  # without one byte acknowledged; devices themselves give up reading after 10 to 60 s
MINIMUM_BPS = 8_000  # bits a second over the whole transfer: slower than GPRS is somebody holding the connection
WAKE_SECONDS = 1.0  # at most, between two looks at a connection that takes nothing

# A connection that is over, whatever the kernel calls it. ETIMEDOUT would otherwise look like a timeout of ours.
_GONE = {
    errno.ECONNABORTED,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.ENOTCONN,
    errno.ETIMEDOUT,
}


class Stalled(ConnectionError):
    """The peer is there and takes nothing, or next to nothing."""


class Truncated(Exception):
    """The file ends before the bytes that were promised: our store's fault. The answer cannot be completed."""


class Patience(NamedTuple):
    """What a slow reader is given before its connection is cut: seconds without a byte, and bits per second."""

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
) -> None:
    """Send `count` bytes of `fd` from `offset`, after everything the transport still holds.

    The descriptor's position is neither used nor moved: many may send from one. Raises Stalled, Truncated, or a
    ConnectionError when the peer is gone. After any exception, or cancellation, the stream is cut at an unknown byte:
    the caller closes the connection.
    """
    wire = _Wire(transport, stall_seconds, minimum_bps)
    try:
        if transport.get_extra_info("sslcontext") is not None:
            await _copy(wire, fd, offset, count)
        else:
            await wire.flush()
            await _send(wire, fd, offset, count)
    finally:
        wire.close()


def send_at_once(transport: asyncio.Transport, head: bytes, fd: int, offset: int, count: int) -> int:
    """Give the kernel `head` and after it bytes of the file, as many as it takes now and at most TURN_BYTES of them.

    Returns how many went, the head's included. None go past bytes that the transport still holds; whatever stands in
    the way, a peer that is gone as well, `send_file` will find. Over TLS the transport gets what is little.
    """
    if transport.is_closing():
        return 0
    if transport.get_extra_info("sslcontext") is not None:
        return _copy_at_once(transport, head, fd, offset, count)
    if transport.get_write_buffer_size():
        return 0
    kept = transport.get_extra_info("socket")
    out = socket.socket(kept.family, kept.type, kept.proto, fileno=kept.fileno())  # another view, not a duplicate
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


async def flush(
    transport: asyncio.Transport, *, stall_seconds: float = STALL_SECONDS, minimum_bps: int = MINIMUM_BPS
) -> None:
    """Wait until the transport has given all it holds to the kernel. Raises as `send_file`."""
    wire = _Wire(transport, stall_seconds, minimum_bps)
    try:
        await wire.flush()
    finally:
        wire.close()


def cut(transport: asyncio.Transport) -> None:
    """Close at once, and have the kernel drop what the peer did not take: it could hold megabytes for a silent peer."""
    if not transport.is_closing():
        linger = struct.pack("ii", 1, 0)  # on, for 0 seconds
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()


class Pace:
    """When a transfer is given up. Progress is what the peer acknowledged, not what the kernel took: that may be
    megabytes at once for a peer that takes nothing, and then nothing for a while for one that is slow but living.
    """

    __slots__ = ("_delivered", "_minimum_bps", "_moved", "_origin", "_stall_seconds", "_started")

    def __init__(self, now: float, delivered: int, stall_seconds: float, minimum_bps: int) -> None:
        self._started = self._moved = now
        self._origin = self._delivered = delivered
        self._stall_seconds = stall_seconds
        self._minimum_bps = minimum_bps

    def note(self, now: float, delivered: int) -> None:
        """`delivered` in bytes, from any fixed origin. Raises Stalled."""
        if delivered > self._delivered:
            self._delivered, self._moved = delivered, now
        if now - self._moved >= self._stall_seconds:
            raise Stalled(f"nothing taken for {now - self._moved:.1f} s")
        due_seconds = now - self._started - self._stall_seconds  # a slow start is forgiven once
        if (self._delivered - self._origin) * 8 < self._minimum_bps * due_seconds:
            raise Stalled(f"less than {self._minimum_bps} bit/s over {now - self._started:.1f} s")


class _Wire:
    """One connection while a file goes down it: the duplicate, and who waits for room on it."""

    def __init__(self, transport: asyncio.Transport, stall_seconds: float, minimum_bps: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._handed = 0
        self.check_open()
        self.out = os.dup(transport.get_extra_info("socket").fileno())
        self._wake_seconds = min(WAKE_SECONDS, stall_seconds / 4)
        self._pace = Pace(self._loop.time(), self._delivered(), stall_seconds, minimum_bps)

    def close(self) -> None:
        os.close(self.out)

    def check_open(self) -> None:
        # Our duplicate would keep a connection alive that the transport has given up.
        if self._transport.is_closing():
            raise ConnectionResetError("the connection is closing")

    def handed(self, count: int) -> None:
        self._handed += count

    def write(self, chunk: bytes) -> None:
        self.check_open()
        self._transport.write(chunk)
        self.handed(len(chunk))

    async def flush(self, keep_bytes: int = 0) -> None:
        """Until the transport holds at most `keep_bytes`. It writes by itself whenever there is room."""
        if self._transport.get_write_buffer_size() > keep_bytes:
            await self.turn()  # uvloop writes at the end of a turn
        while self._transport.get_write_buffer_size() > keep_bytes:
            await self.room()

    async def turn(self) -> None:
        await asyncio.sleep(0)
        self.check_open()

    async def room(self) -> None:
        """Until the socket takes bytes again, or it is time to look. Raises Stalled."""
        woken = self._loop.create_future()
        self._loop.add_writer(self.out, _wake, woken)
        timer = self._loop.call_later(self._wake_seconds, _wake, woken)
        try:
            await woken
        finally:
            timer.cancel()
            self._loop.remove_writer(self.out)  # before anybody closes it, or epoll reports a dead descriptor for ever
        self.check_open()
        self._pace.note(self._loop.time(), self._delivered())

    def _delivered(self) -> int:
        return self._handed - self._transport.get_write_buffer_size() - unacknowledged(self.out)


def unacknowledged(descriptor: int) -> int:
    """Bytes of a socket in the kernel that the peer has not acknowledged (SIOCOUTQ, tcp(7))."""
    return int.from_bytes(fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)), sys.byteorder)


async def _send(wire: _Wire, fd: int, offset: int, count: int) -> None:
    turn = TURN_BYTES
    while count:
        try:
            sent = os.sendfile(wire.out, fd, offset, min(count, turn))
        except BlockingIOError:
            await wire.room()
            turn = TURN_BYTES
            continue
        except OSError as error:
            raise _translated(error) from error
        if not sent:
            raise Truncated(f"the file ends {count} bytes early")
        wire.handed(sent)
        offset, count, turn = offset + sent, count - sent, turn - sent
        if count and not turn:
            await wire.turn()
            turn = TURN_BYTES


def _copy_at_once(transport: asyncio.Transport, head: bytes, fd: int, offset: int, count: int) -> int:
    """All of it where it is little and in memory and the peer takes what it gets, or nothing."""
    if count > COPY_BYTES or transport.get_write_buffer_size() > COPY_BYTES:
        return 0
    chunk = _read_cached(fd, count, offset)
    if chunk is None or len(chunk) < count:
        return 0
    transport.write(head + chunk)
    return len(head) + count


async def _copy(wire: _Wire, fd: int, offset: int, count: int) -> None:
    loop = asyncio.get_running_loop()
    while count:
        wanted = min(count, COPY_BYTES)
        chunk = _read_cached(fd, wanted, offset)
        if chunk is None:
            chunk = await loop.run_in_executor(None, os.pread, fd, wanted, offset)
        if not chunk:
            raise Truncated(f"the file ends {count} bytes early")
        wire.write(chunk)
        offset, count = offset + len(chunk), count - len(chunk)
        await wire.flush(COPY_BYTES)


def _read_cached(fd: int, count: int, offset: int) -> bytes | None:
    """What of these bytes is in the page cache; None where a thread has to wait for the disk."""
    chunk = bytearray(count)
    try:
        got = os.preadv(fd, [chunk], offset, os.RWF_NOWAIT)
    except OSError:  # not there now, or a file system that cannot say so
        return None
    return bytes(memoryview(chunk)[:got])


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)


def _translated(error: OSError) -> Exception:
    return ConnectionResetError(error.errno, error.strerror) if error.errno in _GONE else error
