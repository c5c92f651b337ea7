"""Requests over a pipe, each with a number that its reply repeats."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

R = TypeVar("R")


class NumberedReplies(Generic[R]):
    """One end's requests that still wait. Numbers start at 1 and are never reused; 0 means that no reply is wanted."""

    def __init__(self) -> None:
        self._last_number = 0
        self._waiting: dict[int, asyncio.Future[R]] = {}

    async def request(self, send: Callable[[int], None], seconds: float) -> R:
        """Send a request with a new number and return its reply. Raises TimeoutError after `seconds`."""
        self._last_number += 1
        number = self._last_number
        reply: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting[number] = reply
        try:
            send(number)
            async with asyncio.timeout(seconds):
                return await reply
        finally:
            self._waiting.pop(number, None)

    def settle(self, number: int, reply: R) -> None:
        """Ignored if no request waits for this number any more."""
        waiting = self._waiting.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)

    def settle_all(self, reply: R) -> None:
        """The other end is gone: nothing else will be answered."""
        for number in list(self._waiting):
            self.settle(number, reply)
