"""An app's events in the spool, newest first across all segments, up to a number of bytes.

Others, of other apps or of devices that are not wanted, are passed over, which is quick, and have a limit of their own:
a flood of them, forged or not, hides what is wanted only beyond it.
"""

import heapq
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from edge.domain.model import AppId
from edge.telemetry.spool.kept_segment import open_segment
from edge.telemetry.spool.record import parse_events
from edge.telemetry.spool.segment import KEPT, UnreadableSegment, list_segments, read_frames_backwards, read_header
from edge.wire.stats import Event

READ_LIMIT_BYTES = 256 << 20  # of events that are wanted, newest first: two seconds of one core
PASSED_LIMIT_BYTES = 1 << 30  # of others: likewise
CLOCK_MS = 1_000  # a file's and a record's times come from two clocks of one machine


class RecentEvents:
    """Iterate once: the time of each event, in epoch milliseconds, and the event; with `device` only that device's.
    Blocks while it reads. Afterwards `cut` states whether the limit was reached before the end of the spool.
    """

    def __init__(
        self,
        directory: Path,
        app: AppId,
        *,
        device: str | None = None,
        read_limit_bytes: int = READ_LIMIT_BYTES,
        passed_limit_bytes: int = PASSED_LIMIT_BYTES,
    ) -> None:
        self.cut = False
        self._directory = directory
        self._app = app
        self._device = device
        self._left_bytes = read_limit_bytes
        self._left_to_pass_bytes = passed_limit_bytes

    def __iter__(self) -> Iterator[tuple[int, Event]]:
        """A segment is opened when those already open have reached the time of its last record."""
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
            if self.cut:  # finding a file's last frame means walking through all of it
                break
            take(place, self._events(path))
        while opened:
            at, before, event, events = heapq.heappop(opened)
            yield -at, event
            take(before, events)

    def _events(self, path: Path) -> Iterator[tuple[int, Event]]:
        """Those of one segment, latest first, up to the limit of bytes."""
        # Most records lack these and need not be parsed. Devices may write their ids in capitals.
        mark = (self._device or self._app).encode()
        other = self._device.upper().encode() if self._device else mark
        # Deleted since the listing, or in a format that this release cannot read.
        with suppress(FileNotFoundError, UnreadableSegment), open_segment(path) as file:
            read_header(file)
            for records in read_frames_backwards(file):
                ours = [record for record in records if mark in record or other in record]
                ours_bytes = sum(map(len, ours))
                self._left_bytes -= ours_bytes
                self._left_to_pass_bytes -= sum(map(len, records)) - ours_bytes
                if self._left_bytes < 0 or self._left_to_pass_bytes < 0:
                    self.cut = True
                    return
                for received_ms, event in (found for record in ours for found in reversed(parse_events(record))):
                    if event.app == self._app and self._device in (None, event.device):
                        yield received_ms, event


def _by_time(directory: Path) -> list[tuple[int, Path]]:
    """Segments and the times of their last writes, in epoch milliseconds, newest first."""
    found: list[tuple[int, Path]] = []
    for path in list_segments(directory):
        for form in (path, path.with_suffix(KEPT)):  # it may have been compressed since the listing
            with suppress(FileNotFoundError):
                found.append((int(form.stat().st_mtime * 1000), form))
                break
    return sorted(found, reverse=True)
