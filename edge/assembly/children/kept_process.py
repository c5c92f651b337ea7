"""The supervisor's side of one such process: starts it, and again when it ends; kills it when it says nothing; asks it.

While there is no process, or it does not answer, a question gets Unavailable; devices are served all the same.
"""

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from edge.assembly.children.child_messages import Ask, AskAnswered, Beat, Declined
from edge.domain.errors import EdgeError, Unavailable
from edge.node.processes.link import Link
from edge.node.service.numbered_replies import NumberedReplies

START_SECONDS = 5.0  # how long a question waits for a process that is starting
SHORT_LIFE_SECONDS = 10.0  # a process that ends sooner will end again: wait before the next try
SILENT_SECONDS = 60.0  # twelve signs of life; a process that is stopped or stuck says none, and is killed
WATCH_SECONDS = 5.0
RESTART_SECONDS = (0.0, 0.5, 2.0, 5.0, 15.0, 30.0)  # before the n-th restart in a row; the last from then on


class ProcessKind(NamedTuple):
    """`module` is run with its end of the link; `says` is what comes from it, `words` name it in sentences. Who asks in
    vain gets `code`, and hears what it `may_be` doing."""

    module: str
    words: str
    says: Any
    code: str
    may_be: str
    log: logging.Logger


class KeptProcess:
    """Belongs to the loop; `run` is a duty of the node. `restarts` counts since the start."""

    def __init__(
        self,
        kind: ProcessKind,
        *,
        greet: Callable[[], Sequence[msgspec.Struct]],
        hear: Callable[[Link, Any], None],
        ended: Callable[[int], bool],
        restart_seconds: Sequence[float] = RESTART_SECONDS,
    ) -> None:
        """`greet` has the first messages to each process. `hear` gets what it says beyond answers and signs of life,
        with the link that a reply belongs on. `ended` gets its exit code, and says whether it had failed, however long
        it lived."""
        self.restarts = 0
        self.pid: int | None = None
        self._kind, self._greet, self._hear, self._ended = kind, greet, hear, ended
        self._restart_seconds = restart_seconds
        self._link: Link | None = None
        self._linked = asyncio.Event()
        self._replies = NumberedReplies[AskAnswered | Declined | None]()
        self._heard = 0.0  # when the process last said anything, by the loop's time
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_linked(self) -> bool:
        """Whether there is a process."""
        return self._link is not None

    def tell(self, message: msgspec.Struct) -> None:
        """Nobody, if there is no process: the next one is greeted."""
        if self._link is not None:
            self._link.send(message)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what a message asks for, beside the listening."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def ask(
        self, question: str, parameters: bytes, seconds: float, *, fresh: bool = True
    ) -> AskAnswered | Declined:
        """The answer within `seconds`. Raises Unavailable with the kind's code."""
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._linked.wait()
            reply = await self._replies.request(
                lambda number: self._send(Ask(number, question, parameters, fresh)), seconds
            )
        except TimeoutError as error:
            raise self._unavailable(f"does not answer: it {self._kind.may_be}, or is starting") from error
        if reply is None:
            raise self._unavailable("ended, and is starting again")
        return reply

    async def run(self) -> None:
        """Until cancelled: keep the process alive."""
        loop, short_lives = asyncio.get_running_loop(), 0
        while True:
            started = loop.time()
            code = await self._live()
            failed = self._ended(code) or loop.time() - started < SHORT_LIFE_SECONDS
            short_lives = short_lives + 1 if failed else 0
            pause_seconds = self._restart_seconds[min(short_lives, len(self._restart_seconds) - 1)]
            self.restarts += 1
            self._kind.log.error("%s exited with code %s; restarting it in %s s", self._kind.words, code, pause_seconds)
            await asyncio.sleep(pause_seconds)

    def end_if_silent(self, now: float) -> None:
        """Kill a process that says nothing; `now` is the loop's time. Another one follows it."""
        silent_seconds = now - self._heard
        if self.pid is not None and silent_seconds >= SILENT_SECONDS:
            self._kind.log.error(
                "%s %s said nothing for %.0f s: it is killed", self._kind.words, self.pid, silent_seconds
            )
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def _send(self, message: msgspec.Struct) -> None:
        if self._link is None:  # it ended since the wait
            raise self._unavailable("ended, and is starting again")
        self._link.send(message)

    async def _live(self) -> int:
        """One process, from start to exit; returns its exit code. A cancelled caller leaves none."""
        ours, theirs = socket.socketpair()
        starting = asyncio.ensure_future(self._spawn(theirs))
        try:
            process = await asyncio.shield(starting)
        except asyncio.CancelledError:
            ours.close()
            await _end(await starting)
            raise
        self.pid = process.pid
        link = await Link.over(ours, self._kind.says)
        try:
            for message in self._greet():
                link.send(message)
            self._link = link
            self._linked.set()
            self._heard = asyncio.get_running_loop().time()
            watching = asyncio.create_task(self._watch())
            try:
                await self._listen(link)
            finally:
                watching.cancel()
            return await process.wait()
        finally:
            self._link, self.pid = None, None
            self._linked.clear()
            self._replies.settle_all(None)
            link.close()
            await _end(process)

    async def _spawn(self, theirs: socket.socket) -> asyncio.subprocess.Process:
        with theirs:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", self._kind.module, str(theirs.fileno())),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
            )

    async def _listen(self, link: Link) -> None:
        while (message := await link.receive()) is not None:
            self._heard = asyncio.get_running_loop().time()
            match message:
                case Beat():
                    pass
                case AskAnswered(number) | Declined(number):
                    self._replies.settle(number, message)
                case _:
                    self._hear(link, message)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            self.end_if_silent(asyncio.get_running_loop().time())

    def _unavailable(self, what: str) -> EdgeError:
        return Unavailable(self._kind.code, f"{self._kind.words} {what}; devices are served, try again later")


async def _end(process: asyncio.subprocess.Process) -> None:
    """At once: what it was doing is repeated whole, not at all, or in doubt, by its own rules."""
    if process.returncode is None:
        process.kill()
        await process.wait()
