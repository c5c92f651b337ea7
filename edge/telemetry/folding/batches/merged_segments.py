"""Several segments read as one, in the order in which their frames were received.

A device's records are in the segments of several workers; what follows from their order (a session, a proof) shall not
depend on which worker took which. Among nodes it is kept as long as none has much more to read than the others: who has
a node's token states times as it likes, and must not come before everybody else with all that it sends.
"""

import re
from collections import defaultdict
from collections.abc import Container, Iterator, Mapping
from itertools import chain, zip_longest
from os import SEEK_END
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from edge.telemetry.folding.batches.segment_origins import SegmentOrigins
from edge.telemetry.spool.kept_segment import open_segment
from edge.telemetry.spool.segment import DamagedHeader, Frame, is_live, list_segments, read_frames, read_header

OPEN_LIMIT = 64  # segments that are read at once: a process may have 1,024 files
TURN_BYTES = 1 << 20  # that a node's segments may have been read further than those of another one that waits

_RECEIVED = re.compile(rb'{"received_ms":(\d{1,16})')


class PendingSegment:
    """A segment with records that may not be counted yet; `node` brought it. Raises what opening and reading raise."""

    def __init__(self, path: Path, node: str = "") -> None:
        self.path, self.name, self.node = path, path.stem, node
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


def next_segment(segments: list[PendingSegment], read_bytes: Mapping[str, int]) -> PendingSegment | None:
    """Of those whose nodes have a turn, the one whose next frame was received first; None if all are at their ends.
    `read_bytes` were read of each node so far."""
    waiting = [(next_ms, each) for each in segments if (next_ms := each.next_ms) is not None]
    most = min((read_bytes.get(each.node, 0) for _, each in waiting), default=0) + TURN_BYTES
    found, at_ms = None, 0
    for next_ms, each in waiting:
        if (found is None or next_ms < at_ms) and read_bytes.get(each.node, 0) < most:
            found, at_ms = each, next_ms
    return found


def next_segments(
    directory: Path, finished: Container[str], began: Container[str], origins: SegmentOrigins
) -> list[Path]:
    """OPEN_LIMIT at most that are not `finished`: of each node the first, then of each the second, and so on, in the
    order in which they were started. Of other nodes those that were there when the fold `began`: else it might not end.
    """
    by_node = defaultdict[str, list[Path]](list)
    for path in sorted(list_segments(directory), key=_started):
        node = origins.of(path.stem).node
        if path.stem not in finished and (not node or path.stem in began):
            by_node[node].append(path)
    rounds = zip_longest(*by_node.values())
    return [path for path in chain.from_iterable(rounds) if path is not None][:OPEN_LIMIT]


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


def _started(path: Path) -> tuple[int, str]:
    """When a segment began: `<node>-<worker>-<started ms>-<random>`."""
    parts = path.stem.rsplit("-", 2)
    return (int(parts[1]) if len(parts) == 3 and parts[1].isdecimal() else 0), path.stem
