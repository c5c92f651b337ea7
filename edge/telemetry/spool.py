"""The spool: events are on disk before a device hears 200.

`append` returns only after its records are written and synced. One thread per spool does both, never the loop's; every
append that waits meanwhile shares the next sync (group commit). The queue is bounded by records and by bytes; beyond it
the caller gets `SpoolFull`, and nothing that was acknowledged is ever lost. A failed write fails the appends of that
group alone: the next group tries anew. The records are opaque lines; what is in them is the folder's matter.
"""

import asyncio
import contextlib
import os
import queue
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from edge.domain.errors import Unavailable
from edge.telemetry.disk_budget import NoRoom, Room
from edge.telemetry.segment import SegmentWriter, Sync

RECORD_LIMIT_BYTES = 1 << 20  # an event with all its metadata, every character escaped, stays below 400 kB
QUEUE_LIMIT_RECORDS = 50_000  # some seconds of a full node: a disk that is slower than that is not coming back soon
QUEUE_LIMIT_BYTES = 32 << 20  # memory of one worker; also the largest single append
GROUP_LIMIT_BYTES = 4 << 20  # a group is closed beyond it: 4 MiB are written in the time that a sync takes
IDLE_CHECK_SECONDS = 60.0  # how late a quiet spool may notice that its segment is old

_NODE = re.compile(r"[A-Za-z0-9_]{1,64}")  # part of a file name that is split at hyphens


class SpoolFull(Unavailable):
    """More waits for the disk than the limits allow. The device keeps its events and comes again."""


class SpoolClosed(Unavailable):
    """The node is shutting down."""


class SpoolFailed(Unavailable):
    """The disk refused (`__cause__` says how). None of the append's records are stored."""


class _Append(NamedTuple):
    records: list[bytes]
    size_bytes: int
    done: asyncio.Future[None]


class Spool:
    """One worker's way to disk, for one event loop. `acknowledged`, `refused` and `failed` count records."""

    def __init__(
        self,
        directory: Path,
        node: str,
        worker: int,
        *,
        clock: Callable[[], float] = time.time,
        sync: Sync = os.fdatasync,
        room: Room | None = None,
    ) -> None:
        """Makes the directory; opens no segment before the first record. `clock` is in epoch seconds."""
        if not _NODE.fullmatch(node):
            raise ValueError(f"node id {node!r} cannot be part of a segment's name")
        directory.mkdir(parents=True, exist_ok=True)
        self.acknowledged = self.refused = self.failed = 0
        self._directory, self._node, self._worker = directory, node, worker
        self._clock, self._sync = clock, sync
        self._room = room or Room(directory)
        self._segment: SegmentWriter | None = None  # the thread's own
        self._queue: queue.SimpleQueue[_Append | None] = queue.SimpleQueue()
        self._waiting_records = self._waiting_bytes = 0  # changed on the loop alone
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"spool-{node}-{worker}", daemon=True)
        self._thread.start()

    async def append(self, records: list[bytes]) -> None:
        """All records durable, or an error and none of them. A cancelled append may still be stored.

        Raises SpoolFull, SpoolClosed, SpoolFailed, NoRoom (each a 503); ValueError for a record that is empty, holds a
        newline, or is above RECORD_LIMIT_BYTES: the caller made it.
        """
        if records:
            await self.put(records)

    def put(self, records: list[bytes]) -> asyncio.Future[None]:
        """As `append`, for whoever does not wait: refuses at once; the future is done when the records are durable."""
        size_bytes = _size_bytes(records)
        self._admit(len(records), size_bytes)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put(_Append(records, size_bytes, done))
        return done

    async def close(self) -> None:
        """Store what waits, seal the segment, end the thread. Appends from now on are refused."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _admit(self, count: int, size_bytes: int) -> None:
        if self._closed:
            self.refused += count
            raise SpoolClosed("spool_closed", "the node is shutting down")
        full = self._waiting_records + count > QUEUE_LIMIT_RECORDS
        if full or self._waiting_bytes + size_bytes > QUEUE_LIMIT_BYTES:
            self.refused += count
            waiting = f"{self._waiting_records} records, {self._waiting_bytes} bytes"
            raise SpoolFull("spool_full", f"too many events wait for the disk: {waiting}")
        self._waiting_records += count
        self._waiting_bytes += size_bytes

    def _settle(self, group: list[_Append], error: Exception | None) -> None:
        """On the loop: free the group's place in the queue and wake its appends."""
        count = sum(len(append.records) for append in group)
        self._waiting_records -= count
        self._waiting_bytes -= sum(append.size_bytes for append in group)
        if error is None:
            self.acknowledged += count
        else:
            self.failed += count
        for append in group:
            if append.done.done():  # its client left; the records are stored all the same
                continue
            if error is None:
                append.done.set_result(None)
            else:
                append.done.set_exception(_failure(error))

    def _run(self) -> None:
        """The thread: groups in, one sync each, until closed and drained."""
        more = True
        while more:
            group, more = self._next_group()
            if group:
                error = self._commit(group)
                with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                    group[0].done.get_loop().call_soon_threadsafe(self._settle, group, error)
            elif more:
                self._seal_if_due()
        if self._segment is not None:
            self._segment.seal()

    def _next_group(self) -> tuple[list[_Append], bool]:
        """Everything that waits now, up to a group's limit; and whether more can follow."""
        group: list[_Append] = []
        size_bytes = 0
        with contextlib.suppress(queue.Empty):
            append = self._queue.get(timeout=IDLE_CHECK_SECONDS)
            while append is not None:
                group.append(append)
                size_bytes += append.size_bytes
                if size_bytes >= GROUP_LIMIT_BYTES:
                    return group, True
                append = self._queue.get_nowait()
            return group, False
        return group, True

    def _commit(self, group: list[_Append]) -> Exception | None:
        records = [record for append in group for record in append.records]
        try:
            self._seal_if_due()
            self._room.take(sum(append.size_bytes for append in group), self._clock())
            if self._segment is None or self._segment.closed:
                self._segment = SegmentWriter(
                    self._directory, self._node, self._worker, now=self._clock(), sync=self._sync
                )
            self._segment.append(records)
        except Exception as error:  # the thread's boundary: whatever it is, it belongs to those who wait
            return error
        return None

    def _seal_if_due(self) -> None:
        if self._segment is not None and not self._segment.closed and self._segment.is_due(self._clock()):
            self._segment.seal()


def _size_bytes(records: list[bytes]) -> int:
    for record in records:
        if not 0 < len(record) <= RECORD_LIMIT_BYTES or b"\n" in record:
            raise ValueError(f"not a record: {record[:80]!r}, {len(record)} bytes")
    return sum(map(len, records)) + len(records)


def _failure(error: Exception) -> Exception:
    """A new exception for each waiter: a shared one would gather every waiter's traceback."""
    if isinstance(error, NoRoom):
        return NoRoom(error.code, error.message)
    if not isinstance(error, OSError):
        return error
    failed = SpoolFailed("spool_failed", f"events could not be stored: {error.strerror or error}")
    failed.__cause__ = error
    return failed
