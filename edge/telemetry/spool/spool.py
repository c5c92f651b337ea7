"""The spool: events are on disk before a device gets its 200.

`append` returns only after its records are written and synced, in groups (`store.disk.group_commit`). Nothing that was
acknowledged is ever lost. The records are opaque lines, of one event or of a report's: only the folder reads them.
"""

import asyncio
import os
import re
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from edge.domain.errors import Unavailable
from edge.store.disk.append_file import SyncFile
from edge.store.disk.group_commit import (
    IDLE_SECONDS,
    CommitLimits,
    GroupCommit,
    QueueClosed,
    QueueFull,
    Settled,
    settle,
)
from edge.telemetry.spool.disk_budget import DiskBudget, NoRoom
from edge.telemetry.spool.segment import SegmentWriter

RECORD_LIMIT_BYTES = 1 << 20  # an event with all its metadata, every character escaped, stays below 400 kB
QUEUE_LIMIT_EVENTS = 50_000  # some seconds of a full node: a slower disk will not catch up
QUEUE_LIMIT_BYTES = 32 << 20  # memory of one worker; also the largest single append
GROUP_LIMIT_BYTES = 4 << 20  # a group ends beyond it: 4 MiB are written in the time that a sync takes

_NODE = re.compile(r"[A-Za-z0-9_]{1,64}")  # part of a file name that is split at hyphens


def is_node_id(text: str) -> bool:
    """Whether it can name a node."""
    return _NODE.fullmatch(text) is not None


class SpoolFull(Unavailable):
    """More waits for the disk than the limits allow. The device keeps its events and retries."""


class SpoolClosed(Unavailable):
    """The node is shutting down."""


class SpoolFailed(Unavailable):
    """The disk failed (see `__cause__`). None of the append's records are stored."""


class Spool:
    """One worker's way to disk, for one event loop."""

    def __init__(
        self,
        directory: Path,
        node: str,
        worker: int,
        *,
        clock: Callable[[], float] = time.time,
        sync: SyncFile = os.fdatasync,
        budget: DiskBudget | None = None,
    ) -> None:
        """Makes the directory; opens no segment before the first record. `clock` is in epoch seconds."""
        if not is_node_id(node):
            raise ValueError(f"node id {node!r} cannot be part of a segment's name")
        directory.mkdir(parents=True, exist_ok=True)
        segments = _Segments(directory, node, worker, clock, sync, budget or DiskBudget(directory))
        limits = CommitLimits(QUEUE_LIMIT_EVENTS, QUEUE_LIMIT_BYTES, group_bytes=GROUP_LIMIT_BYTES)
        self._commits: GroupCommit[list[bytes]] = GroupCommit(
            segments, limits, name=f"spool-{node}-{worker}", translate=_failure
        )

    @property
    def acknowledged(self) -> int:
        """Events that are stored."""
        return self._commits.committed

    @property
    def refused(self) -> int:
        """Events that were not queued: the queue was full or closed."""
        return self._commits.refused

    @property
    def failed(self) -> int:
        """Events that could not be written."""
        return self._commits.failed

    async def append(self, records: list[bytes]) -> None:
        """All records durable, or an error and none of them. A cancelled append may still be stored.

        Raises SpoolFull, SpoolClosed, SpoolFailed, NoRoom (each a 503); ValueError for a record that is empty, holds a
        newline, or is above RECORD_LIMIT_BYTES: a bug of the caller.
        """
        if records:
            await self.put(records)

    def put(self, records: list[bytes]) -> asyncio.Future[None]:
        """As `append`, without waiting: refuses at once; the future is done when the records are durable."""
        _check(records)
        try:
            return self._commits.put(records, len(records), _size_bytes(records))
        except (QueueClosed, QueueFull) as error:
            raise _refusal(error) from error

    def hand_in(self, record: bytes, events: int, settled: Settled) -> None:
        """As `put`, for one record with that many events. `settled` is called once, on the loop and later, with None
        when it is durable, or with what the future would raise."""
        _check([record])
        try:
            self._commits.submit([record], events, len(record) + 1, settled)
        except (QueueClosed, QueueFull) as error:
            raise _refusal(error) from error

    async def keep(self, record: bytes, events: int) -> None:
        """As `append`, for one record with that many events."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.hand_in(record, events, partial(settle, done))
        await done

    async def close(self) -> None:
        """Store what waits, seal the segment, end the thread. Appends from now on are refused."""
        await self._commits.close()


class _Segments:
    """The spool's thread: one segment after the other."""

    def __init__(
        self, directory: Path, node: str, worker: int, clock: Callable[[], float], sync: SyncFile, budget: DiskBudget
    ) -> None:
        self._directory, self._node, self._worker = directory, node, worker
        self._clock, self._sync, self._budget = clock, sync, budget
        self._segment: SegmentWriter | None = None

    def commit(self, group: Sequence[list[bytes]]) -> None:
        """Raises NoRoom, OSError."""
        records = [record for some in group for record in some]
        self._seal_if_due()
        self._budget.take(_size_bytes(records), self._clock())
        if self._segment is None or self._segment.closed:
            self._segment = SegmentWriter(self._directory, self._node, self._worker, now=self._clock(), sync=self._sync)
        self._segment.append(records)

    def tend(self) -> float:
        self._seal_if_due()
        return IDLE_SECONDS

    def close(self) -> None:
        if self._segment is not None:
            self._segment.seal()

    def _seal_if_due(self) -> None:
        if self._segment is not None and not self._segment.closed and self._segment.is_due(self._clock()):
            self._segment.seal()


def _check(records: list[bytes]) -> None:
    for record in records:
        if not 0 < len(record) <= RECORD_LIMIT_BYTES or b"\n" in record:
            raise ValueError(f"not a record: {record[:80]!r}, {len(record)} bytes")


def _size_bytes(records: list[bytes]) -> int:
    """Newlines included."""
    return sum(map(len, records)) + len(records)


def _refusal(error: QueueClosed | QueueFull) -> Unavailable:
    if isinstance(error, QueueClosed):
        return SpoolClosed("spool_closed", "the node is shutting down")
    waiting = f"{error.items} events, {error.size_bytes} bytes"
    return SpoolFull("spool_full", f"too many events are waiting for the disk: {waiting}")


def _failure(error: Exception) -> Exception:
    if isinstance(error, NoRoom):
        return NoRoom(error.code, error.message)
    if not isinstance(error, OSError):
        return error
    failed = SpoolFailed("spool_failed", f"events could not be stored: {error.strerror or error}")
    failed.__cause__ = error
    return failed
