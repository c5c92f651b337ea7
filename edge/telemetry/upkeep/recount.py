"""Counts what is in a segment on disk, line by line, for the audit: by code of its own, not by the fold's.

Each kind has its unit: an `event` of a plugin or of the node, a `check` and a `delivery` that a worker counted, a
`used` event of an app's own code, an `outcome`, a `push` line about messages. A line that cannot be read is one event.
"""

from collections import Counter
from dataclasses import dataclass, field
from os import SEEK_END
from pathlib import Path
from typing import BinaryIO

import msgspec

from edge.telemetry.spool.kept_segment import erased_from, open_segment
from edge.telemetry.spool.segment import DamagedHeader, read_frames, read_header

KINDS = ("event", "check", "delivery", "used", "outcome", "push")
_NOTHING = msgspec.Raw(b"")


@dataclass(slots=True)
class Recount:
    """`counted` is what a fold has passed, `waiting` what it has not, both by kind; `erased` what erasures took away
    after it was counted. `lost_places` are damaged ones of `lost_bytes`, a torn end among them if all is passed."""

    counted: Counter[str] = field(default_factory=Counter)
    waiting: Counter[str] = field(default_factory=Counter)
    erased: Counter[str] = field(default_factory=Counter)
    lost_places: int = 0
    lost_bytes: int = 0


class _Units(msgspec.Struct):
    n: int = 0
    complete: int = 0
    cut: int = 0


class _OfUnits(msgspec.Struct):
    of: list[_Units]


class _OfAny(msgspec.Struct):
    of: list[msgspec.Raw]


class _AnyLine(msgspec.Struct):
    received_ms: int
    event: msgspec.Raw = _NOTHING
    sent: msgspec.Raw = _NOTHING
    events: int = 1
    heard: _OfUnits | None = None
    delivered: _OfUnits | None = None
    used: _OfAny | None = None
    outcomes: _OfAny | None = None
    push: msgspec.Raw = _NOTHING


_line = msgspec.json.Decoder(_AnyLine)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # the last from nesting in skipped members


def units_of(line: bytes) -> tuple[str, int]:
    """The kind of a line, and how many of its units it has."""
    try:
        found = _line.decode(line)
    except _UNREADABLE:
        return "event", 1
    if found.event is _NOTHING and found.sent is _NOTHING:
        if found.heard is not None:
            return "check", sum(each.n for each in found.heard.of)
        if found.delivered is not None:
            return "delivery", sum(each.complete + each.cut for each in found.delivered.of)
        if found.used is not None:
            return "used", len(found.used.of)
        if found.outcomes is not None:
            return "outcome", len(found.outcomes.of)
        if found.push is not _NOTHING:
            return "push", 1
    return "event", found.events


def recount(path: Path, *, passed: int | None, since: int = 0) -> Recount:
    """Of the frames that begin at `since` or later. A fold has passed those that end at `passed` or before; None: all
    of the segment, to its end. Raises OSError, UnreadableSegment."""
    result = Recount()
    with open_segment(path) as file:
        if since < file.seek(0, SEEK_END):
            result.erased.update(erased_from(file))
        file.seek(0)
        end = file.seek(max(_first_frame(file), since))
        for frame in read_frames(file, live=passed is not None):
            end = frame.end
            if frame.lost:
                result.lost_places += 1
                result.lost_bytes += frame.lost
            into = result.counted if passed is None or frame.end <= passed else result.waiting
            for line in frame.records:
                kind, n = units_of(line)
                into[kind] += n
        if passed is None and (tail := file.seek(0, SEEK_END) - end) > 0:
            result.lost_places += 1
            result.lost_bytes += tail
    return result


def _first_frame(file: BinaryIO) -> int:
    try:
        read_header(file)
    except DamagedHeader:
        return file.seek(0)
    return file.tell()
