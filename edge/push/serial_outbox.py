"""The outbox's file, used by coroutines: in one thread of its own, one call after the other."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from edge.domain.errors import Unavailable
from edge.push.outbox_file import PushOutboxFile

T = TypeVar("T")


class SerialOutbox:
    """`file` is for the thread alone."""

    def __init__(self, file: PushOutboxFile, thread: Executor) -> None:
        self.file = file
        self._thread = thread

    async def do(self, work: Callable[[PushOutboxFile], T]) -> T:
        """The result of `work`, in the thread. A caller that is cancelled leaves it to finish. Raises Unavailable
        `outbox_unusable`: a full disk, say; nothing is changed then."""
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, self._work, work))

    def _work(self, work: Callable[[PushOutboxFile], T]) -> T:
        try:
            return work(self.file)
        except sqlite3.OperationalError as error:
            raise Unavailable("outbox_unusable", f"the outbox of messages cannot be used: {error}") from error
