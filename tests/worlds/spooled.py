"""What is in a spool, as the tests of several routes look at it."""

from pathlib import Path

import msgspec

from edge.telemetry.spool.record import parse_events
from edge.telemetry.spool.segment import list_segments, read_frames, read_header


def events_of(directory: Path) -> list[dict]:
    """Every event, whoever told it."""
    return [msgspec.to_builtins(event) for line in lines_of(directory) for _, event in parse_events(line)]


def lines_of(directory: Path) -> list[bytes]:
    """Every record, as it is stored."""
    found = []
    for path in list_segments(directory):
        with path.open("rb") as file:
            read_header(file)
            found += [line for frame in read_frames(file) for line in frame.records]
    return found
