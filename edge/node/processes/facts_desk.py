"""Where changes of device facts go: to this process's writer, to another's, or, while that moves, nowhere yet.

One process of a data directory writes facts. It holds the directory's lock, which a successor inherits as an open file:
there is no moment at which a third process could take it, and who survives the other still has it.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from edge.domain.errors import Unavailable
from edge.facts.changes import Recordable, Withheld
from edge.facts.pages import TABLE_NAME
from edge.facts.recovery import lock_facts
from edge.facts.sharing.journal import SharedJournal
from edge.facts.writer import QUEUE_LIMIT_CHANGES, FactsCondition, FactsWriter, OpenShared
from edge.store.disk.durable_files import DIRECTORY_MODE

MOVING_SECONDS = 4.0  # that a change waits while the writer moves: shorter than a worker waits for its answer
COMPACT_SECONDS = 10.0  # for the table to reach the disk, so that the next writer has nothing to replay

UNKNOWN_CONDITION = FactsCondition(0, 0, {}, 0, 0)  # of a writer in another process

Recorder = Callable[[list[Recordable]], Awaitable[list[Withheld]]]


class FactsMoving(Unavailable):
    """The writer of device facts is moving to another process, and takes too long."""


class FactsDesk:
    """For one event loop. Made without a writer: `open` or `send_to` comes before changes are recorded."""

    def __init__(
        self,
        directory: Path,
        clock: Callable[[], float] = time.time,
        *,
        inherited_lock: int | None = None,
        moving_seconds: float = MOVING_SECONDS,
        waiting_limit: int = QUEUE_LIMIT_CHANGES,
        open_shared: OpenShared | None = None,
    ) -> None:
        """`inherited_lock` is the predecessor's descriptor; at most `waiting_limit` changes wait while the writer
        moves; `open_shared` as for `FactsWriter`. Raises FactsInUse, OSError."""
        directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        self.lock = lock_facts(directory) if inherited_lock is None else inherited_lock
        self._directory = directory
        self._clock = clock
        self._open_shared = open_shared
        self._writer: FactsWriter | None = None
        self._recorder: Recorder | None = None
        self._known = asyncio.Event()  # where changes go
        self._waiting = 0
        self._moving_seconds, self._waiting_limit = moving_seconds, waiting_limit

    @property
    def condition(self) -> FactsCondition:
        """Of this process's writer, without reading the disk."""
        return self._writer.condition if self._writer else UNKNOWN_CONDITION

    @property
    def is_open(self) -> bool:
        """Whether this process writes the facts."""
        return self._writer is not None

    @property
    def shared(self) -> SharedJournal | None:
        """What this process keeps for other nodes; None where it writes no facts."""
        return self._writer.shared if self._writer is not None else None

    @property
    def table_path(self) -> Path:
        """Of the table that every process of the node reads."""
        return self._directory / TABLE_NAME

    def open(self) -> None:
        """Write the facts here from now on. Blocks while it recovers. Raises NewerFacts, OSError."""
        self._writer = FactsWriter(
            self._directory, clock=self._clock, lock=os.dup(self.lock), open_shared=self._open_shared
        )
        self._recorder = self._writer.record

    def begin(self) -> None:
        """On the loop, after `open`: let changes go to the writer."""
        self._known.set()

    def send_to(self, recorder: Recorder) -> None:
        """Have another process write the facts from now on."""
        self._recorder = recorder
        self._known.set()

    def pause(self) -> None:
        """Have changes wait until it is known where they go."""
        self._known.clear()
        self._recorder = None

    async def release(self) -> None:
        """Store what waits, and write no longer; the lock stays. Changes wait until it is known where they go."""
        writer = self._writer
        if writer is None:
            return
        with suppress(Unavailable, TimeoutError):  # the next writer then replays the log
            async with asyncio.timeout(COMPACT_SECONDS):
                await writer.compact()
        self.pause()
        self._writer = None
        await writer.close()

    async def record(self, changes: list[Recordable]) -> list[Withheld]:
        """Returns when the changes are durable and every worker sees them, with what is withheld as a result. Raises
        Unavailable."""
        if not self._known.is_set():
            await self._wait(len(changes))
        recorder = self._recorder
        if recorder is None:
            raise _moving()
        return await recorder(changes)

    async def lift_all(self, app: str, version: str, since: float, *, dry_run: bool) -> int:
        """See `FactsWriter.lift_all`. Raises Unavailable too where another process writes: a moment later, that is the
        one that is asked."""
        if self._writer is None:
            raise _moving()
        return await self._writer.lift_all(app, version, since, dry_run=dry_run)

    async def _wait(self, changes: int) -> None:
        if self._waiting + changes > self._waiting_limit:
            raise _moving()
        self._waiting += changes
        try:
            async with asyncio.timeout(self._moving_seconds):
                await self._known.wait()
        except TimeoutError as error:
            raise _moving() from error
        finally:
            self._waiting -= changes

    async def close(self) -> None:
        """Store what waits, and free the lock. What another process writes still goes there."""
        if self._writer is not None:
            await self._writer.close()
            self._writer = None
        lock, self.lock = self.lock, -1
        if lock >= 0:
            os.close(lock)


def _moving() -> FactsMoving:
    return FactsMoving("facts_moving", "the writer of device facts is moving to another process")
