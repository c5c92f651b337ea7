"""Says in the log when the data directory's disk becomes full or read-only, with what still works, and when there is
room again."""

import asyncio
import logging
from pathlib import Path

from edge.domain.schedule.durations import rough_size
from edge.store.disk.room import Reserve, free_bytes
from edge.telemetry.spool.disk_budget import SPARE_BYTES

LOOK_SECONDS = 5.0  # between two looks, of two system calls each
ROOM_BYTES = 2 * SPARE_BYTES  # room again: what is free beside the events varies by some of them all the time

log = logging.getLogger("edge.node")


class WatchingRoom:
    """For one node: the room of `directory`, and whether `reserve` could be kept."""

    def __init__(self, directory: Path, reserve: Reserve) -> None:
        self._directory = directory
        self._reserve = reserve
        self._short = False

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            free, whole = await asyncio.to_thread(lambda: (free_bytes(self._directory), self._reserve.whole))
            self.note(free, reserve_whole=whole)
            await asyncio.sleep(LOOK_SECONDS)

    def note(self, free: int, *, reserve_whole: bool) -> None:
        """One line at each change."""
        if not self._short and is_short(free, reserve_whole=reserve_whole):
            self._short = True
            log.error(
                "the disk of %s is full or read-only (%s free): checks, downloads, pausing, rolling back, "
                "withdrawing, killing features, cancelling messages and revoking go on; uploads, other changes and "
                "reports are refused; free some space there",
                *(self._directory, rough_size(free)),
            )
        elif self._short and free >= ROOM_BYTES and reserve_whole:
            self._short = False
            log.warning(
                "the disk of %s has room again (%s free): nothing is refused", self._directory, rough_size(free)
            )


def is_short(free: int, *, reserve_whole: bool) -> bool:
    """Whether something is refused for lack of room, or would be."""
    return free < SPARE_BYTES or not reserve_whole
