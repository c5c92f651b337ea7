"""Lines that the fold fails on, although they can be read: found by halving what failed, and left out as malformed.

One such line must not keep the others from being counted, nor lines that fail only together. What fails whatever is
read is not a line's fault: then nothing is left out. Whoever sends lines home can fill a batch with bad ones, so plain
ones of our own tell the two apart.
"""

import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from edge.domain.errors import EdgeError
from edge.telemetry.folding.batches.folded_lines import FoldedLine, parse_folded
from edge.telemetry.folding.database import is_damage

TRIALS_LIMIT = 300  # of one batch: some 10 lines of 20,000; beyond it what fails is left out in larger pieces
ALONE_LIMIT = 20  # lines that may be all of a batch and all bad; where more fail, it may not be they

_PLAIN = tuple(
    b'{"received_ms":1760000000000,%s}' % part
    for part in (
        b'"event":{"app":"edge.probe","action":"set","version":"1.0.0","platform":"ios","device":"d","metadata":{}}',
        b'"heard":{"stream":"n-0-1","sequence":1,"app":"edge.probe","of":[{"group":{},"n":1}]}',
        b'"delivered":{"stream":"n-0-1","sequence":1,"app":"edge.probe","of":'
        b'[{"bundle":"1.0.0","form":"zip","encoding":"identity","complete":1,"bytes":1}]}',
        b'"used":{"app":"edge.probe","device":"00000000-0000-4000-8000-000000000000","of":'
        b'[{"name":"a","kind":"feature","at_ms":1760000000000}]}',
        b'"outcomes":{"app":"edge.probe","of":[{"name":"a","id":"1","at_ms":1760000000000,"custom_id":"1"}]}',
    )
)


class SuspectLine(NamedTuple):
    """A line by its place: the frame that ends at `end`, and its number there."""

    segment: str
    end: int
    number: int
    record: bytes


def is_line_fault(error: Exception) -> bool:
    """Whether a line may be the cause, and not the disk, the database, memory or another process."""
    if isinstance(error, sqlite3.Error):
        return not isinstance(error, sqlite3.OperationalError) and not is_damage(error)
    return not isinstance(error, EdgeError | OSError | MemoryError)


def find_poisoned(lines: Sequence[SuspectLine], fails: Callable[[Sequence[SuspectLine]], bool]) -> list[SuspectLine]:
    """Those that fail by themselves; none if it is not their fault."""
    if fails(()):
        return []
    trials = 0

    def failing(some: Sequence[SuspectLine]) -> list[SuspectLine]:
        nonlocal trials
        trials += 1
        if not fails(some):
            return []
        if len(some) == 1 or trials > TRIALS_LIMIT:
            return list(some)
        half = len(some) // 2
        return failing(some[:half]) + failing(some[half:])

    found = failing(lines)
    bad = set(found)
    found += _failing_together([each for each in lines if each not in bad], fails)
    if len(found) == len(lines) > ALONE_LIMIT and fails(_plain_lines()):
        return []
    return found


def _failing_together(rest: Sequence[SuspectLine], fails: Callable[[Sequence[SuspectLine]], bool]) -> list[SuspectLine]:
    """Those of one segment, if the others pass without it; else all."""
    if not rest or not fails(rest):
        return []
    for name, _ in Counter(each.segment for each in rest).most_common():
        if not fails([each for each in rest if each.segment != name]):
            return [each for each in rest if each.segment == name]
    return list(rest)


def _plain_lines() -> list[SuspectLine]:
    return [SuspectLine("", 0, number, record) for number, record in enumerate(_PLAIN)]


def fate_of(record: bytes) -> tuple[str, int]:
    """How a line that is left out is booked: as so many malformed units of its kind."""
    try:
        line = parse_folded(record)
    except Exception:
        return "line/malformed", 1
    kind, n = _units_of(line)
    return f"{kind}/malformed", n


def _units_of(line: FoldedLine) -> tuple[str, int]:
    if line.heard is not None:
        return "check", sum(each.n for each in line.heard.of)
    if line.delivered is not None:
        return "delivery", sum(each.complete + each.cut for each in line.delivered.of)
    if line.used is not None:
        return "used", len(line.used.of)
    if line.outcomes is not None:
        return "outcome", len(line.outcomes.of)
    return "event", len(line.events) or line.unread or 1
