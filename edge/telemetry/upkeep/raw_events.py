"""An app's raw events, as one flat row each: what `edge telemetry export` writes. Oldest segment first."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

import msgspec

from edge.telemetry.spool.app_records import OutcomesLine, UsedLine
from edge.telemetry.spool.kept_segment import open_segment
from edge.telemetry.spool.record import EventLine, parse_line
from edge.telemetry.spool.segment import UnreadableSegment, list_segments, read_frames, read_header
from edge.wire.actions import OF_NODE
from edge.wire.stats import Event

NOBODY: Mapping[str, int] = MappingProxyType({})
CLOCK_MS = 1_000  # a file's and a record's times come from two clocks of one machine


class RawEvent(msgspec.Struct, omit_defaults=True):
    """`kind` is `report` (of a plugin), `node` (the node's own note), `app` (of the app's own code) or `outcome` (from
    elsewhere). Times are in epoch milliseconds: `received_ms` by this node's clock, `device_ms` as stated. `value` is
    in seconds for durations. What was not said is left out."""

    received_ms: int
    kind: str
    device: str = ""
    custom_id: str = ""
    name: str = ""  # the action of a report
    app_kind: str = ""  # "feature", "screen", ... of the app's own events
    version: str = ""
    old_version: str = ""
    platform: str = ""
    plugin: str = ""
    native: str = ""
    os: str = ""
    is_prod: bool = True
    is_emulator: bool = False
    channel: str = ""  # the default channel that the device states
    install_source: str = ""
    key_id: str = ""
    device_ms: int | None = None
    value: float | None = None
    id: str = ""  # of an outcome
    labels: dict[str, str] = {}


def read_raw_events(
    directory: Path, app: str, since_ms: int, until_ms: int, erased: Mapping[str, int] = NOBODY
) -> Iterator[RawEvent]:
    """Those received from `since_ms` to before `until_ms`, without those of the devices in `erased` up to its time.
    Holds one frame of a segment at a time; blocks. Raises OSError."""
    mark = app.encode()
    for path in list_segments(directory):
        # Deleted since the listing, or in a format that this release cannot read.
        with suppress(FileNotFoundError, UnreadableSegment), open_segment(path) as file:
            header = read_header(file)
            if header.started_ms >= until_ms + CLOCK_MS or _last_ms(path) < since_ms - CLOCK_MS:
                continue
            for frame in read_frames(file):
                for line in frame.records:
                    if mark in line:
                        rows = _rows(line, app, since_ms, until_ms)
                        yield from (each for each in rows if each.received_ms > erased.get(each.device, -1))


def _last_ms(path: Path) -> int:
    with suppress(FileNotFoundError):
        return int(path.stat().st_mtime * 1000)
    return 1 << 62


def _rows(line: bytes, app: str, since_ms: int, until_ms: int) -> Iterator[RawEvent]:
    match parse_line(line):
        case EventLine(received_ms, _, events) if since_ms <= received_ms < until_ms:
            yield from (_of_report(received_ms, event) for event in events if event.app == app)
        case UsedLine() as of if of.used.app == app and since_ms <= of.received_ms < until_ms:
            yield from _of_used(of)
        case OutcomesLine() as of if of.outcomes.app == app and since_ms <= of.received_ms < until_ms:
            yield from _of_outcomes(of)


def _of_report(received_ms: int, event: Event) -> RawEvent:
    return RawEvent(
        received_ms,
        "node" if event.action in OF_NODE else "report",
        device=event.device,
        custom_id=event.custom_id,
        name=event.action,
        version=event.version,
        old_version=event.old_version,
        platform=event.platform,
        plugin=event.plugin,
        native=event.native,
        os=event.os,
        is_prod=event.is_prod,
        is_emulator=event.is_emulator,
        channel=event.default_channel,
        install_source=event.install_source,
        key_id=event.key_id,
        device_ms=event.device_time_ms,
        labels=event.metadata,
    )


def _of_used(line: UsedLine) -> Iterator[RawEvent]:
    used = line.used
    for each in used.of:
        yield RawEvent(
            line.received_ms,
            "app",
            device=used.device,
            custom_id=used.custom_id,
            name=each.name,
            app_kind=each.kind,
            platform=used.platform,
            device_ms=each.at_ms,
            value=each.value,
            labels=each.labels,
        )


def _of_outcomes(line: OutcomesLine) -> Iterator[RawEvent]:
    for each in line.outcomes.of:
        yield RawEvent(
            line.received_ms,
            "outcome",
            device=each.device,
            custom_id=each.custom_id,
            name=each.name,
            device_ms=each.at_ms,
            value=each.value,
            id=each.id,
        )
