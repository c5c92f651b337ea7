"""Requests for apps that are not loaded yet: which apps to load first, and how long a request waits for that.

Belongs to the loop. An app that was asked for stays asked for until it is loaded or found damaged, whoever gave up.
"""

import asyncio

from edge.domain.model import AppId

FIRST_ASK_SECONDS = 2.0  # how long a request waits: a plugin gives up after 10 s, and a proxy may after 5 s
WAITING_LIMIT = 1_000  # requests that wait at a time, per worker; further ones are answered as if they had waited


class FirstAsks:
    """`seconds` is how long a request waits, `limit` how many do."""

    def __init__(self, seconds: float = FIRST_ASK_SECONDS, limit: int = WAITING_LIMIT) -> None:
        self.waiting = 0
        self._seconds = seconds
        self._limit = limit
        self._asked: dict[AppId, asyncio.Future[None]] = {}  # the longest first
        self._waiters: dict[AppId, int] = {}  # requests that wait now, of apps among `_asked`, likewise
        self._news = asyncio.Event()

    def __contains__(self, app: AppId) -> bool:
        return app in self._asked

    def first(self) -> AppId | None:
        """The app that has been asked for the longest: of those that a request still waits for, if there is one."""
        return next(iter(self._waiters or self._asked), None)

    async def wait(self, app: AppId) -> None:
        """Ask for the app; returns once it is settled, when the time is over, or at once if too many wait."""
        asked = self._asked.get(app)
        if asked is None:
            asked = self._asked[app] = asyncio.get_running_loop().create_future()
            self._news.set()
        if self.waiting >= self._limit:
            return
        self.waiting += 1
        self._waiters[app] = self._waiters.get(app, 0) + 1
        try:
            await asyncio.wait((asked,), timeout=self._seconds)
        finally:
            self.waiting -= 1
            self._leave(app)

    def _leave(self, app: AppId) -> None:
        left = self._waiters.get(app, 0) - 1
        if left > 0:
            self._waiters[app] = left
        else:
            self._waiters.pop(app, None)

    def settle(self, app: AppId) -> None:
        """The app is loaded, or cannot be."""
        self._waiters.pop(app, None)
        if (asked := self._asked.pop(app, None)) is not None:
            asked.set_result(None)
        if not self._asked:
            self._news.clear()

    async def arrive(self, seconds: float) -> None:
        """Returns while an app is asked for, or after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return
