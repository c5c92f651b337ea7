"""Erases devices from what the node keeps of their raw events: segment by segment, each as soon as it is counted.

A segment is replaced by one without the device's lines, whole or not at all, with the same offsets; its header says how
many events are gone, for the audit. The one that a worker writes at the time of the request is full or closed within an
hour.
"""

import struct
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO

from edge.telemetry.spool.kept_segment import KeptWriter, erased_from, open_segment
from edge.telemetry.spool.segment import DamagedHeader, UnreadableSegment, list_segments, read_frames, read_header
from edge.telemetry.upkeep.erased_lines import ErasedDevice, erased_device, without_device
from edge.telemetry.upkeep.erasures import Erasure
from edge.telemetry.upkeep.recount import units_of

GIVE_UP_SECONDS = 86_400.0  # for a segment that cannot be read: it is left as it is, and an operator has to remove it
PASS_SECONDS = 5.0  # nothing is counted meanwhile; what is left of a full spool is for the next passes, after each fold
COPY_BYTES = 1 << 20
_FRAME = struct.Struct("<II")


@dataclass(slots=True)
class ErasedRaw:
    """`lines` were changed in `segments`; `open_segments` may still name the device: they are not counted to their end
    yet, were not reached, or cannot be read."""

    lines: int = 0
    segments: int = 0
    open_segments: list[str] = field(default_factory=list)


class Erasing:
    """Remembers which segments an erasure has seen, since each is read once only; for one thread at a time. `clock` is
    in seconds, and never goes back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[Erasure, set[str]] = {}

    def erase(
        self,
        directory: Path,
        erasures: Sequence[Erasure],
        finished: Iterable[str],
        seconds: float = PASS_SECONDS,
    ) -> dict[Erasure, ErasedRaw]:
        """Go on with each of them, for so long, or with one segment. `finished` are the segments that are counted
        to their end. Raises OSError."""
        self._seen = {each: self._seen.get(each, set()) for each in erasures}
        results = {each: ErasedRaw() for each in erasures}
        counted, end = set(finished), self._clock() + seconds
        has_read = False
        for path in list_segments(directory):
            due = [each for each in erasures if path.stem not in self._seen[each] and began_ms(path) <= each.until_ms]
            if not due:
                continue
            is_over = self._clock() >= end and has_read
            if path.stem not in counted or is_over:
                for each in due:
                    results[each].open_segments.append(path.name)
                continue
            self._erase_from(path, due, results)
            has_read = True
        return results

    def _erase_from(self, path: Path, due: list[Erasure], results: dict[Erasure, ErasedRaw]) -> None:
        devices = [erased_device(each.app, each.device, each.until_ms) for each in due]
        try:
            lines = erase_from_segment(path, devices)
        except FileNotFoundError:  # deleted since
            lines = [0] * len(due)
        except UnreadableSegment:
            for each in due:
                results[each].open_segments.append(path.name)
            return
        for each, n in zip(due, lines, strict=True):
            self._seen[each].add(path.stem)
            results[each].lines += n
            results[each].segments += n > 0


def began_ms(path: Path) -> int:
    """When a segment was begun, as its name has it; 0 for a name that does not say."""
    with suppress(IndexError, ValueError):
        return int(path.stem.split("-")[-2])
    return 0


def erase_from_segment(path: Path, devices: Sequence[ErasedDevice]) -> list[int]:
    """Replace a segment that is counted to its end, if it names a device; returns how many lines of each. May be killed
    anywhere: then do it again. Raises OSError, UnreadableSegment."""
    with open_segment(path) as file:
        if not _names_any(file, devices):
            return [0] * len(devices)
        copying = _Copying(file, devices)
        with KeptWriter(path, copying.erased) as kept:
            copying.copy_into(kept)
            kept.erased.update(+copying.erased)
        return copying.lines


def _names_any(file: BinaryIO, devices: Sequence[ErasedDevice]) -> bool:
    marks = [mark for each in devices for mark in each.marks]
    longest = max(map(len, marks))
    tail = b""
    file.seek(0)
    while block := file.read(COPY_BYTES):
        if any(mark in window for window in (tail + block,) for mark in marks):
            return True
        tail = block[-longest:]
    return False


class _Copying:
    """Of one segment. `erased` counts the units that are gone, earlier ones included."""

    def __init__(self, file: BinaryIO, devices: Sequence[ErasedDevice]) -> None:
        self.erased = Counter(erased_from(file))
        self.lines = [0] * len(devices)
        self._file = file
        self._devices = devices

    def copy_into(self, kept: KeptWriter) -> None:
        file = self._file
        end = _header_bytes(file)
        file.seek(0)
        kept.write(file.read(end))
        for frame in read_frames(file, live=False):
            if frame.lost:
                self._copy_damage(kept, end, frame.end)
            else:
                payload = b"\n".join(map(self._left_of, frame.records))
                kept.write(_FRAME.pack(len(payload), zlib.crc32(payload)) + payload)
            end = frame.end
        self._copy_damage(kept, end, file.seek(0, SEEK_END))

    def _left_of(self, line: bytes) -> bytes:
        for number, device in enumerate(self._devices):
            left = without_device(line, device)
            if left != line:
                self.lines[number] += 1
                kind, n = units_of(line)
                self.erased[kind] += n
                kind, n = units_of(left)
                self.erased[kind] -= n
                line = left
        return line

    def _copy_damage(self, kept: KeptWriter, start: int, end: int) -> None:
        """What is no whole frame, in which nobody reads a line: as zeros, since it may name a device all the same."""
        at = self._file.tell()
        for begin in range(start, end, COPY_BYTES):
            kept.write(bytes(min(COPY_BYTES, end - begin)))
        self._file.seek(at)


def _header_bytes(file: BinaryIO) -> int:
    file.seek(0)
    try:
        read_header(file)
    except DamagedHeader:
        return file.seek(0)
    return file.tell()
