"""Documents as one zstd stream: each behind its length in four bytes. Both ends.

Revisions of an app differ little from one to the next, so within the window nearly all of each is a reference to the
one before. A reader holds a few documents at most, whatever a hostile stream expands to.
"""

import zstandard

from edge.regions.source import SourceLost
from edge.store.revision_document import REVISION_LIMIT_BYTES

WINDOW_LOG = 23  # 8 MiB: the largest revision and the one before it
LEVEL = 1  # neighbours are found by any level; higher ones cost only time
FRAME_LIMIT_BYTES = REVISION_LIMIT_BYTES
# A block of zstd holds 128 KiB at most and takes four bytes at least: so many bytes expand to 8 MiB.
SLICE_BYTES = 256
TAKE_BYTES = 1 << 20  # of documents taken at once, and the one that exceeds it
_LENGTH_BYTES = 4
_PARAMETERS = zstandard.ZstdCompressionParameters.from_level(LEVEL, window_log=WINDOW_LOG)


class FrameWriter:
    """The sender's end. `take` may be called at any time: what was added by then can be read at the other end."""

    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(compression_params=_PARAMETERS).compressobj()
        self._ready = bytearray()

    def add(self, document: bytes) -> int:
        """Returns how many bytes are ready to be sent."""
        self._ready += self._compressor.compress(len(document).to_bytes(_LENGTH_BYTES))
        self._ready += self._compressor.compress(document)
        return len(self._ready)

    def take(self, *, last: bool = False) -> bytes:
        """The bytes since the call before."""
        mode = zstandard.COMPRESSOBJ_FLUSH_FINISH if last else zstandard.COMPRESSOBJ_FLUSH_BLOCK
        self._ready += self._compressor.flush(mode)
        taken, self._ready = bytes(self._ready), bytearray()
        return taken


class FrameReader:
    """The receiver's end. Everything raises SourceLost `bad_stream` for what is no such stream."""

    def __init__(self) -> None:
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=1 << WINDOW_LOG).decompressobj()
        self._waiting = memoryview(b"")
        self._plain = bytearray()
        self.is_drained = True  # nothing is left to take of what was fed

    def feed(self, piece: bytes) -> None:
        """More of the stream. Only when it is drained."""
        self.is_drained = False
        self._waiting = memoryview(bytes(self._waiting) + piece)

    def take(self) -> list[bytes]:
        """The next documents of what was fed, if any. Costs CPU time in proportion: call it in a thread."""
        taken, size = list[bytes](), 0
        while size < TAKE_BYTES:
            document = self._next()
            if document is None and not self._expand():
                self.is_drained = True
                break
            if document is not None:
                taken.append(document)
                size += len(document)
        return taken

    def end(self) -> None:
        """The stream is over: it was whole."""
        if self._plain or not self._decompressor.eof:
            raise SourceLost("bad_stream", "the stream of revisions ends in the middle")
        if self._decompressor.unused_data:
            raise SourceLost("bad_stream", "the stream of revisions goes on after its end")

    def _next(self) -> bytes | None:
        if len(self._plain) < _LENGTH_BYTES:
            return None
        length = int.from_bytes(self._plain[:_LENGTH_BYTES])
        if length > FRAME_LIMIT_BYTES:
            raise SourceLost("bad_stream", f"the stream announces a revision of {length} bytes")
        if len(self._plain) < _LENGTH_BYTES + length:
            return None
        document = bytes(self._plain[_LENGTH_BYTES : _LENGTH_BYTES + length])
        del self._plain[: _LENGTH_BYTES + length]
        return document

    def _expand(self) -> bool:
        """Whether there was more."""
        if not self._waiting:
            return False
        if self._decompressor.eof:
            raise SourceLost("bad_stream", "the stream of revisions goes on after its end")
        piece, self._waiting = self._waiting[:SLICE_BYTES], self._waiting[SLICE_BYTES:]
        try:
            self._plain += self._decompressor.decompress(piece)
        except zstandard.ZstdError as error:
            raise SourceLost("bad_stream", f"the stream of revisions is damaged: {error}") from error
        return True
