"""What is in a spool, as the tests of several routes look at it."""

from pathlib import Path

import msgspec

from edge.telemetry.segment import list_segments, read_frames, read_header


def events_of(directory: Path) -> list[dict]:
    """Every event, whoever told it."""
    found = []
    for path in list_segments(directory):
        with path.open("rb") as file:
            read_header(file)
            found += [msgspec.json.decode(line)["event"] for frame in read_frames(file) for line in frame.records]
    return found
