"""A segment: one append-only file of event records. All code that depends on its bytes is here.

A JSON header line with `format`, then frames: `<length u32><crc32 u32><payload>`, little-endian, the payload being
records joined by newlines. A frame is what one commit wrote, so a torn write never makes half of it look whole.
The file is `<node>-<worker>-<started ms>-<random>.seg` while its writer lives and holds a lock on it, then `.sealed`.
What another node sends is `.coming` until all of it is here (see `coming_segment`), then `.sealed`, too.
No segment is reopened for writing and no name is reused, so an offset into one stays valid.
"""

import contextlib
import fcntl
import os
import re
import secrets
import struct
import zlib
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from edge.store.disk.append_file import AppendFile, SyncFile

# Its records may be whole reports since 2, and what workers counted since 3 (see `record`): a release that does not
# know them would count them as damage.
SEGMENT_FORMAT = 3
READ_FORMATS = (1, 2, SEGMENT_FORMAT)  # what earlier releases wrote is still counted
SEGMENT_LIMIT_BYTES = 64 << 20  # beyond it a new one begins: what one deletion frees, and a late reader re-reads
SEGMENT_AGE_SECONDS = 3600.0  # so that a quiet node's records also reach the end of their retention
FRAME_LIMIT_BYTES = 64 << 20  # a greater length is damage; a writer's group stays below (see spool)
HEADER_LIMIT_BYTES = 4096  # a header is some 100 bytes; a longer first line is not a header

LIVE, SEALED = ".seg", ".sealed"
COMING = ".coming"  # from another node, and not whole yet
KEPT = ".kept"  # its compressed form, once all of it is counted (see `kept_segment`)

_FRAME = struct.Struct("<II")
_SCAN_BYTES = 1 << 20  # read at once in search of a frame

# A length within the limit ends in a byte up to 4. Records are JSON, which has no such bytes, so no device can write a
# frame into one, and a search passes them fast.
_LENGTH = re.compile(rb"(?=(?!\0{4})[\s\S]{3}[\0-\x04])")
_NO_TEXT = re.compile(rb"[\0-\x08\x0e-\x1f]")
_NAME = re.compile(r"([A-Za-z0-9_]{1,64})-([0-9]{1,4})-([0-9]{1,16})-([0-9a-f]{8})", re.ASCII)
_FIRST_BYTES = 64  # of a payload: what is no text there is no frame, and need not be read whole


class SegmentHeader(msgspec.Struct):
    """The first line of a segment. `started_ms` is since the epoch."""

    format: int
    node: str
    worker: int
    started_ms: int


class Frame(NamedTuple):
    """The records of one commit; or none, for a damaged place of the file."""

    records: list[bytes]
    end: int  # offset of the byte after the frame
    lost: int = 0  # bytes of the damaged place


class UnreadableSegment(Exception):
    """The header is damaged or in a newer format. The file is left as it is."""


class DamagedHeader(UnreadableSegment):
    """Frames may follow it all the same."""


class SpoolName(NamedTuple):
    """What the name of a segment says, without the ending."""

    node: str
    worker: int
    started_ms: int


def parse_segment_name(text: str) -> SpoolName | None:
    """None if no writer makes such a name."""
    found = _NAME.fullmatch(text)
    return None if found is None else SpoolName(found[1], int(found[2]), int(found[3]))


def node_of(name: str) -> str:
    """Whose segment it is, by its name; "" if that does not say."""
    found = parse_segment_name(name)
    return "" if found is None else found.node


class SegmentWriter:
    """Appends frames to a new segment. Blocks: for a thread that may wait for the disk."""

    def __init__(self, directory: Path, node: str, worker: int, *, now: float, sync: SyncFile = os.fdatasync) -> None:
        """`now` is in epoch seconds. Raises OSError and leaves no file."""
        self._started = now
        header = msgspec.json.encode(SegmentHeader(SEGMENT_FORMAT, node, worker, int(now * 1000))) + b"\n"
        name = f"{node}-{worker}-{int(now * 1000)}-{secrets.token_hex(4)}"
        self.path = directory / f"{name}{LIVE}"
        self._header_bytes = len(header)
        self._file = AppendFile(self.path, header, sync=sync, locked=True)

    @property
    def closed(self) -> bool:
        return self._file.closed

    def is_due(self, now: float) -> bool:
        """Whether the next record belongs in a new segment, by size or by age. `now` is in epoch seconds."""
        return self._file.size_bytes >= SEGMENT_LIMIT_BYTES or now - self._started >= SEGMENT_AGE_SECONDS

    def append(self, records: Iterable[bytes]) -> None:
        """Durable when it returns. Raises OSError: then none of these records stay here.

        A frame that could not be written whole is cut off again and the segment goes on: no reader passes an incomplete
        frame. If the cut fails too, or the sync does, the segment is `closed`; only a reader that looked between the
        write and the failed sync has seen such records.
        """
        payload = b"\n".join(records)
        try:
            self._file.append(_FRAME.pack(len(payload), zlib.crc32(payload)) + payload, durably=True)
        except BaseException:
            if self._file.failed:
                self._give_up()
            raise

    def seal(self) -> None:
        """Finish the segment. If the rename fails, its next reader renames it: the lock is gone with us."""
        if self.closed:
            return
        with contextlib.suppress(OSError):
            self.path.rename(self.path.with_suffix(SEALED))
        with contextlib.suppress(OSError):  # what was acknowledged is durable already
            self._file.close()

    def _give_up(self) -> None:
        """Keep what is durable; remove the file when that is nothing."""
        if self._file.size_bytes == self._header_bytes:
            with contextlib.suppress(OSError):
                self.path.unlink()
        self.seal()


def list_segments(directory: Path) -> list[Path]:
    """Live, coming, sealed and kept segments, sorted by name, each once. One renamed during the listing may be missing:
    the next one has it."""
    found: dict[str, Path] = {}
    for form in (LIVE, COMING, KEPT, SEALED):  # a sealed one goes when its kept form is whole
        found |= {path.stem: path for path in sorted(directory.glob(f"*{form}"))}
    return [found[name] for name in sorted(found)]


def is_live(path: Path, file: BinaryIO) -> bool:
    """Whether more may still be appended. A live name without a lock was left by a killed writer, and gets sealed.

    Call it before reading: a segment that is not live is complete.
    """
    if path.suffix in (SEALED, KEPT):
        return False
    if path.suffix == COMING:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    with contextlib.suppress(FileNotFoundError):  # its writer sealed it just now
        path.rename(path.with_suffix(SEALED))
    return False


def read_header(file: BinaryIO) -> SegmentHeader:
    """The header, with the file then placed at the first frame. Raises UnreadableSegment."""
    line = file.readline(HEADER_LIMIT_BYTES)
    try:
        header = msgspec.json.decode(line, type=SegmentHeader)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedHeader(f"not a segment header: {error}") from error
    if header.format not in READ_FORMATS:
        raise UnreadableSegment(f"segment format {header.format} is not one of {READ_FORMATS}")
    return header


def read_frames(file: BinaryIO, *, live: bool = True) -> Iterator[Frame]:
    """Frames from the file's position on. A damaged place between two is a frame that has no records.

    Ends before what may be a frame that is being written or was torn: what no whole frame follows. Without `live` a
    frame that has all its bytes, and wrong ones, is damaged there, too.
    """
    end = file.tell()
    while True:
        file.seek(end)
        head = file.read(_FRAME.size)
        if len(head) < _FRAME.size:
            return
        length, checksum = _FRAME.unpack(head)
        # A file system may fill a tail with zeros after a power cut: zero bytes with checksum zero are not a frame.
        payload = file.read(length) if 0 < length <= FRAME_LIMIT_BYTES else b""
        whole = payload and len(payload) == length
        after = end + _FRAME.size + length
        if whole and zlib.crc32(payload) == checksum:
            yield Frame(payload.split(b"\n"), after)
        elif (found := _find_frame(file, end)) is not None:  # may be at `end`: it was just written
            after = found
            if found > end:
                yield Frame([], found, found - end)
        elif whole and not live and b"\0" not in payload:
            yield Frame([], after, after - end)
        else:
            return
        end = after


def _find_frame(file: BinaryIO, start: int) -> int | None:
    """Where the first whole frame begins, from `start` on."""
    size = _size_of(file)
    for at in range(start, size, _SCAN_BYTES):
        file.seek(at)
        window = file.read(_SCAN_BYTES + _FRAME.size)
        for match in _LENGTH.finditer(window):
            if match.start() < _SCAN_BYTES and _is_whole(file, at + match.start(), size):
                return at + match.start()
    return None


def _is_whole(file: BinaryIO, start: int, size: int) -> bool:
    place = _frame_at(file, start)
    if place is None or place.end > size:
        return False
    first = file.read(min(place.length, _FIRST_BYTES))
    return not _NO_TEXT.search(first) and zlib.crc32(first + file.read(place.length - len(first))) == place.checksum


def whole_frames(content: bytes, start: int = 0) -> int:
    """Where the last frame ends of those that follow each other from `start` on, whole and undamaged."""
    while True:
        payload = start + _FRAME.size
        if payload > len(content):
            return start
        length, checksum = _FRAME.unpack_from(content, start)
        if not 0 < length <= FRAME_LIMIT_BYTES or payload + length > len(content):
            return start
        if zlib.crc32(memoryview(content)[payload : payload + length]) != checksum:
            return start
        start = payload + length


def read_frames_backwards(file: BinaryIO) -> Iterator[list[bytes]]:
    """Each frame's records from the file's end back to its present position, latest first, without damaged frames.

    Reads all frame heads first, to find the frames. Not for counting: a live segment's last frame may be missing.
    """
    starts = array("Q")
    start, end = file.tell(), _size_of(file)
    while start < end:
        frame = _frame_at(file, start)
        if frame is not None and frame.end <= end:
            starts.append(start)
            start = frame.end
        elif (found := _find_frame(file, start)) is not None and found > start:
            start = found
        else:
            break
    for start in reversed(starts):
        frame = _frame_at(file, start)
        payload = file.read(frame.length) if frame else b""
        if frame and len(payload) == frame.length and zlib.crc32(payload) == frame.checksum:
            yield payload.split(b"\n")[::-1]


def _size_of(file: BinaryIO) -> int:
    """Of what can be read: a kept segment's file has fewer bytes. The position stays."""
    at = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(at)
    return size


class _Place(NamedTuple):
    length: int
    checksum: int
    end: int


def _frame_at(file: BinaryIO, start: int) -> _Place | None:
    """The frame whose head is at `start`, with the file then placed after the head; None if there is none."""
    file.seek(start)
    head = file.read(_FRAME.size)
    if len(head) < _FRAME.size:
        return None
    length, checksum = _FRAME.unpack(head)
    return _Place(length, checksum, start + _FRAME.size + length) if 0 < length <= FRAME_LIMIT_BYTES else None
