"""Runs brotli for many files in a pool of processes that never outlives its owner.

Workers are spawned, not forked: a fork would copy locks that other threads hold. Each watches a pipe that only the
owner can write to, and exits the moment it closes: at the end, at Ctrl-C (which only the owner handles), at a kill -9.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from edge.bundles.packing.compress import Compressed, compress_file
from edge.bundles.packing.effort import Packing
from edge.domain.errors import Unavailable

POOL_WORTH_BYTES = 512 * 1024  # below, starting a process (0.2 s) costs as much as it saves
POOL_WORTH_QUALITY = 9  # below, brotli is quicker than most disks
PROCESS_LIMIT = 16  # of 50 MB each; beyond it the zip, made at the same time, takes longer


class Job(NamedTuple):
    """One file to compress."""

    name: str
    source: Path
    target: Path
    always: bool  # even if it saves nothing
    plain_bytes: int
    packing: Packing

    def run(self) -> Compressed | None:
        """See `compress_file`."""
        return compress_file(self.source, self.target, self.always, self.packing)


FinishJob = Callable[[], Compressed | None]  # waits for one job, or does it


@contextmanager
def compression(jobs: Sequence[Job], processes: int | None) -> Iterator[list[FinishJob]]:
    """One call for each job, in order, that waits for its result. Jobs start in order.

    `processes`: None for one per usable core. With one, or with little to do, the call itself does the job. Leaving the
    context by an exception stops all workers at once. A call raises Unavailable `compression_stopped` if the system
    killed a worker.
    """
    allowed = processes or _usable_cores()
    slow = [job.plain_bytes for job in jobs if job.packing.whole_quality >= POOL_WORTH_QUALITY]
    if allowed <= 1 or sum(slow) < POOL_WORTH_BYTES:
        yield [job.run for job in jobs]
        return
    count = min(len(jobs), PROCESS_LIMIT, allowed)  # one job too: the zip is made at the same time
    context = multiprocessing.get_context("spawn")
    watched, held = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(count, context, _leave_with_owner, (watched,))
    try:
        yield [_waiting(future) for future in _submit(pool, jobs)]
    except BaseException:
        held.close()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        held.close()
        watched.close()


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS


def _submit(pool: ProcessPoolExecutor, jobs: Sequence[Job]) -> "list[Future[Compressed | None]]":
    """Workers start here and inherit the mask: Ctrl-C in a terminal reaches them too, but only the owner handles it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return [pool.submit(job.run) for job in jobs]
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _waiting(future: "Future[Compressed | None]") -> FinishJob:
    def result() -> Compressed | None:
        try:
            return future.result()
        except BrokenProcessPool as error:
            raise Unavailable(
                "compression_stopped", "a compression process was killed; the machine may be out of memory"
            ) from error

    return result


def _leave_with_owner(watched: Connection) -> None:
    threading.Thread(target=_watch, args=(watched,), daemon=True).start()


def _watch(watched: Connection) -> None:
    watched.poll(None)  # nothing is ever sent: true only when the other end is closed
    os._exit(1)
