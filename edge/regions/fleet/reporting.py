"""A node's own reports to the node above it, every few seconds, and what it is told in return.

Nothing waits for them: a report that does not arrive is followed by a newer one. The pace is jittered, so that regions
which were cut off together do not come back together, and slower while home does not answer.
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from edge.domain.errors import EdgeError
from edge.regions.fleet.node_metrics import HomeSeen
from edge.regions.fleet.node_report import NodeReport, NodeWelcome

REPORT_SECONDS = 10.0  # a row is so old at most, and half a minute of silence is three reports
NEWS_SECONDS = 2.0  # after a change, which the row is to show: workers have it by then, and more may follow
JITTER = 0.25  # of the pace, either way
SLOWEST_SECONDS = 20.0  # while home does not answer: less than what makes a node "not heard of"
ANSWER_SECONDS = 10.0
WELCOME_LIMIT_BYTES = 16 * 1024

log = logging.getLogger("edge.node")


class HomeAnswer(Protocol):
    @property
    def content(self) -> bytes: ...


class HomeRequests(Protocol):
    """What sends to the node above: `Upstream`."""

    async def request(
        self, method: str, path: str, *, body: bytes, headers: dict[str, str], limit_bytes: int, seconds: float
    ) -> HomeAnswer: ...


class Reporting:
    """`make` makes this node's report. Those in `on_welcome` are told what home answers, each time; `welcome` is the
    last of that."""

    def __init__(
        self,
        home: HomeRequests,
        node: str,
        make: Callable[[], Awaitable[NodeReport]],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        report_seconds: float = REPORT_SECONDS,
        news_seconds: float = NEWS_SECONDS,
    ) -> None:
        self._report_seconds, self._news_seconds = report_seconds, news_seconds
        self._home, self._node, self._make = home, node, make
        self.on_welcome: list[Callable[[NodeWelcome], None]] = []
        self._monotonic = monotonic
        self._accepted_at = monotonic()
        self._accepted = self._failed = 0
        self._in_a_row = 0
        self._news = asyncio.Event()
        self.welcome = NodeWelcome()
        self.problem = ""  # why the last report was not taken
        self.trouble = ""  # what home sees of this node

    @property
    def seen(self) -> HomeSeen:
        return HomeSeen(self._accepted, self._failed, self._monotonic() - self._accepted_at)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._news.clear()
            await self.report()
            await self._pause(random.random())  # noqa: S311  it spreads load

    def hurry(self) -> None:
        """What this node serves has changed."""
        self._news.set()

    async def _pause(self, drawn: float) -> None:
        seconds = self.pause_seconds(drawn)
        if self._in_a_row:
            await asyncio.sleep(seconds)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return
        await asyncio.sleep(_jittered(self._news_seconds, drawn))

    async def report(self) -> None:
        """Once. What goes wrong is counted, and said once until it changes."""
        try:
            body = msgspec.json.encode(await self._make())
            answer = await self._home.request(
                *("POST", f"/v1/feed/nodes/{self._node}"),
                body=body,
                headers={"Content-Type": "application/json"},
                limit_bytes=WELCOME_LIMIT_BYTES,
                seconds=ANSWER_SECONDS,
            )
            welcome = msgspec.json.decode(answer.content, type=NodeWelcome)
        except (EdgeError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._note_failure(str(error))
        else:
            self._note_success(welcome)

    def _note_success(self, welcome: NodeWelcome) -> None:
        if self.problem:
            log.info("home takes this node's report again")
        self.problem, self._in_a_row = "", 0
        self._accepted += 1
        self._accepted_at = self._monotonic()
        self.welcome = welcome
        if welcome.trouble and _without_digits(welcome.trouble) != _without_digits(self.trouble):
            log.error("the node above says of this one: %s", welcome.trouble)
        self.trouble = welcome.trouble
        for told in self.on_welcome:
            told(welcome)

    def pause_seconds(self, drawn: float) -> float:
        """Before the next report; `drawn` is from 0 to 1."""
        return _jittered(
            min(max(SLOWEST_SECONDS, self._report_seconds), self._report_seconds * float(1 << min(self._in_a_row, 4))),
            drawn,
        )

    def _note_failure(self, why: str) -> None:
        self._failed += 1
        self._in_a_row += 1
        if why != self.problem:
            log.warning("home did not take this node's report of how it is doing; devices are served: %s", why)
        self.problem = why


def _jittered(seconds: float, drawn: float) -> float:
    return seconds * (1 - JITTER + 2 * JITTER * drawn)


def _without_digits(text: str) -> str:
    """The same for a trouble that grows."""
    return "".join(each for each in text if not each.isdigit())
