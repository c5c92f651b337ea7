"""The successor's side: serve beside the predecessor, have it write what is ours, then take over.

A predecessor that is gone has left the lock with us, and nobody writes: then the node is ours at once.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from edge import __version__
from edge.domain.errors import Conflict, EdgeError
from edge.node.processes.facts_desk import FactsDesk
from edge.node.processes.link import frame_of
from edge.node.succession.counterpart import Counterpart, Joined, Refused, Said, Serving, Taken, Welcome, Yours
from edge.node.succession.estate import Estate, link_of

# For a predecessor that ends its duties, one of which may be in the middle of a fold.
YIELD_LIMIT_SECONDS = 60.0
REFUSAL_SECONDS = 1.0  # a socket's buffer has room for one line

log = logging.getLogger("edge.node")


class TakingOver:
    """Once in a life of a successor."""

    def __init__(self, link: socket.socket, desk: FactsDesk, counterpart: Counterpart, predecessor: int) -> None:
        """`predecessor` is its process id: this process's parent, as long as it lives."""
        self.counterpart = counterpart
        self._predecessor = predecessor
        self._watching: asyncio.Task[None] | None = None
        self._link = link
        self._desk = desk

    async def join(self) -> None:
        """Before the workers start: what they record is written by the predecessor."""
        counterpart = self.counterpart
        await counterpart.connect(self._link)
        counterpart.serves = True
        counterpart.say(Joined())
        try:
            welcome = await counterpart.hear(YIELD_LIMIT_SECONDS)
        except TimeoutError as error:
            raise Conflict("predecessor_slow", "the old process does not answer") from error
        if not isinstance(welcome, Welcome):
            self._expect_gone(welcome)
            return
        self._desk.send_to(counterpart.record)
        self._watching = asyncio.create_task(self._wait_when_gone())

    async def take(self) -> None:
        """When everything serves: returns when this process is the one that writes. Raises Conflict, and what opening
        the facts raises; the predecessor then has heard why, and goes on.
        """
        counterpart = self.counterpart
        counterpart.say(Serving(os.getpid(), __version__))
        try:
            heard = await counterpart.hear(YIELD_LIMIT_SECONDS)
        except TimeoutError as error:
            raise Conflict("predecessor_slow", "the old process does not hand the node over") from error
        if not isinstance(heard, Yours):
            self._expect_gone(heard)
        if self._watching is not None:
            self._watching.cancel()
        self._desk.pause()
        await asyncio.to_thread(self._desk.open)
        self._desk.begin()
        counterpart.say(Taken())

    async def _wait_when_gone(self) -> None:
        """Changes then wait until this process writes them."""
        await self.counterpart.gone.wait()
        self._desk.pause()

    def _expect_gone(self, heard: Said | None) -> None:
        """A predecessor that no longer talks is dead, and then nobody writes; or it lives, and may write."""
        if heard is not None or os.getppid() == self._predecessor:
            raise Conflict("predecessor_lost", "the old process runs, and does not answer")
        log.warning("the old process is gone; this one takes the node")


@contextmanager
def telling_predecessor(estate: Estate | None) -> Iterator[None]:
    """Tell the predecessor why this process ends, if it ends with an error: it says so where the restart was asked."""
    if estate is None:
        yield
        return
    with link_of(estate) as link:
        try:
            yield
        except (EdgeError, OSError) as error:
            link.settimeout(REFUSAL_SECONDS)
            with suppress(OSError):  # it is gone
                link.sendall(frame_of(Refused(str(error))))
            raise
