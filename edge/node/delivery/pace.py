"""How slowly a peer may take what is sent to it. Progress is what its kernel acknowledged. Linux only."""

import fcntl
import sys
import termios
from typing import NamedTuple

STALL_SECONDS = 30.0  # without one byte acknowledged; devices stop reading after 10 to 60 s themselves
MINIMUM_BPS = 8_000  # bits per second over the whole transfer: below GPRS, someone is holding the connection open
WAKE_SECONDS = 1.0  # the longest time between two looks at a transfer

# A stall is noticed after at most this part of its time more.
_LOOKS_PER_STALL = 4


class Stalled(ConnectionError):
    """The peer is connected but reads nothing, or too slowly."""


class Patience(NamedTuple):
    """How slowly a peer may read: seconds without an acknowledged byte, and the minimum rate in bits per second."""

    stall_seconds: float = STALL_SECONDS
    minimum_bps: int = MINIMUM_BPS

    @property
    def wake_seconds(self) -> float:
        """The time between two looks."""
        return min(WAKE_SECONDS, self.stall_seconds / _LOOKS_PER_STALL)


DEFAULT_PATIENCE = Patience()


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


def unacknowledged(descriptor: int) -> int:
    """Bytes in a socket's send queue that the peer has not acknowledged (SIOCOUTQ, tcp(7))."""
    return int.from_bytes(fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
