"""Messages to devices, as the supervisor has them: keeps the process alive that sends them, tells it of every change,
passes on what people are to hear, and asks it what people ask."""

import asyncio
import hashlib
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

import msgspec

from edge.assembly.children.child_messages import Declined
from edge.assembly.children.kept_process import RESTART_SECONDS, KeptProcess, ProcessKind
from edge.assembly.pushing.sender_messages import (
    FromSender,
    GivenCredentials,
    GivenTurn,
    SenderCondition,
    SenderHeads,
    SenderSetup,
    SenderTold,
    WantCredentials,
    WantTurn,
)
from edge.assembly.pushing.sending_marks import move_mark
from edge.control.ports import ASKED_BY
from edge.control.push.push_credentials import AppCredentials, PushCredentials
from edge.control.shapes.node import SendingConditionView
from edge.domain.errors import EdgeError, Unavailable
from edge.domain.model import AppId
from edge.messages.notice import Notice, NoticeKind
from edge.node.processes.link import Link
from edge.push.questions import MessageAsked, MessageFigures, MessagesFound, PreviewAsked, PreviewFound
from edge.push.sending_metrics import SendingSeen
from edge.store.objects.port import ObjectStore
from edge.store.releases import Head

ANSWER_SECONDS = 60.0
PREVIEW_SECONDS = 240.0  # a million devices are planned in some two minutes
QUESTIONS_WAITING_LIMIT = 16

T = TypeVar("T")
TellWebhooks = Callable[[Notice], Awaitable[None]]
CredentialsOf = Callable[[AppId], AppCredentials]  # blocks; raises EdgeError

KIND = ProcessKind(
    "edge.assembly.pushing.process",
    "the process that sends messages",
    FromSender,
    "messages_unavailable",
    "is busy",
    logging.getLogger("edge.push"),
)


class MessageSending:
    """Belongs to the loop; `run` is a duty of the node. `store` is the one that all homes share. `restarts` and `asked`
    count since the start."""

    def __init__(
        self,
        setup: SenderSetup,
        heads: Callable[[], Mapping[AppId, Head]],
        post: TellWebhooks,
        credentials_of: CredentialsOf,
        store: ObjectStore,
        *,
        restart_seconds: Sequence[float] = RESTART_SECONDS,
    ) -> None:
        self.condition = SenderCondition(0, [])
        self.asked = Counter[str]()
        self._setup, self._heads, self._post, self._credentials_of = setup, heads, post, credentials_of
        self._store = store
        self._process = KeptProcess(
            KIND, greet=self._greeting, hear=self._hear, ended=lambda _: False, restart_seconds=restart_seconds
        )
        self.run = self._process.run
        self._waiting = Counter[str]()

    @property
    def is_up(self) -> bool:
        return self._process.is_linked and not self.condition.failing

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def seen(self, unreadable: int) -> SendingSeen:
        """For metrics."""
        halted = len(self.condition.halted)
        return SendingSeen(self.is_up, self.condition.active, halted, self._process.restarts, unreadable)

    def view(self, credentials: PushCredentials) -> SendingConditionView:
        """For people. Blocks."""
        now = self.condition
        return SendingConditionView(
            up=self._process.is_linked,
            active=now.active,
            halted=now.halted,
            unreadable=credentials.unreadable(),
            failing=now.failing,
            keys=credentials.box.problem(),
        )

    def hear_heads(self) -> None:
        """Apps changed."""
        if self._process.is_linked:
            self._process.tell(SenderHeads(dict(self._heads())))

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
            reply = await self._process.ask(question, msgspec.json.encode(parameters), seconds)
        finally:
            self._waiting[name] -= 1
            self._waiting += Counter()
        if isinstance(reply, Declined):
            raise reply.error()
        return msgspec.json.decode(reply.answer, type=answer)

    def _greeting(self) -> tuple[SenderSetup, SenderHeads]:
        return self._setup, SenderHeads(dict(self._heads()))

    def _hear(self, link: Link, message: SenderCondition | SenderTold | WantCredentials | WantTurn) -> None:
        match message:
            case SenderCondition():
                self.condition = message
            case SenderTold():
                self._process.start(self._pass_on(message))
            case WantCredentials():
                self._process.start(self._give(link, message))
            case WantTurn():
                self._process.start(self._take_turn(link, message))

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
            given = await asyncio.to_thread(self._credentials_of, AppId(asked.app))
            link.send(GivenCredentials(asked.number, given.of, given.faults))
        except EdgeError as error:
            link.send(GivenCredentials(asked.number, {}, {}, error.message))

    async def _take_turn(self, link: Link, asked: WantTurn) -> None:
        moved = (self._store, asked.app, asked.message, asked.outbox, asked.turn)
        try:
            link.send(GivenTurn(asked.number, await asyncio.to_thread(move_mark, *moved)))
        except EdgeError as error:
            link.send(GivenTurn(asked.number, False, error.message))
