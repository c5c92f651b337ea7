"""A segment that another node sends, as it grows here: the same bytes at the same offsets, or fewer of them.

Nothing is appended but at exactly its end, and nothing but the header and whole frames with the right checksum, and as
many zeros as the sender has damaged bytes: so a repeat changes nothing, and whoever reads it reads what the sender's
own reader would. The file is `<name>.coming` until the sender says that this is all, then `.sealed`. After a crash its
end is where its last whole frame ends, and the sender sends the rest again.
"""

import io
import os
from contextlib import suppress
from os import SEEK_END
from pathlib import Path
from typing import NamedTuple

from edge.domain.errors import Invalid, TooLarge
from edge.store.disk.append_file import SyncFile
from edge.store.disk.durable_files import FILE_MODE, sync_directory
from edge.store.disk.room import room_for
from edge.telemetry.spool.kept_segment import open_segment
from edge.telemetry.spool.segment import (
    COMING,
    HEADER_LIMIT_BYTES,
    KEPT,
    SEALED,
    SEGMENT_LIMIT_BYTES,
    DamagedHeader,
    SpoolName,
    UnreadableSegment,
    read_frames,
    read_header,
    whole_frames,
)

# A writer begins a new segment beyond SEGMENT_LIMIT_BYTES, and its last group may have twice the spool's queue.
COMING_LIMIT_BYTES = 2 * SEGMENT_LIMIT_BYTES


class HeldSegment(NamedTuple):
    """How many bytes of a segment are here, durably; `whole`: nothing more is taken."""

    offset: int
    whole: bool


def held_segment(directory: Path, name: str) -> HeldSegment | None:
    """None if there is no file of it. What a crash left at its end is cut off. Blocks; raises OSError,
    UnreadableSegment."""
    coming = directory / f"{name}{COMING}"
    with suppress(FileNotFoundError):
        return HeldSegment(_cut_torn(coming), whole=False)
    for form in (SEALED, KEPT):
        with suppress(FileNotFoundError), open_segment(directory / f"{name}{form}") as file:
            return HeldSegment(file.seek(0, SEEK_END), whole=True)
    return None


def check_content(name: SpoolName, offset: int, lost: int, content: bytes) -> None:
    """What a sender says that the segment has at `offset`: after `lost` damaged bytes, `content`. Raises Invalid
    `newer_segment`, `bad_segment`; TooLarge `segment_too_large`."""
    if offset + lost + len(content) > COMING_LIMIT_BYTES:
        raise TooLarge("segment_too_large", f"a segment has at most {COMING_LIMIT_BYTES:,} bytes")
    start = _header_end(name, content) if offset == 0 and not lost and content else 0
    if whole_frames(content, start) != len(content):
        raise Invalid("bad_segment", f"what follows offset {offset} is no row of whole frames, or damaged")


def append_content(
    directory: Path, name: str, offset: int, lost: int, content: bytes, *, sync: SyncFile = os.fdatasync
) -> int:
    """Append checked content at the end of a segment that has `offset` bytes; returns its new end. Durable when it
    returns. Raises OSError, and then none of it is there, or after a crash."""
    path = directory / f"{name}{COMING}"
    with room_for(path, lost + len(content)):
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE)
        try:
            _write_at(fd, offset, bytes(lost) + content if lost else content)
            sync(fd)
            if offset == 0:
                sync_directory(directory)
        except BaseException:
            with suppress(OSError):
                os.ftruncate(fd, offset)
            raise
        finally:
            os.close(fd)
    return offset + lost + len(content)


def seal_coming(directory: Path, name: str) -> None:
    """All of it is here. Again it changes nothing. Raises OSError."""
    with suppress(FileNotFoundError):
        (directory / f"{name}{COMING}").rename(directory / f"{name}{SEALED}")
    sync_directory(directory)


def _header_end(name: SpoolName, content: bytes) -> int:
    file = io.BytesIO(content[:HEADER_LIMIT_BYTES])
    try:
        header = read_header(file)
    except DamagedHeader as error:
        raise Invalid("bad_segment", f"the segment does not begin with its header: {error}") from error
    except UnreadableSegment as error:
        reason = f"{error}: upgrade this node before those that send to it; the sender keeps the segment until then"
        raise Invalid("newer_segment", reason) from error
    if (header.node, header.worker, header.started_ms) != name:
        raise Invalid("bad_segment", "the segment's header names another node, worker or time than its name")
    return file.tell()


def _cut_torn(path: Path) -> int:
    with path.open("r+b") as file:
        try:
            read_header(file)
        except DamagedHeader:
            file.seek(0)
        end = file.tell()
        for frame in read_frames(file):
            end = frame.end
        if end != file.seek(0, SEEK_END):
            file.truncate(end)
            os.fdatasync(file.fileno())
    return end


def _write_at(fd: int, offset: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        written = os.pwrite(fd, rest, offset)
        rest, offset = rest[written:], offset + written
