"""Work that keeps a core or a thread busy, a bounded number at once: the others wait, and beyond that hear `busy`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from edge.domain.errors import Unavailable

VERIFICATIONS_AT_ONCE = 2  # each reads a whole bundle and keeps a core busy; devices need the others
VERIFICATIONS_WAITING = 32  # further publishers that may queue; more get 503
# Each reads an app's manifests or id sets, a second at worst. Readers may ask as often as they like: who changes
# something must not wait behind them for a thread.
LOOKS_AT_ONCE = 2
LOOKS_WAITING = 32


class Turns:
    """`busy` is what somebody hears who comes when too many wait."""

    def __init__(self, at_once: int, waiting: int, busy: str) -> None:
        self._running = asyncio.Semaphore(at_once)
        self._present = 0
        self._present_limit = at_once + waiting
        self._busy = busy

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Raises Unavailable `busy`."""
        if self._present >= self._present_limit:
            raise Unavailable("busy", f"{self._busy}; try again")
        self._present += 1
        try:
            async with self._running:
                yield
        finally:
            self._present -= 1


def verifications() -> Turns:
    """Of publishers. Long lists of ids count too."""
    return Turns(VERIFICATIONS_AT_ONCE, VERIFICATIONS_WAITING, "too many uploads are being worked on at once")


def looks() -> Turns:
    """Of whoever asks why a device gets what it gets, or whether it is in a segment."""
    return Turns(LOOKS_AT_ONCE, LOOKS_WAITING, "too many look at devices at once")


VERIFICATIONS = web.AppKey("verifications", Turns)
LOOKS = web.AppKey("looks", Turns)
