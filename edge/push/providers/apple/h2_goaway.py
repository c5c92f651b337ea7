"""GOAWAY frames, cut out of what a peer sends before `h2` reads it.

`h2` takes a connection for closed at the first GOAWAY, and refuses the answers that a leaving peer still sends to what
it has begun. Those are what decides whether a message is sent, so the frame is read here and `h2` never sees it.
"""

from typing import NamedTuple

HEAD_BYTES = 9  # RFC 9113 4.1
GOAWAY_TYPE = 7
GOAWAY_LIMIT_BYTES = 16_384  # a frame's usual limit
_LEAST_BYTES = 8  # the last stream's identifier and the error code


class GoAway(NamedTuple):
    """The peer works on no stream above `last_stream_id`; `said` is for people."""

    last_stream_id: int
    said: str


class OverlongGoAway(Exception):
    """No frame of a peer that keeps to the protocol."""


class GoAwayCutter:
    """Of one connection; pieces may be cut anywhere."""

    def __init__(self) -> None:
        self._head = b""
        self._passing = 0  # bytes of an other frame that are still to come
        self._held = bytearray()
        self._missing = 0  # bytes of a GOAWAY that are still to come

    def cut(self, data: bytes) -> tuple[bytes, list[GoAway]]:
        """What is for `h2`, and the GOAWAYs that are whole now. Raises OverlongGoAway."""
        passed, found, at = bytearray(), list[GoAway](), 0
        while at < len(data):
            if self._passing:
                piece = data[at : at + self._passing]
                passed += piece
                self._passing -= len(piece)
            elif self._missing:
                piece = data[at : at + self._missing]
                self._held += piece
                self._missing -= len(piece)
                if not self._missing:
                    found.append(_read(bytes(self._held)))
                    self._held.clear()
            else:
                piece = data[at : at + HEAD_BYTES - len(self._head)]
                self._head += piece
                if len(self._head) == HEAD_BYTES:
                    passed += self._begin_frame()
            at += len(piece)
        return bytes(passed), found

    def _begin_frame(self) -> bytes:
        """The head, if the frame is for `h2`."""
        head, self._head = self._head, b""
        size = int.from_bytes(head[:3], "big")
        if head[3] != GOAWAY_TYPE:
            self._passing = size
            return head
        if not _LEAST_BYTES <= size <= GOAWAY_LIMIT_BYTES:
            raise OverlongGoAway
        self._missing = size
        return b""


def _read(payload: bytes) -> GoAway:
    last = int.from_bytes(payload[:4], "big") & 0x7FFF_FFFF
    said = payload[_LEAST_BYTES:].decode("ascii", "replace")[:200]
    return GoAway(last, "".join(each for each in said if each.isprintable()))
