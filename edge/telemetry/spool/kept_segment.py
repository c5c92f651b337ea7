"""A counted segment as it is kept: compressed, and read as if it were not, from any place.

A JSON header line of fixed length with `kept`, the format's number, then blocks: `<compressed u32><plain u32>
<crc32 u32>`, little-endian, and one zstd frame. Their plain bytes, joined, are the segment with all its offsets, and
what was damaged in it. A block that is damaged itself reads as zeros, which are no frame. The file is
`<segment's name>.kept`, appears whole, and is never written to; an erasure replaces it.
"""

import io
import os
import struct
import zlib
from bisect import bisect_right
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self, cast

import msgspec
import zstandard

from edge.store.disk.append_file import UNFINISHED
from edge.store.disk.durable_files import FILE_MODE, sync_directory
from edge.store.disk.room import room_for
from edge.telemetry.spool.segment import HEADER_LIMIT_BYTES, KEPT, SEALED, DamagedHeader, UnreadableSegment

KEPT_FORMAT = 1
LEVEL = 1  # 300 MB/s of one core, to a tenth or less; a higher level gains some per cent for a multiple of that
BLOCK_BYTES = 1 << 20  # what a reader of one event decompresses
_HEADER_BYTES = 1024
_BLOCK = struct.Struct("<III")


class KeptHeader(msgspec.Struct):
    """`bytes` is the plain size; `erased` counts what erasures of devices took away, by what the audit calls it."""

    kept: int
    bytes: int
    erased: dict[str, int] = {}


class KeptWriter:
    """Writes a kept segment beside `path`, the segment's present file, and puts it in that one's place on a clean exit.
    Raises OSError; then all is as it was."""

    def __init__(self, path: Path, erased: Mapping[str, int] | None = None) -> None:
        self.erased = dict(erased or {})
        self._path = path
        self._target = path.with_suffix(KEPT)
        self._scratch = self._target.with_name(f"{self._target.name}{UNFINISHED}")
        self._compressor = zstandard.ZstdCompressor(level=LEVEL)
        self._held = bytearray()
        self._plain_bytes = 0

    def __enter__(self) -> Self:
        self._scratch.unlink(missing_ok=True)  # of one that was killed
        with room_for(self._scratch, _HEADER_BYTES):
            descriptor = os.open(self._scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
            self._file = os.fdopen(descriptor, "wb")
            self._file.write(b" " * _HEADER_BYTES)
        return self

    def write(self, plain: bytes) -> None:
        """The next bytes of the segment."""
        self._held += plain
        self._plain_bytes += len(plain)
        while len(self._held) >= BLOCK_BYTES:
            self._put(bytes(self._held[:BLOCK_BYTES]))
            del self._held[:BLOCK_BYTES]

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        try:
            with self._file, room_for(self._scratch, BLOCK_BYTES):
                if kind is None:
                    self._finish()
            if kind is None:
                self._scratch.rename(self._target)
                sync_directory(self._target.parent)
                if self._path != self._target:
                    self._path.unlink(missing_ok=True)
        finally:
            self._scratch.unlink(missing_ok=True)

    def _put(self, plain: bytes) -> None:
        compressed = self._compressor.compress(plain)
        with room_for(self._scratch, len(compressed)):
            self._file.write(_BLOCK.pack(len(compressed), len(plain), zlib.crc32(compressed)) + compressed)

    def _finish(self) -> None:
        if self._held:
            self._put(bytes(self._held))
        header = msgspec.json.encode(KeptHeader(KEPT_FORMAT, self._plain_bytes, self.erased))
        self._file.seek(0)
        self._file.write(header.ljust(_HEADER_BYTES - 1) + b"\n")
        self._file.flush()
        with suppress(FileNotFoundError):  # readers go by the time of the last record
            before = self._path.stat()
            os.utime(self._file.fileno(), ns=(before.st_atime_ns, before.st_mtime_ns))
        os.fsync(self._file.fileno())


def compress_segment(path: Path) -> None:
    """Replace a sealed segment, of which nothing is left to count, by its kept form. May be killed anywhere: the sealed
    file goes last. Raises OSError."""
    with path.open("rb") as file, KeptWriter(path) as kept:
        while plain := file.read(BLOCK_BYTES):
            kept.write(plain)


def open_segment(path: Path) -> BinaryIO:
    """The bytes of a segment in any of its forms; one that took on its next form since it was listed is found. Raises
    FileNotFoundError, OSError, UnreadableSegment."""
    for place in (path, path.with_suffix(SEALED), path.with_suffix(KEPT)):
        with suppress(FileNotFoundError):
            file = place.open("rb")
            if place.suffix != KEPT:
                return file
            return cast(BinaryIO, io.BufferedReader(_KeptBytes(file), 64 << 10))
    raise FileNotFoundError(path)


def erased_from(file: BinaryIO) -> dict[str, int]:
    """What erasures took away from a segment that `open_segment` has opened."""
    raw = getattr(file, "raw", None)
    return dict(raw.header.erased) if isinstance(raw, _KeptBytes) else {}


def _header_of(file: BinaryIO) -> KeptHeader:
    line = file.readline(HEADER_LIMIT_BYTES)
    try:
        header = msgspec.json.decode(line, type=KeptHeader)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedHeader(f"not the header of a kept segment: {error}") from error
    if header.kept != KEPT_FORMAT:
        raise UnreadableSegment(f"format {header.kept} of kept segments is not {KEPT_FORMAT}")
    return header


class _Block(NamedTuple):
    start: int  # of its plain bytes in the segment
    plain_bytes: int
    place: int  # of its compressed bytes in the file
    compressed_bytes: int
    checksum: int


class _KeptBytes(io.RawIOBase):
    """The plain bytes. Holds one block."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        try:
            self.header = _header_of(file)
            self._size = self.header.bytes
            self._blocks = list(_walk(file))
        except BaseException:
            file.close()
            raise
        self._starts = [each.start for each in self._blocks]
        self._held = (-1, b"")
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._file.fileno()

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        with memoryview(buffer) as view:
            if self._at >= self._size:
                return 0
            number = bisect_right(self._starts, self._at) - 1
            within = self._at - self._starts[number] if number >= 0 else 0
            if number < 0 or within >= self._blocks[number].plain_bytes:  # what no block can be found for
                found = bytes(min(len(view), self._size - self._at, BLOCK_BYTES))
            else:
                found = self._plain(number)[within : within + len(view)]
            view[: len(found)] = found
            self._at += len(found)
            return len(found)

    def close(self) -> None:
        self._file.close()
        super().close()

    def _plain(self, number: int) -> bytes:
        if self._held[0] != number:
            self._held = number, self._decompress(self._blocks[number])
        return self._held[1]

    def _decompress(self, block: _Block) -> bytes:
        self._file.seek(block.place)
        compressed = self._file.read(block.compressed_bytes)
        if zlib.crc32(compressed) != block.checksum:
            return bytes(block.plain_bytes)
        return zstandard.ZstdDecompressor().decompress(compressed, max_output_size=block.plain_bytes)


def _walk(file: BinaryIO) -> list[_Block]:
    """The blocks up to the first whose head is damaged."""
    blocks: list[_Block] = []
    end, place, start = file.seek(0, os.SEEK_END), _HEADER_BYTES, 0
    while place + _BLOCK.size <= end:
        file.seek(place)
        compressed, plain, checksum = _BLOCK.unpack(file.read(_BLOCK.size))
        place += _BLOCK.size
        if not 0 < plain <= BLOCK_BYTES or place + compressed > end:
            break
        blocks.append(_Block(start, plain, place, compressed, checksum))
        place, start = place + compressed, start + plain
    return blocks
