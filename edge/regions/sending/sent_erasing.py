"""Erases devices from what a region keeps of reports, as home asks: segment by segment, each once home has it whole.

What is on its way home is erased there, and here when it has arrived. Blocks.
"""

from collections.abc import Container, Sequence
from contextlib import suppress
from pathlib import Path

from edge.regions.sending.sent_words import ErasureWanted
from edge.telemetry.spool.segment import UnreadableSegment, list_segments
from edge.telemetry.upkeep.erased_lines import erased_device
from edge.telemetry.upkeep.erasing import began_ms, erase_from_segment


class SentErasing:
    """Remembers what was erased from which segment. For one thread at a time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seen: dict[ErasureWanted, set[str]] = {}

    def erase(self, wanted: Sequence[ErasureWanted], whole: Container[str]) -> bool:
        """Go on with all that is wanted; `whole` are the segments that home has. Returns whether nothing of them is
        left here. Raises OSError."""
        self._seen = {each: self._seen.get(each, set()) for each in wanted}
        done = True
        for path in list_segments(self._directory) if wanted else ():
            due = [each for each in wanted if path.stem not in self._seen[each] and began_ms(path) <= each.until_ms]
            if not due:
                continue
            if path.stem not in whole:
                done = False
                continue
            devices = [erased_device(each.app, each.device, each.until_ms) for each in due]
            with suppress(FileNotFoundError, UnreadableSegment):  # deleted since; or nobody can read it, nor send it
                erase_from_segment(path, devices)
            for each in due:
                self._seen[each].add(path.stem)
        return done
