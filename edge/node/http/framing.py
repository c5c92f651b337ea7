"""How the body that is arriving on a connection is framed, and what that may cost.

Each chunk of a chunked body costs a microsecond, however small it is: a body of 64 KiB in chunks of one byte takes the
loop 60 ms. So bytes are parsed in small pieces where they may be chunks, and a body of very small ones is refused.
"""

import re
from typing import Any

from aiohttp.streams import StreamReader

# Parsed at once where the bytes may be chunks: at most 2,700 of them, which take 2.5 ms.
PIECE_BYTES = 16 << 10
CHUNKS_LIMIT = 1024  # of a body, beside one for each of these bytes, which whatever streams on purpose exceeds
CHUNK_BYTES = 1024

_CHUNK = re.compile(rb"\r\n[0-9a-fA-F]++[^\r\n]*+(?=\r\n)")  # the line before a chunk


class Framing:
    """Of the latest request of one connection."""

    __slots__ = ("_chunked", "_chunks", "_length", "_payload", "_received")

    def __init__(self) -> None:
        self._payload: StreamReader | None = None
        self._chunked = False
        self._length = self._received = self._chunks = 0

    def begin(self, message: Any, payload: Any) -> None:
        """A request's head and the stream of its body, as aiohttp parsed them."""
        self._payload = payload if isinstance(payload, StreamReader) else None
        self._chunked = self._payload is not None and message.chunked
        length = message.headers.get("Content-Length", "") if self._payload is not None else ""
        self._length = int(length) if length.isascii() and length.isdigit() else 0
        self._received = self._chunks = 0

    @property
    def complete(self) -> bool:
        """Whether the request's body, if it has one, has arrived."""
        return self._payload is None or self._payload.is_eof()

    def next_piece(self, data: bytes) -> int:
        """How many of the bytes that have arrived to parse now."""
        if self._payload is not None and self._length - self._payload.total_bytes >= len(data):
            return len(data)
        return PIECE_BYTES

    def note(self, piece: bytes) -> bool:
        """The piece was parsed; False if the body has more chunks than it may have."""
        if not self._chunked:
            return True
        self._received += len(piece)
        self._chunks += len(_CHUNK.findall(piece))
        return self._chunks <= CHUNKS_LIMIT + self._received // CHUNK_BYTES
