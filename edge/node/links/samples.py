"""What a worker observes of its links: the kernel's own figures, read when a large download has been handed to it.

One peer counts once an hour, whatever it downloads, so that few of them move no median. Linux only.
"""

import socket
import struct
import time
from asyncio import Transport
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from edge.domain.forms.observed import LinkCounts, step_of

PEERS_LIMIT = 4_096  # that are counted in an hour; beyond, nothing is counted until it is over
HOUR_SECONDS = 3_600.0

# struct tcp_info, linux/tcp.h: these have been where they are since Linux 4.10.
_INFO_BYTES = 168
_FLAGS = 7  # the lowest bit: the rate was limited by the sender, which had nothing to send
_MINIMUM_ROUND_TRIP = struct.Struct("@I"), 148  # microseconds
_DELIVERY_RATE = struct.Struct("@Q"), 160  # bytes per second


class TcpFigures(NamedTuple):
    """`rate_bps` None: the connection was never kept busy, so it is not known."""

    round_trip_us: int
    rate_bps: float | None


def read_figures(connection: socket.socket) -> TcpFigures | None:
    """None where the kernel tells nothing."""
    try:
        told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    except OSError:
        return None
    if len(told) < _INFO_BYTES:
        return None
    (round_trip_us,), (rate,) = (form.unpack_from(told, at) for form, at in (_MINIMUM_ROUND_TRIP, _DELIVERY_RATE))
    return TcpFigures(round_trip_us, rate * 8.0 if rate and not told[_FLAGS] & 1 else None)


class LinkSamples:
    """`counts` are totals since it was made. `is_local(address)` says whose links are no device's: a proxy's, or this
    machine's own. `clock` is monotonic, in seconds."""

    def __init__(self, is_local: Callable[[str], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._is_local = is_local
        self._clock = clock
        self._round_trips = Counter[int]()
        self._rates = Counter[int]()
        self._peers = set[str]()
        self._hour_ends = clock() + HOUR_SECONDS

    @property
    def counts(self) -> LinkCounts:
        return LinkCounts(self._round_trips, self._rates)

    def note(self, transport: Transport, address: str, prefix: str) -> None:
        """After a large answer. `prefix` is what counts as one peer."""
        if self._clock() >= self._hour_ends:
            self._peers.clear()
            self._hour_ends = self._clock() + HOUR_SECONDS
        if prefix in self._peers or len(self._peers) >= PEERS_LIMIT or self._is_local(address):
            return
        connection = transport.get_extra_info("socket")
        if connection is None or (figures := read_figures(connection)) is None or not figures.round_trip_us:
            return
        self._peers.add(prefix)
        self._round_trips[step_of(figures.round_trip_us)] += 1
        if figures.rate_bps is not None:
            self._rates[step_of(figures.rate_bps)] += 1
