"""A request of which the beginning has arrived: its bytes, and since when the rest is due. Sans-I/O.

The clock of the head starts with the request's first byte, that of the body with the head's last; no later byte starts
one again.
"""

from edge.node.lane.requests import measure_parts
from edge.wire.arrival import HEAD_SECONDS, body_due


class Unfinished:
    """`data` begins a request that is not whole. `before` is the same request with fewer bytes, if those were kept."""

    __slots__ = ("_begun", "_body_start", "_data", "_missing", "_more")

    def __init__(self, data: bytes, now: float, before: "Unfinished | None" = None) -> None:
        """`now` in monotonic seconds."""
        self._data = data
        self._more = bytearray()  # of the body, of which `_missing` bytes are still to come
        self._body_start, whole = measure_parts(data)
        self._missing = whole - len(data) if self._body_start else 0
        self._begun: float = before._begun if before is not None and not self._body_start else now

    @property
    def begun(self) -> float:
        """When the clock started of the part that is arriving."""
        return self._begun

    def add(self, data: bytes) -> bytes:
        """Everything, if the request may be whole now, otherwise nothing: a body is joined once, or a megabyte that
        comes byte by byte would be copied a million times."""
        if len(data) < self._missing:
            self._missing -= len(data)
            self._more += data
            return b""
        return self.bytes + data

    @property
    def bytes(self) -> bytes:
        """Everything that has arrived."""
        return b"".join((self._data, self._more)) if self._more else self._data

    def overdue(self, now: float) -> str:
        """Which part has taken too long: "slow_head", "slow_body" or ""."""
        if not self._body_start:
            return "slow_head" if now > self._begun + HEAD_SECONDS else ""
        received = len(self._data) + len(self._more) - self._body_start
        return "slow_body" if now > body_due(self._begun, received) else ""
