"""The devices that this node knows of an app: those whose reports are still in its spool, each as it asks for updates.

"Known" is not proven: whoever reaches the device port can send a report in any device's name. What a report does not
say is taken as a device that does not say it. Good for looking before a change; no decision is made from it.
"""

import heapq
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from edge.domain.errors import Invalid
from edge.domain.model import BUILTIN, AppId, DeviceId, Platform, UpdateCheck
from edge.domain.versions import coerce_native
from edge.telemetry.record import parse_event
from edge.telemetry.segment import UnreadableSegment, list_segments, read_frames_backwards, read_header
from edge.wire.actions import OF_RUNNING
from edge.wire.plugins import plugin_of
from edge.wire.stats import Event, bundle_of

DEVICES_LIMIT = 100_000  # as many as there are buckets: more would tell nothing new about a share
READ_LIMIT_BYTES = 256 << 20  # of the spool, the newest first: two seconds of one core, and four full segments
CLOCK_MS = 1_000  # a file's time and a record's come from two clocks of one machine

_PLATFORMS = {platform.value: platform for platform in Platform}


class Known(NamedTuple):
    """`reported` is when, by this node's clock, in seconds since the epoch."""

    check: UpdateCheck
    reported: float


class KnownDevices:
    """Iterate once: each device, or only `device`, by its latest report that says what it runs. The newest first.
    Blocks while it reads.

    Afterwards `devices` is how many there were, `since` the time of the oldest report that counted, and `cut` tells
    whether a limit ended it before the spool did.
    """

    def __init__(
        self,
        directory: Path,
        app: AppId,
        *,
        device: str | None = None,
        devices_limit: int = DEVICES_LIMIT,
        read_limit_bytes: int = READ_LIMIT_BYTES,
    ) -> None:
        self.devices = 0
        self.since: float | None = None
        self.cut = False
        self._directory = directory
        self._app = app
        self._device = device
        self._devices_limit = devices_limit
        self._left_bytes = read_limit_bytes

    def __iter__(self) -> Iterator[Known]:
        seen: set[DeviceId] = set()
        for received_ms, event in self._newest_first():
            if event.device in seen:
                continue
            check = check_of(event)
            if check is None:
                continue
            if len(seen) >= self._devices_limit:
                self.cut = True
                return
            seen.add(event.device)
            self.devices, self.since = len(seen), received_ms / 1000
            yield Known(check, received_ms / 1000)

    def _newest_first(self) -> Iterator[tuple[int, Event]]:
        """Every event of the app. A segment is opened when the others have come down to the time of its last record."""
        opened: list[tuple[int, int, Event, Iterator[tuple[int, Event]]]] = []

        def take(place: int, events: Iterator[tuple[int, Event]]) -> None:
            for received_ms, event in events:
                heapq.heappush(opened, (-received_ms, place, event, events))
                return

        for place, (written_ms, path) in enumerate(_by_time(self._directory)):
            while opened and -opened[0][0] > written_ms + CLOCK_MS:
                at, before, event, events = heapq.heappop(opened)
                yield -at, event
                take(before, events)
            if self.cut:  # to find a file's last frame is a walk through all of it
                break
            take(place, self._events(path))
        while opened:
            at, before, event, events = heapq.heappop(opened)
            yield -at, event
            take(before, events)

    def _events(self, path: Path) -> Iterator[tuple[int, Event]]:
        """Those of one segment, the latest first, while the limit of bytes lasts."""
        mark = (self._device or self._app).encode()  # most records are others', and need not be parsed
        # Sealed, so renamed, or deleted since the listing; or not for this release to read.
        with suppress(FileNotFoundError, UnreadableSegment), path.open("rb") as file:
            read_header(file)
            for records in read_frames_backwards(file):
                self._left_bytes -= sum(map(len, records))
                if self._left_bytes < 0:
                    self.cut = True
                    return
                for record in records:
                    found = parse_event(record) if mark in record else None
                    if found and self._is_wanted(found[1]):
                        yield found

    def _is_wanted(self, event: Event) -> bool:
        right = event.app == self._app and self._device in (None, event.device)
        return right and event.action in OF_RUNNING


def check_of(event: Event) -> UpdateCheck | None:
    """What the device would ask now; None where the report does not say enough to ask anything."""
    platform, native = _PLATFORMS.get(event.platform), coerce_native(event.native)
    if platform is None or native is None:
        return None
    try:
        plugin = plugin_of(platform, event.plugin)
    except Invalid:
        return None
    runs = BUILTIN if event.action == "reset" else bundle_of(event.version)
    return UpdateCheck(
        app=event.app,
        device=event.device,
        platform=platform,
        version_name=event.native if runs in ("", BUILTIN) else runs,
        version_build=event.native,
        native=native,
        plugin=plugin,
        is_prod=event.is_prod,
        is_emulator=event.is_emulator,
        default_channel=event.default_channel,
        custom_id=event.custom_id,
        key_id=event.key_id,
        version_os=event.os,
        install_source=event.install_source,
    )


def _by_time(directory: Path) -> list[tuple[int, Path]]:
    """Segments with when they were last written, in epoch milliseconds, the newest first."""
    found: list[tuple[int, Path]] = []
    for path in list_segments(directory):
        with suppress(FileNotFoundError):
            found.append((int(path.stat().st_mtime * 1000), path))
    return sorted(found, reverse=True)
