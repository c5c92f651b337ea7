"""Work that occupies a core or a thread: a bounded number at once, a bounded number waiting, `busy` for the rest."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec
from aiohttp import web

from edge.control.calls import Asked
from edge.domain.errors import Unavailable

VERIFICATIONS_AT_ONCE = 2  # each reads a whole bundle and occupies a core; devices need the others
VERIFICATIONS_WAITING = 32  # publishers in the queue; more get 503
# Each reads an app's manifests or id sets, a second at worst. However often readers query, a change must not wait
# behind them for a thread.
LOOKS_AT_ONCE = 2
LOOKS_WAITING = 32

T = TypeVar("T")


class Turns:
    """At most `at_once` callers work and `waiting` more queue; `busy` is the message for the others."""

    def __init__(self, at_once: int, waiting: int, busy: str) -> None:
        self._running = asyncio.Semaphore(at_once)
        self._present = 0
        self._present_limit = at_once + waiting
        self._busy = busy

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn and hold it in the block. Raises Unavailable `busy`."""
        if self._present >= self._present_limit:
            raise Unavailable("busy", f"{self._busy}; try again")
        self._present += 1
        try:
            async with self._running:
                yield
        finally:
            self._present -= 1


def verifications() -> Turns:
    """For bundles, and for long lists of ids."""
    return Turns(VERIFICATIONS_AT_ONCE, VERIFICATIONS_WAITING, "too many uploads are being verified")


def looks() -> Turns:
    """For explain, segment tests, the sizes of pruned bundles, and whatever goes through a bundle's files."""
    return Turns(LOOKS_AT_ONCE, LOOKS_WAITING, "too many requests that read whole bundles are running")


VERIFICATIONS = web.AppKey("verifications", Turns)
LOOKS = web.AppKey("looks", Turns)


async def take_look(request: Asked, work: Callable[[], T]) -> T:
    """What `work` returns, done in a thread when a turn is free. Raises Unavailable `busy`, and what `work` raises."""
    async with request.app[LOOKS].turn():
        return await asyncio.to_thread(work)


async def encode_look(request: Asked, work: Callable[[], msgspec.Struct]) -> msgspec.Raw:
    """As `take_look`, for an answer with thousands of rows: it is encoded in the thread, too."""
    return await take_look(request, lambda: msgspec.Raw(msgspec.json.encode(work())))
