"""How much disk space events may take: the bytes in a spool's directory, from all writers, against a limit.

The directory is measured now and then; in between only this spool's own writes are counted, so several writers together
may exceed the limit by what they write in that time. Blocks: for the thread that writes.
"""

from contextlib import suppress
from os import scandir
from pathlib import Path

from edge.domain.errors import Unavailable
from edge.store.disk.room import free_bytes

LOOK_SECONDS = 1.0  # between two measurements: each costs a system call per segment, and there are some hundred
NO_LIMIT = 1 << 62
# Free on the disk beside what is written: events must not take the room that counting them needs, which frees theirs,
# nor what the reserve lends to an operator who stops something.
SPARE_BYTES = 4 << 20


class NoRoom(Unavailable):
    """The directory is full of events that are not folded or not yet expired, or the disk of anything. Devices keep
    theirs and retry."""


class DiskBudget:
    """For one writer."""

    def __init__(self, directory: Path, limit_bytes: int = NO_LIMIT) -> None:
        self.limit_bytes = limit_bytes
        self._directory = directory
        self._held_bytes = 0
        self._looked: float | None = None

    def take(self, size_bytes: int, now: float) -> None:
        """Count the bytes as written. `now` is in seconds since the epoch. Raises NoRoom `no_room` or `disk_full`: then
        they are not counted."""
        if self._looked is None or not 0 <= now - self._looked < LOOK_SECONDS:
            self._held_bytes = held_bytes(self._directory)
            self._looked = now
        if free_bytes(self._directory) < size_bytes + SPARE_BYTES:
            raise NoRoom("disk_full", f"the disk has no {size_bytes + SPARE_BYTES} bytes free")
        if self._held_bytes + size_bytes > self.limit_bytes:
            raise NoRoom("no_room", f"stored events take {self._held_bytes} of {self.limit_bytes} bytes")
        self._held_bytes += size_bytes


def held_bytes(directory: Path) -> int:
    """The bytes of all files in the directory; 0 if it does not exist."""
    total = 0
    with suppress(FileNotFoundError), scandir(directory) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # renamed (sealed) or deleted since
                total += entry.stat(follow_symlinks=False).st_size
    return total
