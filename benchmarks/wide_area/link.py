"""What a link does to a packet: when it leaves, when it arrives, whether it is lost. Pure; time is an argument.

A first-in-first-out link with a constant delay: bytes wait in a finite queue, go on the line at the link's rate and
arrive half a round trip later. A packet that finds the queue full is dropped at its tail, as a router without queue
management does.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

NANOSECONDS = 1_000_000_000
VNET_HEADER = struct.Struct(
    "<BBHHHH"
)  # virtio_net_hdr: flags, gso type, header length, gso size, checksum start, offset
QUEUE_FLOOR_BYTES = 128 * 1024  # a short link still has a router's smallest usual buffer, and room for two full frames


class WanLink(NamedTuple):
    """One direction has half of `round_trip_seconds`; `loss` is the share of packets lost at random on the way."""

    round_trip_seconds: float
    rate_bps: float
    loss: float = 0.0
    segments_per_frame: int = 1  # above 1 the kernel hands over runs of segments; a drop then takes the whole run

    @property
    def queue_bytes(self) -> int:
        """One bandwidth-delay product, the classic rule for a single flow, but never less than the floor."""
        return max(QUEUE_FLOOR_BYTES, round(self.rate_bps * self.round_trip_seconds / 8))


@dataclass(slots=True)
class Pipe:
    """One direction of a link. `dice` gives numbers in [0, 1)."""

    link: WanLink
    dice: Callable[[], float]
    free_at_ns: int = 0  # when the line will have sent everything it accepted
    passed_bytes: int = 0
    dropped_full: int = 0
    dropped_lost: int = 0

    def arrival_ns(self, size_bytes: int, now_ns: int) -> int | None:
        """When a packet handed over now arrives at the other end; None when it does not. Calls are in order of time."""
        start_ns = max(now_ns, self.free_at_ns)
        if self.backlog_bytes(now_ns) + size_bytes > self.link.queue_bytes:
            self.dropped_full += 1
            return None
        self.free_at_ns = start_ns + round(size_bytes * 8 * NANOSECONDS / self.link.rate_bps)
        # What is lost was sent: it takes its time on the line before it is gone.
        if self.link.loss and self.dice() < self.link.loss:
            self.dropped_lost += 1
            return None
        self.passed_bytes += size_bytes
        return self.free_at_ns + round(self.link.round_trip_seconds * NANOSECONDS / 2)

    def backlog_bytes(self, now_ns: int) -> int:
        """Accepted bytes that are not yet on the line."""
        return max(0, round((self.free_at_ns - now_ns) * self.link.rate_bps / 8 / NANOSECONDS))


def wire_bytes(frame: bytes) -> int:
    """The IP bytes that a frame from a TUN device with a virtio header is on a real line.

    A run of TCP segments comes as one packet; each of its segments would have had headers of its own.
    """
    gso_type: int
    gso_size: int
    checksum_start: int
    _flags, gso_type, _hint, gso_size, checksum_start, _offset = VNET_HEADER.unpack_from(frame)
    packet_bytes = len(frame) - VNET_HEADER.size
    if gso_type == 0 or gso_size == 0:
        return packet_bytes
    # RFC 9293 3.1: the upper four bits of byte 12 are the TCP header's length in 32-bit words.
    header_bytes = checksum_start + (frame[VNET_HEADER.size + checksum_start + 12] >> 4) * 4
    segments = -(-(packet_bytes - header_bytes) // gso_size)
    return packet_bytes + (segments - 1) * header_bytes
