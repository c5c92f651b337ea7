"""One app's way through one provider: what is due, tried at the provider's pace, and what came of it.

A send is SENDING on disk before its attempt. Nobody tries it a second time but by the provider's own word that nothing
was delivered (LATER); of what is in doubt, nothing more is sent.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeVar

from edge.domain.app_parts.stored_messages import StoredMessage
from edge.domain.pushing.payload import ProviderKind, PushAttempt, PushPayload, PushTarget, PushVerdict
from edge.push.outbox_file import OpenSend, OutboxMessage, PushOutboxFile, SettledSend
from edge.push.outbox_schema import SendState
from edge.push.providers.port import SEND_SECONDS, PushProvider

T = TypeVar("T")

CLAIM_LIMIT = 200  # sends of one transaction: each is in doubt if the process is killed before its answer is noted
CLAIM_SECONDS = 0.1  # of a provider's pace are claimed at once, and no more than it tries at the same time
ATTEMPTS_LIMIT = 12  # of one send: with growing waits some ten hours
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 15.0, 3_600.0
HALTED_SECONDS = 900.0  # between two tries through credentials that were refused
SETTLE_SECONDS = 0.05  # outcomes that are noted together
OURS_LEAST, OURS_SHARE = 20, 0.2  # of the attempts of a message that are refused as ours: then it stops
IDLE_SECONDS = 30.0
LATE_SECONDS = SEND_SECONDS + 10.0  # a provider ends an attempt by itself before

log = logging.getLogger("edge.push")


class LaneMessage(NamedTuple):
    """A message that is being sent, and its definition."""

    held: OutboxMessage
    message: StoredMessage


@dataclass(slots=True)
class LaneNews:
    """What others have to hear of: dead tokens, and stops."""

    dead: Callable[[int, str, str, float], Awaitable[None]]  # key, provider, token, since when
    halted: Callable[[str, str, str], Awaitable[None]]  # app, provider, code
    stopped: Callable[[OutboxMessage, str], Awaitable[None]]  # a message, and why


@dataclass(slots=True)
class Tried:
    """Attempts of one message since this process began, and those that were refused as ours."""

    attempts: int = 0
    ours: int = 0


class SendLane:
    """`messages` are those that are being sent; `tokens` looks up devices' tokens, and blocks. `now` is in seconds
    since the epoch."""

    def __init__(
        self,
        app: str,
        kind: ProviderKind,
        provider: PushProvider,
        *,
        outbox: "SerialOutbox",
        tokens: Callable[[str, list[int], str], Mapping[int, str]],
        news: LaneNews,
        now: Callable[[], float],
        per_day: Callable[[], int],
        halted: bool = False,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.messages: dict[int, LaneMessage] = {}
        self.wake = asyncio.Event()
        self._app, self._kind, self._provider = app, kind, provider
        self._outbox, self._tokens, self._news = outbox, tokens, news
        self._now, self._per_day, self._jitter = now, per_day, jitter
        self._places = asyncio.Semaphore(max(1, provider.at_once))
        pace = int(provider.per_second * CLAIM_SECONDS) or CLAIM_LIMIT
        self._claim_limit = max(1, min(CLAIM_LIMIT, provider.at_once, pace))
        self._settled: list[SettledSend] = []
        self._has_settled = asyncio.Event()
        self._tried: dict[int, Tried] = {}
        self._paused_until = 0.0
        self._halted = halted  # the provider refused these credentials, and has not taken any since
        self._next_at = 0.0  # by the loop's clock, when the next attempt may begin
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled. What was claimed and not tried is in doubt then, as after a kill."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._note_settled())
            while True:
                self.wake.clear()
                wait = await self._round()
                if wait > 0:
                    try:
                        async with asyncio.timeout(wait):
                            await self.wake.wait()
                    except TimeoutError:
                        pass

    async def _round(self) -> float:
        """Begin attempts of one message. Returns how long nothing is due."""
        now = self._now()
        if now < self._paused_until:
            return min(self._paused_until - now, IDLE_SECONDS)
        nearest, of = now + IDLE_SECONDS, self._kind.value
        for number, each in [*self.messages.items()]:
            find = PushOutboxFile.one_due if self._halted else partial(PushOutboxFile.due, limit=self._claim_limit)
            due = await self._outbox.do(partial(find, message=number, provider=of, now=now))
            if due:
                await self._try_some(each, due)
                return 0.0
            found = await self._outbox.do(partial(PushOutboxFile.next_due, message=number, provider=of))
            if found is not None:
                nearest = min(nearest, float(found))
        return max(0.05, nearest - now)

    async def _try_some(self, each: LaneMessage, due: list[OpenSend]) -> None:
        tokens = await asyncio.to_thread(self._tokens, self._app, [send.key for send in due], self._kind.value)
        gone = {send.key for send in due} - tokens.keys()
        claimed = await self._outbox.do(
            lambda file: file.claim(each.held.id, self._app, due, gone, self._per_day(), self._now())
        )
        for place, send in enumerate(claimed):
            await self._places.acquire()
            await self._pace()
            if each.held.id not in self.messages or self._now() < self._paused_until:
                self._places.release()  # cancelled or paused meanwhile: these were not tried
                await self._give_back(each, claimed[place:])
                return
            task = asyncio.create_task(self._attempt(each, send, tokens[send.key]))
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._places.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("an attempt of %s failed; this is a bug, please report it", self._kind.value, exc_info=error)

    async def _pace(self) -> None:
        loop = asyncio.get_running_loop()
        if self._provider.per_second > 0:
            self._next_at = max(self._next_at, loop.time()) + 1 / self._provider.per_second
            await asyncio.sleep(max(0.0, self._next_at - 1 / self._provider.per_second - loop.time()))

    async def _give_back(self, each: LaneMessage, sends: list[OpenSend]) -> None:
        now = int(self._now())
        settled = [SettledSend(each.held.id, send.key, SendState.LATER, "not_tried", now) for send in sends]
        await self._outbox.do(lambda file: file.settle(settled, now))

    async def _attempt(self, each: LaneMessage, send: OpenSend, token: str) -> None:
        target, payload = PushTarget(self._kind, token), payload_of(each.message, send, self._now())
        try:
            async with asyncio.timeout(LATE_SECONDS):
                came = await self._provider.send(target, payload, self._now())
        except TimeoutError:
            came = PushAttempt(PushVerdict.UNKNOWN, "no_answer")
        except Exception as error:  # a bug of the provider's code: nobody knows how far it came
            log.exception("a provider failed; this is a bug, please report it")
            came = PushAttempt(PushVerdict.UNKNOWN, type(error).__name__)
        self._settled.append(self._outcome(each, send, came))
        self._has_settled.set()
        await self._tell(each, send, token, came)

    def _outcome(self, each: LaneMessage, send: OpenSend, came: PushAttempt) -> SettledSend:
        number, now = each.held.id, self._now()
        match came.verdict:
            case PushVerdict.SENT:
                return SettledSend(number, send.key, SendState.SENT, "", provider_id=came.provider_id)
            case PushVerdict.DEAD:
                return SettledSend(number, send.key, SendState.DEAD, came.code)
            case PushVerdict.UNKNOWN:
                return SettledSend(number, send.key, SendState.UNKNOWN, came.code)
            case PushVerdict.OURS:
                return SettledSend(number, send.key, SendState.FAILED, came.code)
            case PushVerdict.STOP:
                return SettledSend(number, send.key, SendState.LATER, came.code, int(now + HALTED_SECONDS))
            case PushVerdict.LATER:
                again = now + wait_seconds(send.attempts, self._jitter(), came.retry_after_seconds)
                if again >= send.expires:
                    return SettledSend(number, send.key, SendState.EXPIRED, came.code)
                if send.attempts + 1 >= ATTEMPTS_LIMIT:
                    return SettledSend(number, send.key, SendState.FAILED, came.code)
                return SettledSend(number, send.key, SendState.LATER, came.code, int(again) + 1)

    async def _tell(self, each: LaneMessage, send: OpenSend, token: str, came: PushAttempt) -> None:
        now = self._now()
        tried = self._tried.setdefault(each.held.id, Tried())
        tried.attempts += 1
        if came.verdict is PushVerdict.STOP:
            self._paused_until = now + HALTED_SECONDS
            if not self._halted:
                self._halted = True
                await self._news.halted(self._app, self._kind.value, came.code)
            return
        if came.whole and came.verdict is PushVerdict.LATER:
            self._paused_until = max(self._paused_until, now + max(came.retry_after_seconds, 1.0))
        if self._halted and came.verdict in (PushVerdict.SENT, PushVerdict.DEAD, PushVerdict.OURS):
            self._halted = False
            await self._outbox.do(lambda file: file.resume(self._app, self._kind.value))
        if came.verdict is PushVerdict.DEAD:
            await self._news.dead(send.key, self._kind.value, token, came.dead_since or now)
        if came.verdict is PushVerdict.OURS and not came.of_target:
            tried.ours += 1
            is_much = tried.ours >= OURS_LEAST and tried.ours >= OURS_SHARE * tried.attempts
            if is_much and self.messages.pop(each.held.id, None) is not None:
                await self._news.stopped(each.held, came.code)

    async def _note_settled(self) -> None:
        while True:
            await self._has_settled.wait()
            await asyncio.sleep(SETTLE_SECONDS)
            self._has_settled.clear()
            settled, self._settled = self._settled, []
            if settled:
                await self._outbox.do(partial(PushOutboxFile.settle, settled=settled, now=self._now()))

    async def finish(self) -> None:
        """Returns when what is being tried has ended and is noted."""
        self.messages.clear()
        if self._running:
            await asyncio.wait(set(self._running))
        settled, self._settled = self._settled, []
        if settled:
            await self._outbox.do(lambda file: file.settle(settled, self._now()))

    async def close(self) -> None:
        """Let go of the provider."""
        for task in self._running:
            task.cancel()
        await self._provider.close()


class SerialOutbox:
    """The outbox's file, used in one thread of its own."""

    def __init__(self, file: PushOutboxFile, thread: Executor) -> None:
        self.file = file
        self._thread = thread

    async def do(self, work: Callable[[PushOutboxFile], T]) -> T:
        """The result of `work`, in the thread. A caller that is cancelled leaves it to finish."""
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, work, self.file))


def payload_of(message: StoredMessage, send: OpenSend, now: float) -> PushPayload:
    """What this device gets; its provider keeps it for no longer than the message lives."""
    text = next((each for each in message.texts if each.name == send.arm), message.texts[0])
    return PushPayload(
        message_id=message.id,
        title=text.title,
        body=text.body,
        data=message.data,
        silent=message.silent,
        ttl_seconds=max(0, min(message.ttl_seconds, int(send.expires - now))),
        collapse=message.id,
    )


def wait_seconds(attempts: int, jitter: float, asked_seconds: float = 0.0) -> float:
    """Before the next attempt, after `attempts` earlier ones and this: twice as long each time, half of it at random.
    The provider may ask for longer."""
    longest = min(FIRST_WAIT_SECONDS * 2.0 ** min(attempts, 16), LONGEST_WAIT_SECONDS)
    return max(longest * (0.5 + jitter / 2), asked_seconds)
