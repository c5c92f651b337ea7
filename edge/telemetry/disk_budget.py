"""How much events may take on disk: the bytes of a spool's directory, whoever wrote them, against a limit.

Looked at seldom: between two looks only what this spool itself adds is counted, so several writers may pass the limit
together by what they write in that time. Blocks; for the thread that writes.
"""

from contextlib import suppress
from os import scandir
from pathlib import Path

from edge.domain.errors import Unavailable

LOOK_SECONDS = 1.0  # between two looks: one costs a system call for each segment, and there are some hundred
NO_LIMIT = 1 << 62


class NoRoom(Unavailable):
    """The directory is full of events that are not folded or not yet old. Devices keep theirs and come again."""


class DiskBudget:
    def __init__(self, directory: Path, limit_bytes: int = NO_LIMIT) -> None:
        self._directory = directory
        self._limit_bytes = limit_bytes
        self._held_bytes = 0
        self._looked: float | None = None

    def take(self, size_bytes: int, now: float) -> None:
        """Count so many more bytes. `now` in seconds. Raises NoRoom; then nothing is counted."""
        if self._looked is None or not 0 <= now - self._looked < LOOK_SECONDS:
            self._held_bytes = held_bytes(self._directory)
            self._looked = now
        if self._held_bytes + size_bytes > self._limit_bytes:
            raise NoRoom("no_room", f"events take {self._held_bytes} bytes of {self._limit_bytes}")
        self._held_bytes += size_bytes


def held_bytes(directory: Path) -> int:
    """Of all files in it; 0 for a directory that nobody has made yet."""
    total = 0
    with suppress(FileNotFoundError), scandir(directory) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # sealed, so renamed, or deleted meanwhile
                total += entry.stat(follow_symlinks=False).st_size
    return total
