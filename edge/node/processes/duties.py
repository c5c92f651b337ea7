"""What only one process of a node does at any moment: begun when the node is its own, ended before another has it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

Duty = Callable[[], Coroutine[Any, Any, None]]  # runs until it is cancelled


class NodeDuties:
    """Add to `jobs` before `run`."""

    def __init__(self, *jobs: Duty) -> None:
        self.jobs = list(jobs)
        self._begun = asyncio.Event()
        self._ended = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    async def run(self) -> None:
        """Until cancelled: do the jobs between `begin` and `end`. Raises what a job raises."""
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
            running = [tasks.create_task(job()) for job in self.jobs]
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
