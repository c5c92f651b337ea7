"""Several segments read as one, in the order in which their frames were received.

A device's records are in the segments of several workers; what follows from their order (a session, a proof) shall not
depend on which worker took which.
"""

import re
from collections.abc import Iterator
from os import SEEK_END
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from edge.telemetry.spool.kept_segment import open_segment
from edge.telemetry.spool.segment import DamagedHeader, Frame, is_live, read_frames, read_header

_RECEIVED = re.compile(rb'{"received_ms":(\d{1,16})')


class PendingSegment:
    """A segment with records that may not be counted yet. Raises what opening and reading raise."""

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, path.stem
        self._file = open_segment(path)
        try:
            self.live = is_live(path, self._file)
            self.first = _first_frame(self._file)
        except BaseException:
            self._file.close()
            raise
        self.end = self.first
        self._frames: Iterator[Frame] = iter(())
        self._next: Frame | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def seek(self, offset: int) -> None:
        """Read on from there, if it is not where it is."""
        if offset != self.end or self._next is None:
            self._file.seek(offset)
            self._frames = read_frames(self._file, live=self.live)
            self.end, self._next = offset, next(self._frames, None)

    @property
    def is_finished(self) -> bool:
        """Whether all of it was taken, and nothing will come."""
        return not self.live and self._next is None

    @property
    def next_ms(self) -> int | None:
        """When its next frame was received, 0 for a damaged place; None at its end."""
        if self._next is None:
            return None
        found = _RECEIVED.match(self._next.records[0]) if self._next.records else None
        return int(found[1]) if found else 0

    def take(self) -> Frame:
        """The next frame, which there is."""
        frame = self._next
        assert frame is not None
        self.end, self._next = frame.end, None
        self._next = next(self._frames, None)
        return frame

    def tail_bytes(self) -> int:
        """What follows its last whole frame."""
        return self._file.seek(0, SEEK_END) - self.end


def earliest(segments: list[PendingSegment]) -> PendingSegment | None:
    """The one whose next frame was received first; None if all are at their ends."""
    found, at_ms = None, 0
    for each in segments:
        next_ms = each.next_ms
        if next_ms is not None and (found is None or next_ms < at_ms):
            found, at_ms = each, next_ms
    return found


def _first_frame(file: BinaryIO) -> int:
    """Where to read from: after the header, or from the file's beginning if that is damaged and frames follow. Raises
    UnreadableSegment."""
    try:
        read_header(file)
    except DamagedHeader:
        file.seek(0)
        if next(read_frames(file), None) is None:
            raise
        return 0
    return file.tell()
