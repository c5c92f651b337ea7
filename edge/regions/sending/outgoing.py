"""What of a segment is to be sent next: whole frames from an offset on, as they are in the file.

Reads segments in every form, also the one that is being written, of which it takes what is whole. Blocks.
"""

from pathlib import Path
from typing import NamedTuple

from edge.telemetry.spool.kept_segment import open_segment
from edge.telemetry.spool.segment import DamagedHeader, is_live, read_frames, read_header

PIECE_BYTES = 4 << 20  # sent at once, and one frame more: a second of 30 Mbit/s, compressed a tenth of it


class OutgoingPiece(NamedTuple):
    """After `lost` damaged bytes from `offset` on, `content`, which ends at `end`; `whole`: the segment ends there."""

    offset: int
    lost: int
    content: bytes
    end: int
    whole: bool


def read_piece(path: Path, offset: int) -> OutgoingPiece:
    """The segment from `offset` on. Raises FileNotFoundError, OSError, UnreadableSegment."""
    with open_segment(path) as file:
        live = is_live(path, file)  # before reading: what is not live is complete
        try:
            read_header(file)
        except DamagedHeader:
            file.seek(0)
        start, end = offset, offset or file.tell()  # the first piece has the header
        file.seek(end)
        lost, more = 0, False
        for frame in read_frames(file, live=live):
            more = end > start and (frame.lost > 0 or end - start >= PIECE_BYTES)
            if more:
                break
            if frame.lost:
                lost, start = frame.end - offset, frame.end
            end = frame.end
        file.seek(start)
        content = file.read(end - start)
    return OutgoingPiece(offset, lost, content, end, whole=not live and not more)
