"""The open lanes of a worker: ending idle and slow ones, and draining the rest."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Protocol

from edge.node.service.limits.admission import KEEP_ALIVE_SECONDS, Connections
from edge.node.service.limits.unread_answers import Answering


class Swept(Answering, Protocol):
    """A connection as the registry sees it: how long it has been idle, and how to end it."""

    def overdue(self, now: float) -> str:
        """Which part of a request has taken too long to arrive: "slow_head", "slow_body" or ""."""

    def close_when_idle(self) -> None:
        """Accept no further request: close now, or after the answer in progress."""

    def cut_off(self) -> None:
        """Reset the connection, whatever is in progress."""


class LaneRegistry:
    """Every open lane that was admitted and not handed over to aiohttp."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._lanes: set[Swept] = set()
        self._removed = asyncio.Event()

    def __iter__(self) -> Iterator[Swept]:
        return iter(self._lanes)

    @property
    def count(self) -> int:
        return len(self._lanes)

    def add(self, lane: Swept, transport: asyncio.Transport, address: str) -> None:
        self._lanes.add(lane)
        self._connections.unread.add(lane, transport, address)

    def remove(self, lane: Swept) -> bool:
        """False if the lane was not here: refused at admission, or removed before."""
        if lane not in self._lanes:
            return False
        self._lanes.remove(lane)
        self._connections.unread.remove(lane)
        self._removed.set()
        return True

    def end_idle(self, now: float) -> None:
        """Close lanes that are idle for too long, cut off those whose request is. `now` in monotonic seconds."""
        for lane in list(self._lanes):
            if why := lane.overdue(now):
                self._connections.note_cut(why)
                lane.cut_off()
            elif now - lane.touched > KEEP_ALIVE_SECONDS:
                lane.close_when_idle()

    async def drain(self, seconds: float) -> None:
        """Close idle lanes now, the others after the answer in progress or when `seconds` have passed."""
        for lane in list(self._lanes):
            lane.close_when_idle()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._lanes:
                    self._removed.clear()
                    await self._removed.wait()
        for lane in list(self._lanes):
            lane.cut_off()
