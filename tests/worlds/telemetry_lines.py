"""Record lines and segments for the tests of this room; every argument has a valid default."""

import json
from collections.abc import Iterable
from pathlib import Path

from report_bodies import body_of

from edge.telemetry.spool.kept_segment import open_segment
from edge.telemetry.spool.record import encode_report
from edge.telemetry.spool.segment import SegmentWriter, list_segments, read_frames, read_header
from edge.wire.ordinary_stats import read_ordinary

NOW = 1_760_000_000.0  # 2025-10-09 08:53:20 UTC
DAY = 86_400.0
APP = "com.acme.shop"


def line(action="set", version="1.0.0", platform="android", received=NOW, happened_ms=None, app=APP) -> bytes:
    """`happened_ms` is by the device's clock; without it an event always counts."""
    event = {"app": app, "action": action, "version": version, "platform": platform, "device": "d", "metadata": {}}
    event["device_time_ms"] = happened_ms
    return json.dumps({"received_ms": int(received * 1000), "event": event}).encode()


def report_line(sent, received=NOW) -> bytes:
    """An ordinary report, of this app whatever it says itself."""
    events = sent if isinstance(sent, list) else [sent]
    events = [event | {"app_id": APP} for event in events]
    body = body_of(events if isinstance(sent, list) else events[0])
    ordinary = read_ordinary(body)
    assert ordinary is not None
    return encode_report(ordinary, body, received, 0)


def no_sync(fd: int) -> None:
    """For tests of what is counted, not of what survives a power cut."""


def write_segment(directory: Path, *groups: Iterable[bytes], worker=0, now=NOW, seal=True) -> SegmentWriter:
    writer = SegmentWriter(directory, "node", worker, now=now, sync=no_sync)
    for group in groups:
        writer.append(list(group))
    if seal:
        writer.seal()
    return writer


def stored(directory: Path) -> list[bytes]:
    """Every record that a reader finds in a directory, in order of segments."""
    records = []
    for path in list_segments(directory):
        with open_segment(path) as file:
            read_header(file)
            records += [record for frame in read_frames(file) for record in frame.records]
    return records
