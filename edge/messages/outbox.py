"""The outbox of a node: a notice is on disk before `post` returns, and stays until its receivers have it or it is given
up. Its one user is the process that holds the node; the thread that writes is its own."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from edge.messages.notice import Notice, within_limits
from edge.messages.outbox_file import OutboxFile

T = TypeVar("T")
ReceiversOf = Callable[[Notice], Sequence[str]]  # who gets it now, by id; blocks

log = logging.getLogger("edge.messages")


class NoticeOutbox:
    """`posted` is set when there is something new; `given_up` counts, since the start, what found no room."""

    def __init__(self, path: Path, receivers_of: ReceiversOf, clock: Callable[[], float] = time.time) -> None:
        """`clock` is in seconds since the epoch."""
        self.posted = asyncio.Event()
        self.given_up = 0
        self._file = OutboxFile(path)
        self._receivers_of = receivers_of
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "outbox")

    async def post(self, notice: Notice) -> None:
        """Return once the notice is on disk, or known already by its id. Raises Unavailable `outbox_unavailable`: it is
        not kept, and may be posted again."""
        kept = within_limits(notice)

        def add(file: OutboxFile) -> int | None:
            return file.add(kept, self._receivers_of(kept), self._clock())

        lost = await self.with_file(add)
        if lost is None:
            return
        log.info("%s: %s", kept.kind.value, kept.title)
        if lost:
            log.error("the outbox is full or its notices are too old: %d deliveries are given up", lost)
            self.given_up += lost
        self.posted.set()

    async def with_file(self, work: Callable[[OutboxFile], T]) -> T:
        """The result of `work`, in the thread. A caller that is cancelled leaves it to finish. Raises Unavailable."""
        loop = asyncio.get_running_loop()
        return await asyncio.shield(loop.run_in_executor(self._thread, work, self._file))

    async def close(self) -> None:
        """After what was begun; the next call opens the file again."""
        await self.with_file(OutboxFile.close)
