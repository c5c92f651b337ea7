"""Messages to devices, as the supervisor has them: keeps the process alive that sends them, tells it of every change,
passes on what people are to hear, and asks it what people ask."""

import asyncio
import hashlib
import logging
import os
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import msgspec

from edge.assembly.counting.messages import Ask, Beat, Declined, FigureAnswered
from edge.assembly.pushing.sender_messages import (
    FromSender,
    GivenCredentials,
    SenderCondition,
    SenderHeads,
    SenderSetup,
    SenderTold,
    WantCredentials,
)
from edge.control.ports import ASKED_BY
from edge.domain.errors import EdgeError, Unavailable
from edge.domain.model import AppId
from edge.messages.notice import Notice, NoticeKind
from edge.node.processes.link import Link
from edge.node.service.numbered_replies import NumberedReplies
from edge.push.questions import MessageAsked, MessageFigures, MessagesFound, PreviewAsked, PreviewFound
from edge.push.sending_metrics import SendingSeen
from edge.store.releases import Head

START_SECONDS = 5.0  # how long a question waits for a process that is starting
ANSWER_SECONDS = 60.0
PREVIEW_SECONDS = 240.0  # a million devices are planned in some two minutes
QUESTIONS_WAITING_LIMIT = 16
SILENT_SECONDS = 60.0  # twelve signs of life; a process that is stuck says none, and is killed
WATCH_SECONDS = 5.0
SHORT_LIFE_SECONDS = 10.0  # a process that ends sooner will end again
RESTART_SECONDS = (0.0, 0.5, 2.0, 5.0, 15.0, 30.0)  # before the n-th restart in a row; the last from then on

T = TypeVar("T")
TellWebhooks = Callable[[Notice], Awaitable[None]]
CredentialsOf = Callable[[AppId], Mapping[str, bytes]]  # by provider, as JSON; blocks, raises EdgeError

log = logging.getLogger("edge.push")


class MessageSending:
    """Belongs to the loop; `run` is a duty of the node. `restarts` and `asked` count since the start."""

    def __init__(
        self,
        setup: SenderSetup,
        heads: Callable[[], Mapping[AppId, Head]],
        post: TellWebhooks,
        credentials_of: CredentialsOf,
        *,
        restart_seconds: Sequence[float] = RESTART_SECONDS,
    ) -> None:
        self._restart_seconds = restart_seconds
        self.condition = SenderCondition(0, 0)
        self.restarts = 0
        self.asked = Counter[str]()
        self.pid: int | None = None
        self._setup, self._heads, self._post, self._credentials_of = setup, heads, post, credentials_of
        self._link: Link | None = None
        self._linked = asyncio.Event()
        self._replies = NumberedReplies[FigureAnswered | Declined | None]()
        self._waiting = Counter[str]()
        self._heard = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_up(self) -> bool:
        return self._link is not None and not self.condition.failing

    def seen(self) -> SendingSeen:
        """For metrics."""
        return SendingSeen(self.is_up, self.condition.active, self.condition.halted, self.restarts)

    def hear_heads(self) -> None:
        """Apps changed."""
        if self._link is not None:
            self._link.send(SenderHeads(dict(self._heads())))

    async def preview(self, asked: PreviewAsked) -> PreviewFound:
        """Raises what creating the message would, and Unavailable `messages_unavailable`, `busy`."""
        return await self._ask("preview", asked, PreviewFound, PREVIEW_SECONDS)

    async def listing(self, app: AppId) -> MessagesFound:
        """Raises Unavailable."""
        return await self._ask("listing", MessageAsked(app), MessagesFound, ANSWER_SECONDS)

    async def figures(self, app: AppId, message: str) -> MessageFigures:
        """Raises NotFound `message_not_planned`, Unavailable."""
        return await self._ask("figures", MessageAsked(app, message), MessageFigures, ANSWER_SECONDS)

    async def _ask(self, question: str, parameters: object, answer: type[T], seconds: float) -> T:
        name = ASKED_BY.get().name
        if self._waiting.total() >= QUESTIONS_WAITING_LIMIT or (name and self._waiting[name] >= 4):
            raise Unavailable("busy", "too many questions about messages at once; try again later")
        self._waiting[name] += 1
        self.asked[question] += 1
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._linked.wait()
            content = msgspec.json.encode(parameters)
            reply = await self._replies.request(lambda number: self._send(Ask(number, question, content)), seconds)
        except TimeoutError as error:
            raise _unavailable("does not answer: it is busy, or starting") from error
        finally:
            self._waiting[name] -= 1
            self._waiting += Counter()
        if reply is None:
            raise _unavailable("ended, and is starting again")
        if isinstance(reply, Declined):
            raise reply.error()
        return msgspec.json.decode(reply.answer, type=answer)

    def _send(self, message: msgspec.Struct) -> None:
        if self._link is None:  # it ended since the wait
            raise _unavailable("ended, and is starting again")
        self._link.send(message)

    async def run(self) -> None:
        """Until cancelled: keep the process alive."""
        short_lives = 0
        while True:
            started = asyncio.get_running_loop().time()
            code = await self._live()
            lived_seconds = asyncio.get_running_loop().time() - started
            short_lives = short_lives + 1 if lived_seconds < SHORT_LIFE_SECONDS else 0
            pause_seconds = self._restart_seconds[min(short_lives, len(self._restart_seconds) - 1)]
            self.restarts += 1
            log.error("the process that sends messages exited with code %s; again in %s s", code, pause_seconds)
            await asyncio.sleep(pause_seconds)

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
        link = await Link.over(ours, FromSender)
        try:
            link.send(self._setup)
            self._link = link
            self.hear_heads()
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
                *(sys.executable, "-m", "edge.assembly.pushing.process", str(theirs.fileno())),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
            )

    async def _listen(self, link: Link) -> None:
        while (message := await link.receive()) is not None:
            self._heard = asyncio.get_running_loop().time()
            match message:
                case Beat():
                    pass
                case SenderCondition():
                    self.condition = message
                case SenderTold():
                    self._start(self._pass_on(message))
                case WantCredentials():
                    self._start(self._give(link, message))
                case FigureAnswered(number) | Declined(number):
                    self._replies.settle(number, message)

    async def _pass_on(self, told: SenderTold) -> None:
        now = time.time()
        notice = Notice(
            id=f"push-{hashlib.sha256(told.title.encode()).hexdigest()[:16]}-{int(now)}",
            kind=NoticeKind(told.kind),
            at=now,
            app=told.app,
            title=told.title,
            text=told.text,
        )
        with suppress(Unavailable):  # it is logged there, and the page says so
            await self._post(notice)

    async def _give(self, link: Link, asked: WantCredentials) -> None:
        try:
            given = dict(await asyncio.to_thread(self._credentials_of, AppId(asked.app)))
            link.send(GivenCredentials(asked.number, given))
        except EdgeError as error:
            link.send(GivenCredentials(asked.number, {}, error.message))

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            silent_seconds = asyncio.get_running_loop().time() - self._heard
            if self.pid is not None and silent_seconds >= SILENT_SECONDS:
                log.error("the process that sends messages said nothing for %.0f s: it is killed", silent_seconds)
                with suppress(ProcessLookupError):
                    os.kill(self.pid, signal.SIGKILL)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _unavailable(what: str) -> EdgeError:
    return Unavailable("messages_unavailable", f"the process that sends messages {what}; try again later")


async def _end(process: asyncio.subprocess.Process) -> None:
    """At once: what it was trying is in doubt then, and is not tried again."""
    if process.returncode is None:
        process.kill()
        await process.wait()
