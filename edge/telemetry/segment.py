"""A segment: one append-only file of event records. Everything that knows its bytes is here.

A JSON header line with `format`, then frames: `<length u32><crc32 u32><payload>`, little-endian, the payload being
records joined by newlines. A frame is what one commit wrote, so a torn write never leaves half of it looking whole.
The file is `<node>-<worker>-<started ms>-<random>.seg` while its writer lives and holds a lock on it, then `.sealed`.
No segment is ever opened for writing again, and no name is ever used again: an offset into one stays true.
"""

import contextlib
import fcntl
import os
import secrets
import struct
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from edge.store.durable_files import sync_directory

SEGMENT_FORMAT = 1
SEGMENT_LIMIT_BYTES = 64 << 20  # a new one is begun beyond it: what one deletion frees, and one late reader re-reads
SEGMENT_AGE_SECONDS = 3600.0  # so that a quiet node's records also reach the end of their retention
FRAME_LIMIT_BYTES = 64 << 20  # a length above it is damage; a writer's group stays below (see spool)
HEADER_LIMIT_BYTES = 4096  # a header is some 100 bytes; a first line longer than this is no header

LIVE, SEALED, UNBORN = ".seg", ".sealed", ".new"

Sync = Callable[[int], None]

_FRAME = struct.Struct("<II")


class Header(msgspec.Struct):
    format: int
    node: str
    worker: int
    started_ms: int


class Frame(NamedTuple):
    records: list[bytes]
    end: int  # offset of the byte behind the frame


class UnreadableSegment(Exception):
    """The header is not one this program knows: a newer format, or damage. The file is left as it is."""


class SegmentWriter:
    """Appends frames to a segment of its own. Blocks: for a thread that may wait for the disk."""

    def __init__(self, directory: Path, node: str, worker: int, *, now: float, sync: Sync = os.fdatasync) -> None:
        """`now` is in epoch seconds; `sync` makes a descriptor's bytes durable. Raises OSError and leaves no file."""
        self._directory = directory
        self._started = now
        self._sync = sync
        header = msgspec.json.encode(Header(SEGMENT_FORMAT, node, worker, int(now * 1000))) + b"\n"
        name = f"{node}-{worker}-{int(now * 1000)}-{secrets.token_hex(4)}"
        self.path = directory / f"{name}{LIVE}"
        self._fd = _create(self.path, header)
        self._header_bytes = self._durable_bytes = len(header)

    @property
    def closed(self) -> bool:
        return self._fd < 0

    def is_due(self, now: float) -> bool:
        """Whether the next record belongs into a new segment, by size or by age."""
        return self._durable_bytes >= SEGMENT_LIMIT_BYTES or now - self._started >= SEGMENT_AGE_SECONDS

    def append(self, records: Iterable[bytes]) -> None:
        """Durable when it returns. Raises OSError: then none of these records stay here.

        A frame that could not be written whole is cut off again and the segment goes on. When that fails too, or the
        sync does (what reached the disk is then unknown), the segment is given up: it is `closed`. Only a reader that
        looked between the write and the failed sync has seen such records.
        """
        payload = b"\n".join(records)
        try:
            _write_all(self._fd, _FRAME.pack(len(payload), zlib.crc32(payload)) + payload)
        except BaseException:
            self._cut_or_give_up()
            raise
        try:
            self._sync(self._fd)
        except BaseException:
            self.give_up()
            raise
        self._durable_bytes += _FRAME.size + len(payload)

    def seal(self) -> None:
        """Finish the segment. When the rename fails, whoever folds it does it: the lock is gone with us."""
        if self.closed:
            return
        with contextlib.suppress(OSError):
            self.path.rename(self.path.with_suffix(SEALED))
        fd, self._fd = self._fd, -1
        with contextlib.suppress(OSError):  # what was acknowledged is durable already
            os.close(fd)

    def give_up(self) -> None:
        """Finish the segment after a failure: keep what is durable, remove it when that is nothing."""
        with contextlib.suppress(OSError):
            if self._durable_bytes == self._header_bytes:
                self.path.unlink()
            else:
                os.ftruncate(self._fd, self._durable_bytes)
        self.seal()

    def _cut_or_give_up(self) -> None:
        # A reader never passes an incomplete frame, so its bytes may be replaced by others.
        try:
            os.ftruncate(self._fd, self._durable_bytes)
        except OSError:
            self.give_up()


def list_segments(directory: Path) -> list[Path]:
    """Live and sealed segments by name. One renamed during the listing may be missing: the next listing has it."""
    found = {path.stem: path for path in sorted(directory.glob(f"*{LIVE}"))}
    found |= {path.stem: path for path in sorted(directory.glob(f"*{SEALED}"))}
    return [found[name] for name in sorted(found)]


def is_live(path: Path, file: BinaryIO) -> bool:
    """Whether a writer may still append. A live name without a lock is what a killed writer left: it gets sealed.

    Ask before reading: a segment that is not live has its last byte.
    """
    if path.suffix == SEALED:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    with contextlib.suppress(FileNotFoundError):  # its writer sealed it just now
        path.rename(path.with_suffix(SEALED))
    return False


def read_header(file: BinaryIO) -> Header:
    """The header, with the file then placed at the first frame. Raises UnreadableSegment."""
    line = file.readline(HEADER_LIMIT_BYTES)
    try:
        header = msgspec.json.decode(line, type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableSegment(f"no segment header: {error}") from error
    if header.format != SEGMENT_FORMAT:
        raise UnreadableSegment(f"segment format {header.format} is not {SEGMENT_FORMAT}")
    return header


def read_frames(file: BinaryIO) -> Iterator[Frame]:
    """Whole frames from the file's place on; ends before the first that is incomplete or damaged."""
    end = file.tell()
    while len(head := file.read(_FRAME.size)) == _FRAME.size:
        length, checksum = _FRAME.unpack(head)
        # A file system may fill a tail with zeros after a power cut: zero bytes with checksum zero are no frame.
        if not 0 < length <= FRAME_LIMIT_BYTES:
            return
        payload = file.read(length)
        if len(payload) != length or zlib.crc32(payload) != checksum:
            return
        end += _FRAME.size + length
        yield Frame(payload.split(b"\n"), end)


def read_frames_backwards(file: BinaryIO) -> Iterator[list[bytes]]:
    """Each frame's records from the file's end back to its place now, the latest first; damaged frames are left out.

    Reads the frames' heads first, to find where each one is. For looking, not for counting: a live segment's last frame
    may be missing.
    """
    starts = array("Q")
    start, end = file.tell(), os.fstat(file.fileno()).st_size
    while (frame := _frame_at(file, start)) is not None and frame.end <= end:
        starts.append(start)
        start = frame.end
    for start in reversed(starts):
        frame = _frame_at(file, start)
        payload = file.read(frame.length) if frame else b""
        if frame and len(payload) == frame.length and zlib.crc32(payload) == frame.checksum:
            yield payload.split(b"\n")[::-1]


class _Place(NamedTuple):
    length: int
    checksum: int
    end: int


def _frame_at(file: BinaryIO, start: int) -> _Place | None:
    """What a frame's head says, with the file then placed behind it; None where none can be."""
    file.seek(start)
    head = file.read(_FRAME.size)
    if len(head) < _FRAME.size:
        return None
    length, checksum = _FRAME.unpack(head)
    return _Place(length, checksum, start + _FRAME.size + length) if 0 < length <= FRAME_LIMIT_BYTES else None


def _create(path: Path, header: bytes) -> int:
    """The file appears under its name locked, with its header, and durably; or not at all."""
    unborn = path.with_suffix(UNBORN)
    fd = os.open(unborn, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _write_all(fd, header)
        os.fsync(fd)
        unborn.rename(path)
        sync_directory(path.parent)
    except BaseException:
        os.close(fd)
        for name in (unborn, path):
            with contextlib.suppress(OSError):
                name.unlink()
        raise
    return fd


def _write_all(fd: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(fd, rest) :]
