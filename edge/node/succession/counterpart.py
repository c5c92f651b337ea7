"""The other process of a change-over: what it cannot write itself is written here, and the other way round.

Both may be different releases of this program: `CHANGE_OVER_FORMAT` names what they say to each other, and a successor
that does not know its predecessor's is refused before it serves.
"""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from edge.domain.errors import Unavailable
from edge.domain.model import AppId
from edge.facts.changes import Record, Recordable, Recorded, Withheld
from edge.node.processes.facts_desk import Recorder
from edge.node.processes.link import Acknowledged, Link, NewHeads
from edge.node.service.numbered_replies import NumberedReplies
from edge.store.releases import Head

CHANGE_OVER_FORMAT = 1  # to be raised with any change of the messages below, `Record` and `NewHeads` included
RELAY_SECONDS = 4.0  # a change of facts that went to the other process and back; a worker waits 5 s for its own
HEADS_SECONDS = 2.0  # as a worker is given

log = logging.getLogger("edge.node")


class Joined(msgspec.Struct, frozen=True, tag=True):
    """The successor listens, and has not read the heads yet."""


class Welcome(msgspec.Struct, frozen=True, tag=True):
    """From now on the successor hears of each head that the predecessor announces."""


class Serving(msgspec.Struct, frozen=True, tag=True):
    """The successor's workers accept connections, and so does its control port."""

    pid: int
    version: str


class Yours(msgspec.Struct, frozen=True, tag=True):
    """The predecessor writes no more facts, refreshes no heads and counts no events: the successor does."""


class Taken(msgspec.Struct, frozen=True, tag=True):
    """The successor does all that."""


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The successor gives up and exits; the predecessor goes on."""

    reason: str


Said = Joined | Welcome | Serving | Yours | Taken | Refused
_Message = Said | Record | Recorded | NewHeads | Acknowledged


class Counterpart:
    """One end. `record` and `announce` are what this process does with changes and heads of the other."""

    def __init__(
        self, record: Recorder, announce: Callable[[Mapping[AppId, Head], "Counterpart"], Awaitable[object]]
    ) -> None:
        self._record_here = record
        self._announce_here = announce
        self._link: Link | None = None
        self._replies = NumberedReplies[Recorded | Acknowledged | None]()
        self._working: set[asyncio.Task[None]] = set()
        self.serves = False  # the other has workers, or will have some that know what is announced from now on
        self.gone = asyncio.Event()
        self.said: asyncio.Queue[Said] = asyncio.Queue()  # a handful in a life
        self._listening: asyncio.Task[None] | None = None

    async def connect(self, end: socket.socket) -> None:
        """Talk over this end of a socket pair, until `close`."""
        self._link = await Link.over(end, _Message)
        self._listening = asyncio.create_task(self._listen(self._link))

    def say(self, message: Said) -> None:
        if self._link is not None:
            self._link.send(message)

    async def hear(self, seconds: float) -> Said | None:
        """The next thing that the other says; None if it is gone. Raises TimeoutError."""
        heard = asyncio.create_task(self.said.get())
        gone = asyncio.create_task(self.gone.wait())
        try:
            await asyncio.wait({heard, gone}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if heard.done():
                return heard.result()
            if gone.done():
                return None
            raise TimeoutError
        finally:
            heard.cancel()
            gone.cancel()

    async def record(self, changes: list[Recordable]) -> list[Withheld]:
        """A `Recorder`: the other process stores the changes."""
        answer = await self._ask(lambda number: Record(number, changes), RELAY_SECONDS)
        if not isinstance(answer, Recorded):
            raise Unavailable("facts_elsewhere", "the process that writes the device facts does not answer")
        if answer.refused:
            raise Unavailable(answer.refused, "device facts cannot be stored now")
        return answer.withheld

    async def announce(self, heads: Mapping[AppId, Head]) -> None:
        """Returns when the other's workers serve these heads, or it does not answer; at once if it serves none yet."""
        if not self.serves:
            return
        await self._ask(lambda number: NewHeads(number, dict(heads)), HEADS_SECONDS)

    async def close(self) -> None:
        """The other then hears that this end is gone."""
        if self._link is not None:
            self._link.close()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        self._forget()

    async def _ask(self, question: Callable[[int], msgspec.Struct], seconds: float) -> Recorded | Acknowledged | None:
        link = self._link
        if link is None or self.gone.is_set():
            return None
        try:
            return await self._replies.request(lambda number: link.send(question(number)), seconds)
        except TimeoutError:
            log.warning("the other process of the restart did not answer within %s s", seconds)
            return None

    async def _listen(self, link: Link) -> None:
        try:
            while (message := await link.receive()) is not None:
                match message:
                    case Record(number, changes):
                        self._start(self._answer_record(link, number, changes))
                    case NewHeads(number, heads):
                        self._start(self._answer_heads(link, number, heads))
                    case Recorded(number) | Acknowledged(number):
                        self._replies.settle(number, message)
                    case _:
                        self.said.put_nowait(message)
        except (msgspec.ValidationError, msgspec.DecodeError, ValueError) as error:
            log.error("a message from the other process of the restart cannot be understood: %s", error)
        finally:
            self._forget()

    def _forget(self) -> None:
        self.gone.set()
        self._replies.settle_all(None)

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _answer_record(self, link: Link, number: int, changes: list[Recordable]) -> None:
        try:
            answer = Recorded(number, "", await self._record_here(changes))
        except Unavailable as error:
            answer = Recorded(number, error.code)
        link.send(answer)

    async def _answer_heads(self, link: Link, number: int, heads: Mapping[AppId, Head]) -> None:
        await self._announce_here(heads, self)
        link.send(Acknowledged(number))
