"""What a worker observes of its links: the kernel's own figures, read when a large download has been handed to it.

A network counts once a day, whatever its devices download, so that few of them move no median. Linux only.
"""

import ipaddress
import socket
import struct
import time
from asyncio import Transport
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from edge.domain.forms.observed import LinkCounts, step_of

NETWORKS_LIMIT = 4_096  # that are counted in a day; beyond, nothing is counted until it is over
NETWORK_BITS = {4: 24, 6: 48}  # by IP version: about what one site has
DAY_SECONDS = 86_400.0
LEAST_BYTES = 128 * 1024  # of an answer that counts: the first ten packets say little of a rate

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


def network_of(address: str) -> str:
    """The network that counts as one, as text; text that is no address (a Unix socket's) is one by itself."""
    try:
        version = ipaddress.ip_address(address).version
    except ValueError:
        return address
    return str(ipaddress.ip_network((address, NETWORK_BITS[version]), strict=False))


class LinkSamples:
    """`counts` are totals since it was made. `is_local(address)` says whose links are no device's: a proxy's, or this
    machine's own. `clock` is monotonic, in seconds."""

    def __init__(self, is_local: Callable[[str], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._is_local = is_local
        self._clock = clock
        self._round_trips = Counter[int]()
        self._rates = Counter[int]()
        self._networks = set[str]()
        self._day_ends = clock() + DAY_SECONDS

    @property
    def counts(self) -> LinkCounts:
        return LinkCounts(self._round_trips, self._rates)

    def note(self, transport: Transport, address: str, sent_bytes: int) -> None:
        """After an answer with so many bytes of a file to the peer at this address."""
        if sent_bytes < LEAST_BYTES or self._is_local(address):
            return
        if self._clock() >= self._day_ends:
            self._networks.clear()
            self._day_ends = self._clock() + DAY_SECONDS
        network = network_of(address)
        if network in self._networks or len(self._networks) >= NETWORKS_LIMIT:
            return
        connection = transport.get_extra_info("socket")
        if connection is None or (figures := read_figures(connection)) is None or not figures.round_trip_us:
            return
        self._networks.add(network)
        self._round_trips[step_of(figures.round_trip_us)] += 1
        if figures.rate_bps is not None:
            self._rates[step_of(figures.rate_bps)] += 1
