"""Large bodies: how much of them one address may send, how much a worker holds, and where they are read.

A body is charged before it is received. Reading it takes the interpreter for milliseconds, so that is done on threads,
a few at a time, which let the loop in between two steps.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import ParamSpec, TypeVar

from edge.domain.errors import Unavailable
from edge.domain.prefixes import wide_prefix_of
from edge.node.service.limits.event_limits import WIDE_SHARE, Buckets

# A report of 8 KiB may have 600 events that are refused, and takes the loop 3 ms; most reports have less than 2 KiB.
ON_LOOP_BYTES = 8 << 10
WHATEVER_SIZE = ON_LOOP_BYTES + 1  # of a body that is never read on the loop
LARGE_BYTES = 64 << 10  # charged from here on: no check is larger, and few reports are
READERS = 2  # threads of a worker; more would only wait for the interpreter, and the loop for them
WAITING_LIMIT = 200  # bodies that wait for a reader, which takes 100 ms at worst: beyond it a peer has given up
# Of large bodies per address prefix, and 300 seconds' worth (75 MiB) at once: devices behind one carrier's address that
# queued 200 events each while they were offline.
PREFIX_RATE_KIB = 256
PREFIXES_LIMIT = 16_384  # buckets that are kept, about 250 bytes each
HELD_LIMIT_BYTES = 64 << 20  # of large bodies in one worker's memory, received or on their way
WIDE_HELD_LIMIT_BYTES = HELD_LIMIT_BYTES // 4  # of one wide prefix: bodies that come slowly must not keep others out

RETRY_AFTER_SECONDS = 60  # devices keep a report that is refused so, and send it again (PROTOCOL.md §4.1)

P = ParamSpec("P")
T = TypeVar("T")


class BodyRefused(Unavailable):
    """The body is over a limit for now; the same one may be taken later."""


class LargeBodies:
    """Of one worker; refusals are counted in `counts`."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="bodies")
        self._prefixes = Buckets(PREFIX_RATE_KIB, PREFIXES_LIMIT)
        self._wide = Buckets(PREFIX_RATE_KIB * WIDE_SHARE, PREFIXES_LIMIT)
        self._waiting = 0
        self.held_bytes = 0
        self._held_by: Counter[str] = Counter()  # by wide prefix

    @contextmanager
    def lease(self, prefix: str, now: float) -> Iterator["Lease"]:
        """For one request of `Peer.prefix`; what it takes is held until the block ends. `now` in monotonic seconds."""
        lease = Lease(self, prefix, now)
        try:
            yield lease
        finally:
            self._release(prefix, lease.held_bytes)

    def charge(self, prefix: str, size_bytes: int, now: float) -> None:
        """Raises BodyRefused."""
        kib, wide = size_bytes >> 10, wide_prefix_of(prefix)
        fits = (
            self.held_bytes + size_bytes <= HELD_LIMIT_BYTES
            and self._held_by[wide] + size_bytes <= WIDE_HELD_LIMIT_BYTES
        )
        if not (fits and self._prefixes.take(prefix, kib, now) and self._wide.take(wide, kib, now)):
            raise self._refused()
        self.held_bytes += size_bytes
        self._held_by[wide] += size_bytes

    def _release(self, prefix: str, size_bytes: int) -> None:
        wide = wide_prefix_of(prefix)
        self.held_bytes -= size_bytes
        self._held_by[wide] -= size_bytes
        if not self._held_by[wide]:
            del self._held_by[wide]

    async def run(self, size_bytes: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of `work`, which takes a time that depends on `size_bytes`. Raises BodyRefused."""
        if size_bytes <= ON_LOOP_BYTES:
            return work(*args, **kwargs)
        if self._waiting >= WAITING_LIMIT:
            raise self._refused()
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *args, **kwargs))
        finally:
            self._waiting -= 1

    def _refused(self) -> BodyRefused:
        self._counts["large_bodies_refused"] += 1
        return BodyRefused("too_many_large_bodies", "the node takes no further large body now")

    def close(self) -> None:
        """End the threads, without waiting for what they do."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class Lease:
    """What one request holds of large bodies."""

    __slots__ = ("_bodies", "_now", "_prefix", "held_bytes")

    def __init__(self, bodies: LargeBodies, prefix: str, now: float) -> None:
        self._bodies, self._prefix, self._now = bodies, prefix, now
        self.held_bytes = 0

    def take(self, size_bytes: int) -> None:
        """Charge a body of that size, once, before it has arrived. Raises BodyRefused."""
        if size_bytes > LARGE_BYTES and not self.held_bytes:
            self._bodies.charge(self._prefix, size_bytes, self._now)
            self.held_bytes = size_bytes
