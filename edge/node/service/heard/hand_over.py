"""Hands what a worker counted over to its spool, every few seconds and when it leaves.

Lines have a stream, one run of this worker, and a sequence that rises by one from line to line. Who counts them skips
what is not above the last one it has of a stream. So lines go in order, and the next ones are made only once all before
are stored: one that cannot be stored is sent again, and what is counted meanwhile waits in its fixed memory.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterable, Iterator
from itertools import count
from typing import Any, NamedTuple, TypeVar

import msgspec

from edge.domain.errors import Unavailable
from edge.node.service.heard.check_notes import CheckNotes, TakenChecks
from edge.node.service.heard.delivery_counts import DeliveryCounts, TakenDelivery, by_bundle
from edge.node.service.heard.told_devices import NotedChecks, noted_of
from edge.telemetry.spool.spool import Spool
from edge.telemetry.spool.worker_records import (
    HANDED_OVER_MS,
    KEY_BYTES,
    Delivered,
    DeliveredCount,
    HeardChecks,
    HeardCount,
    encode_delivered,
    encode_heard,
    heard_count,
)

HAND_OVER_SECONDS = HANDED_OVER_MS / 1000  # a worker that is killed loses what it counted since
LINE_LIMIT_BYTES = 512 * 1024  # of the counts in a line: half of what a record may have
DEVICES_OF_COUNT = 16_384  # more of them are several counts, of 175 kB each
APPEND_LIMIT_BYTES = 4 << 20  # at once; the spool's queue is shared with reports

_Count = TypeVar("_Count", HeardCount, DeliveredCount)
_encoder = msgspec.json.Encoder()


class TakenCounts(NamedTuple):
    """What is to be handed over, at `now` in seconds since the epoch."""

    now: float
    checks: list[TakenChecks]
    deliveries: list[TakenDelivery]


class HandOver:
    """One worker's. `counts` has `heard_lines`, and `heard_lines_not_stored`: refusals, after which they go again."""

    def __init__(
        self,
        checks: CheckNotes,
        deliveries: DeliveryCounts,
        spool: Spool,
        counts: Counter[str],
        *,
        worker: str,
        now: Callable[[], float],
    ) -> None:
        """`worker` is "<node>-<number>"; `now` in seconds since the epoch."""
        self._checks, self._deliveries = checks, deliveries
        self._spool, self._counts, self._now = spool, counts, now
        self._stream = f"{worker}-{int(now() * 1000)}"
        self._sequence = count(1)
        self._lines: list[bytes] = []  # not stored yet
        self._one = asyncio.Lock()
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled; what is then on its way goes on, for `finish`."""
        while True:
            await asyncio.sleep(HAND_OVER_SECONDS)
            await asyncio.shield(self._start(self.hand_over()))

    def begin(self, told: Callable[[], None]) -> None:
        """Hand over what was counted until now; `told` is called once it is stored, or refused."""

        async def hand_over() -> None:
            await self.finish()
            told()

        self._start(hand_over())

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def finish(self) -> None:
        """Everything that was counted until now goes, also where lines of before are in the way."""
        behind = bool(self._lines)
        await self.hand_over()
        if behind:
            await self.hand_over()

    async def hand_over(self) -> None:
        """Once what is on its way is done. Returns when the lines are stored, or refused."""
        async with self._one:
            if not self._lines:
                now = self._now()
                taken = TakenCounts(now, self._checks.take(now), self._deliveries.take())
                if taken.checks or taken.deliveries:
                    self._lines = await asyncio.to_thread(lambda: list(lines_of(taken, self._stream, self._sequence)))
            while self._lines:
                part = _first_of(self._lines)
                try:
                    await self._spool.append(part)
                except Unavailable:
                    self._counts["heard_lines_not_stored"] += len(part)
                    return
                self._counts["heard_lines"] += len(part)
                del self._lines[: len(part)]


def lines_of(taken: TakenCounts, stream: str, sequence: Iterator[int]) -> Iterator[bytes]:
    """One app after the other, each in lines below the limit."""
    heard: dict[tuple[float, str], list[HeardCount]] = defaultdict(list)
    for each in (each for checks in taken.checks for each in noted_of(checks)):
        heard[each.at, each.labels.app].extend(_counts_of(each))
    for (at, app), counts in heard.items():
        for part in _parts_of(counts):
            yield encode_heard(HeardChecks(stream, next(sequence), app, part), at)
    for app, delivered in by_bundle(taken.deliveries).items():
        for some in _parts_of(delivered):
            yield encode_delivered(Delivered(stream, next(sequence), app, some), taken.now)


def _counts_of(noted: NotedChecks) -> Iterator[HeardCount]:
    """With so many devices in one that it fits into a line."""
    labels, size = noted.labels, DEVICES_OF_COUNT * KEY_BYTES
    cohort = labels.cohort(noted.segments)
    for at in range(0, len(noted.devices) or 1, size):
        devices = noted.devices[at : at + size]
        yield heard_count(cohort, labels.runs, labels.code, labels.offered, 0 if at else noted.n, devices)


def _parts_of(counts: Iterable[_Count]) -> Iterator[list[_Count]]:
    """Of at most the limit of a line each."""
    part: list[_Count] = []
    size_bytes = 0
    for each in counts:
        own_bytes = len(_encoder.encode(each)) + 1
        if part and size_bytes + own_bytes > LINE_LIMIT_BYTES:
            yield part
            part, size_bytes = [], 0
        part.append(each)
        size_bytes += own_bytes
    if part:
        yield part


def _first_of(lines: list[bytes]) -> list[bytes]:
    """Those that go into one append; at least one."""
    size_bytes = 0
    for place, line in enumerate(lines):
        size_bytes += len(line)
        if place and size_bytes > APPEND_LIMIT_BYTES:
            return lines[:place]
    return lines[:]
