"""One app's way through one provider: what is due, tried at the provider's pace, and what came of it.

A send is SENDING on disk before its attempt, and its attempt begins at once: so what is in doubt after a kill was on
the wire, or its answer had just come. Nobody tries it a second time but by the provider's own word that nothing was
delivered (LATER); of what is in doubt, nothing more is sent.
"""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import NamedTuple

from edge.domain.app_parts.stored_messages import StoredMessage
from edge.domain.errors import Unavailable
from edge.domain.messaging.planning import quiet_end
from edge.domain.pushing.payload import ProviderKind, PushAttempt, PushPayload, PushTarget, PushVerdict
from edge.push.outbox_file import OpenSend, OutboxMessage, PushOutboxFile, SettledSend, WantedSends
from edge.push.outbox_schema import SendState
from edge.push.pace import SendPace
from edge.push.providers.port import SEND_SECONDS, PushProvider
from edge.push.registered import DeviceAddress
from edge.push.serial_outbox import SerialOutbox
from edge.push.trust import CredentialTrust

READY_LIMIT = 500  # sends that are looked up at once, with their tokens; nothing of them is on disk yet
READY_SECONDS = 1.0  # of a provider's pace are looked up at once: so old may a token be when it is used
ATTEMPTS_LIMIT = 12  # of one send: with growing waits some ten hours
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 15.0, 3_600.0
HALTED_SECONDS = 900.0  # between two tries through credentials that were refused
UNUSABLE_SECONDS = 5.0  # between two tries to write what came: a full disk
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


@dataclass(slots=True)
class ReadySends:
    """Sends of one message that are due, and how they were reached when they were looked up. `drawn`: at
    random."""

    each: LaneMessage
    sends: deque[OpenSend]
    addresses: Mapping[int, DeviceAddress]
    drawn: bool


class SendLane:
    """`messages` are those that are being sent; `addresses` looks up how devices are reached, and blocks. `now` is in
    seconds since the epoch."""

    def __init__(
        self,
        app: str,
        kind: ProviderKind,
        provider: PushProvider,
        *,
        outbox: SerialOutbox,
        addresses: Callable[[str, list[int], str], Mapping[int, DeviceAddress]],
        news: LaneNews,
        now: Callable[[], float],
        per_day: Callable[[], int],
        halted: bool = False,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.messages: dict[int, LaneMessage] = {}
        self.wake = asyncio.Event()
        self._app, self._kind, self._provider = app, kind, provider
        self._outbox, self._addresses, self._news = outbox, addresses, news
        self._now, self._per_day, self._jitter = now, per_day, jitter
        self._clock = asyncio.get_running_loop().time  # of pauses: a clock that is set back makes none longer
        self._pace = SendPace(provider.per_second)
        self._ready_limit = max(1, min(READY_LIMIT, int(provider.per_second * READY_SECONDS) or READY_LIMIT))
        self._ready: ReadySends | None = None
        self._settled: list[SettledSend] = []
        self._open = 0  # claimed, and what came of it is not on disk
        self._tried: dict[int, Tried] = {}
        self._trust = CredentialTrust(halted=halted)
        self._paused_until = 0.0
        self._latest = 0  # the message that was served last
        self._look_at = 0.0  # when something may be due
        self._is_ending = False
        self._running: set[asyncio.Task[None]] = set()

    def serve(self, messages: dict[int, LaneMessage]) -> None:
        """These are to be sent now."""
        self.messages, self._look_at = messages, 0.0
        self.wake.set()

    async def run(self) -> None:
        """Until `finish`. Cancelled, it leaves in doubt what is on the wire, as a kill does."""
        while not (self._is_ending and not self._open):
            self.wake.clear()
            try:
                wait = await self._turn()
            except Unavailable as error:
                log.error("%s of %s waits: %s", self._kind.value, self._app, error)
                wait = UNUSABLE_SECONDS
            if wait > 0:
                try:
                    async with asyncio.timeout(wait):
                        await self.wake.wait()
                except TimeoutError:
                    pass

    async def _turn(self) -> float:
        """One transaction: note what came, claim what begins now, and begin it. Returns how long nothing is to do."""
        wait = await self._look_up()
        wanted = self._wanted()
        settled = self._settled[:]
        if settled or wanted is not None:
            claimed = await self._outbox.do(
                partial(PushOutboxFile.turn, settled=settled, wanted=wanted, now=self._now())
            )
            del self._settled[: len(settled)]
            self._open += len(claimed) - len(settled)
            self._begin(wanted, claimed)
            wait = 0.0
        elif self._ready is not None:  # it may not begin yet
            wait = self._pace.wait_seconds(self._clock()) if self._open < self._provider.at_once else IDLE_SECONDS
        return wait

    async def _look_up(self) -> float:
        """Have something ready. Returns how long nothing is due."""
        if self._ready is not None and self._ready.each.held.id not in self.messages:
            self._ready = None
        draw, now = self._trust.draw, self._now()
        paused = self._paused_until - self._clock()
        if paused > 0 or (draw is not None and (self._open or self._settled)):
            self._ready = None  # nothing of it is claimed
            return min(paused, IDLE_SECONDS) if paused > 0 else IDLE_SECONDS
        if self._ready is not None and (draw is None or self._ready.drawn):
            return 0.0
        if (idle := self._look_at - self._clock()) > 0:
            return idle
        self._ready, nearest, of = None, now + IDLE_SECONDS, self._kind.value
        for number, each in self._in_turn():
            find = (
                partial(PushOutboxFile.due, limit=self._ready_limit)
                if draw is None
                else partial(PushOutboxFile.drawn, draw=draw)
            )
            due = await self._outbox.do(partial(find, message=number, provider=of, now=now))
            if due:
                found = await asyncio.to_thread(self._addresses, self._app, [send.key for send in due], of)
                self._ready = ReadySends(each, deque(due), found, drawn=draw is not None)
                self._latest = number
                return 0.0
            later = await self._outbox.do(partial(PushOutboxFile.next_due, message=number, provider=of))
            if later is not None:
                nearest = min(nearest, float(later))
        self._look_at = self._clock() + max(0.05, nearest - now)
        return self._look_at - self._clock()

    def _in_turn(self) -> list[tuple[int, LaneMessage]]:
        """Each message gets its part, so that a small one does not wait for a large one."""
        return sorted(self.messages.items(), key=lambda each: (each[0] <= self._latest, each[0]))

    def _wanted(self) -> WantedSends | None:
        """As many as may begin now."""
        ready = self._ready
        if ready is None:
            return None
        free = self._provider.at_once - self._open + len(self._settled)
        count = min(len(ready.sends), free, self._pace.allowed(self._clock()))
        if count <= 0:
            return None
        sends = list(islice(ready.sends, count))
        gone = {send.key for send in sends} - ready.addresses.keys()
        quiet = quiet_ends(ready, sends, int(self._now()))
        return WantedSends(ready.each.held.id, self._app, sends, gone, self._per_day(), quiet)

    def _begin(self, wanted: WantedSends | None, claimed: list[OpenSend]) -> None:
        ready = self._ready
        if wanted is None or ready is None:
            return
        self._pace.take(len(claimed), self._clock())
        for _ in wanted.sends:
            ready.sends.popleft()
        if not ready.sends or not (claimed or wanted.gone or wanted.quiet):  # the rest has ended as well
            self._ready = None
        for send in claimed:
            task = asyncio.create_task(self._attempt(ready, send))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _attempt(self, ready: ReadySends, send: OpenSend) -> None:
        each, (token, locale, _) = ready.each, ready.addresses[send.key]
        target, payload = PushTarget(self._kind, token), payload_of(each.message, send, self._now(), locale)
        try:
            async with asyncio.timeout(LATE_SECONDS):
                came = await self._provider.send(target, payload, self._now())
        except TimeoutError:
            came = PushAttempt(PushVerdict.UNKNOWN, "no_answer")
        except Exception as error:  # a bug of the provider's code: nobody knows how far it came
            log.exception("a provider failed; this is a bug, please report it")
            came = PushAttempt(PushVerdict.UNKNOWN, type(error).__name__)
        came = self._trust.judge(came, drawn=ready.drawn)
        outcome = self._outcome(each, send, came)
        if outcome.state is SendState.LATER:
            self._look_at = min(self._look_at, self._clock() + outcome.next - self._now())
        self._settled.append(outcome)
        self.wake.set()
        try:
            await self._tell(each, send, token, came)
        except Unavailable as error:  # who did not hear it now hears it with the next
            log.error("%s of %s: %s", self._kind.value, self._app, error)

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
            self._paused_until = self._clock() + HALTED_SECONDS
            if not self._trust.halted:
                self._trust.halted = True
                await self._news.halted(self._app, self._kind.value, came.code)
            return
        if came.whole and came.verdict is PushVerdict.LATER:
            self._paused_until = max(self._paused_until, self._clock() + max(came.retry_after_seconds, 1.0))
        if self._trust.halted and came.verdict in (PushVerdict.SENT, PushVerdict.DEAD):
            self._trust.halted = False
            await self._outbox.do(lambda file: file.resume(self._app, self._kind.value))
        if came.verdict is PushVerdict.DEAD:
            await self._news.dead(send.key, self._kind.value, token, min(came.dead_since or now, now))
        if came.verdict is PushVerdict.OURS and not came.of_target:
            tried.ours += 1
            is_much = tried.ours >= OURS_LEAST and tried.ours >= OURS_SHARE * tried.attempts
            if is_much and self.messages.pop(each.held.id, None) is not None:
                await self._news.stopped(each.held, came.code)

    def finish(self) -> None:
        """Begin nothing more; `run` returns when what is being tried has ended and is noted."""
        self._is_ending = True
        self.serve({})

    async def close(self) -> None:
        """Let go of the provider."""
        for task in self._running:
            task.cancel()
        await self._provider.close()


def quiet_ends(ready: ReadySends, sends: Sequence[OpenSend], now: int) -> dict[int, int]:
    """When the quiet hours are over of those that have them now: what was to go earlier may be late."""
    reached = [send.key for send in sends if send.key in ready.addresses]
    ends = {key: quiet_end(ready.each.message, ready.addresses[key].zone, now) for key in reached}
    return {key: over for key, over in ends.items() if over is not None}


def payload_of(message: StoredMessage, send: OpenSend, now: float, locale: str) -> PushPayload:
    """What this device gets; its provider keeps it for no longer than the message lives."""
    text = next((each for each in message.texts if each.name == send.arm), message.texts[0])
    words = text.words_for(locale)
    return PushPayload(
        message_id=message.id,
        title=words.title,
        body=words.body,
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
