"""What only one process of a node does at any moment: begun when the node is its own, ended before another has it.

No fault of such a job ends the node, or another job.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

JOB_PAUSE_SECONDS = 10.0  # after a fault: one that stays writes six tracebacks a minute

Duty = Callable[[], Coroutine[Any, Any, None]]  # runs until it is cancelled

log = logging.getLogger("edge.node")


class JobGuard:
    """Keeps jobs going. `failures` counts their faults, by job."""

    def __init__(self, pause_seconds: float = JOB_PAUSE_SECONDS) -> None:
        self.failures = Counter[str]()
        self._pause_seconds = pause_seconds

    async def keep(self, name: str, job: Duty) -> None:
        """Do the job until it returns or is cancelled. What else it raises is logged and counted; after a pause, the
        job begins again."""
        while True:
            try:
                return await job()
            except Exception:
                self.failures[name] += 1
                again = "the node serves on, and begins it again in %s s; this is a bug, please report it"
                log.exception(f"the job {name!r} of this node failed: {again}", self._pause_seconds)
            await asyncio.sleep(self._pause_seconds)


class NodeDuties:
    """Add to `jobs` before `run`."""

    def __init__(self, guard: JobGuard | None = None, /, **jobs: Duty) -> None:
        self.jobs = jobs
        self._guard = guard or JobGuard()
        self._begun = asyncio.Event()
        self._ended = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self) -> None:
        """Until cancelled: do the jobs between `begin` and `end`."""
        while True:
            await self._begun.wait()
            self._idle.clear()
            try:
                await self._do()
            finally:
                self._idle.set()

    def begin(self) -> None:
        self._ended.clear()
        self._begun.set()

    async def end(self) -> None:
        """Returns when no job runs any more."""
        self._begun.clear()
        self._ended.set()
        await self._idle.wait()

    async def _do(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(self._guard.keep(name, job)) for name, job in self.jobs.items()]
            await self._ended.wait()
            for each in running:
                each.cancel()


async def to_the_end(work: Callable[[], T]) -> T:
    """Run `work` in a thread. A cancelled caller waits for it all the same: the thread cannot be stopped, and what
    follows may rely on its end."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        raise
