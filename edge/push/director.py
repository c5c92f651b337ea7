"""Brings what is being sent in line with what the apps' states say: plans what is due to be planned, cancels what was
cancelled, ends what is over, and has a lane for each app and provider with something to send."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from edge.domain.app_parts.stored_messages import StoredMessage
from edge.domain.errors import EdgeError, Unavailable
from edge.domain.messaging.planning import HELD_OUT, PlanTerms, over_at, plan_from
from edge.domain.model import AppId, AppState
from edge.domain.pushing.payload import ProviderKind
from edge.push.audience import Audience
from edge.push.lane import LATE_SECONDS, LaneMessage, LaneNews, SendLane
from edge.push.outbox_file import OutboxMessage, PushOutboxFile
from edge.push.outbox_schema import MessagePhase
from edge.push.plan_run import PlanPage, PlanRun, counts_from, decode_counts, encode_counts, is_surprising
from edge.push.providers.port import PushProvider
from edge.push.registered import RegisteredDevices
from edge.push.sending_claims import SENT_ELSEWHERE, SendingClaims, TakeTurn, left_state
from edge.push.serial_outbox import SerialOutbox
from edge.store.releases import Head
from edge.telemetry.push.token_hash import token_hash
from edge.telemetry.spool.push_records import ASSIGNED, DeadPushToken, PushAssigned, PushRecord

LOOK_SECONDS = 5.0  # between two looks at what is due to be planned, and what is over
AGE_SECONDS = 3_600.0
LANES_LIMIT = 256  # apps times providers that send at the same time; others wait for their turn

log = logging.getLogger("edge.push")

ProvidersOf = Callable[[AppId], Mapping[ProviderKind, PushProvider]]  # blocks; raises EdgeError
TellPeople = Callable[[str, str, str, str], None]  # a kind, an app, a title and a text, for people


class DirectorParts(NamedTuple):
    """What a director works with. `load` reads a revision, `audience` opens a message's, `keep` has a record in the
    spool when it returns, `take_turn` is of `SendingClaims`; the first three block."""

    load: Callable[[AppId, Head], AppState]
    audience: Callable[[AppState, StoredMessage], Audience]
    providers_of: ProvidersOf
    registered: RegisteredDevices
    keep: Callable[[PushRecord], Awaitable[None]]
    take_turn: TakeTurn
    tell: TellPeople
    now: Callable[[], float] = time.time


class PushDirector:
    """Of one process."""

    def __init__(self, parts: DirectorParts, outbox: SerialOutbox) -> None:
        self._failing = self._unopened = self._unplanned = ""
        self.states: dict[AppId, AppState] = {}
        self.lanes: dict[tuple[str, ProviderKind], SendLane] = {}
        self.outbox = outbox
        self._parts = parts
        self._heads: dict[AppId, Head] | None = None  # not heard yet: no app counts as deleted
        self._read: dict[AppId, Head] = {}
        self._written: set[AppId] = set()  # changed since: one without devices may have a message for nobody to plan
        self._changed = asyncio.Event()
        self._aged = 0.0
        self._tasks: dict[tuple[str, ProviderKind], asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._plans = PlanRun(parts.registered, outbox.file.near_sends)
        self._planning: asyncio.Task[None] | None = None
        self._claims = SendingClaims(outbox, parts.take_turn)
        self._claiming: asyncio.Task[None] | None = None
        self._opening = asyncio.Lock()
        self._missing: set[tuple[str, str]] = set()  # told of

    def hear(self, heads: Mapping[AppId, Head]) -> None:
        """The apps that there are now."""
        if self._heads is not None:
            self._written |= {app for app, head in heads.items() if self._heads.get(app) != head}
        self._heads = dict(heads)
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                try:
                    await self.look()
                    self._failing = ""
                except (EdgeError, OSError) as error:
                    self._failing = str(error)
                    log.error("messages wait: %s", error)
                try:
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._changed.wait()
                except TimeoutError:
                    pass
        finally:
            for each in self.tasks:
                each.cancel()

    async def look(self) -> None:
        """Once: everything that is due; nothing before it is known which apps there are."""
        self._changed.clear()
        if self._heads is None:
            return
        now = self._parts.now()
        unfinished = await self.outbox.do(lambda file: file.messages())
        written = frozenset(self._written)
        apps = {*await asyncio.to_thread(self._parts.registered.apps), *(each.app for each in unfinished), *written}
        await self._refresh(self._heads, map(AppId, apps))
        ended = [(held, phase) for held in unfinished if (phase := await self._end_if_due(held, now)) is not None]
        await self._open_lanes()
        if self._claiming is None or self._claiming.done():
            self._claiming = asyncio.create_task(self._claims.take_due(self._stop, self._open_lanes))
        for held, phase in ended:  # once all are stopped; what is heard meanwhile comes first
            sweep = partial(PushOutboxFile.sweep, message=held.id, state=left_state(phase, held.why), now=now)
            while not await self.outbox.do(sweep) and not self._changed.is_set():
                pass
        if self._planning is None or self._planning.done():
            for app in self.states.keys() - apps:
                del self.states[app], self._read[app]
            self._written -= written
            self._planning = asyncio.create_task(self._plan_all(sorted(map(AppId, apps)), now))
        if not 0 <= now - self._aged < AGE_SECONDS:
            self._aged = now
            await self.outbox.do(lambda file: file.age(now))

    def definition(self, app: str, message: str) -> StoredMessage | None:
        """As the app's state has it; None: it is not there any more."""
        state = self.states.get(AppId(app))
        return state.messages.get(message) if state is not None else None

    async def _refresh(self, heads: Mapping[AppId, Head], apps: Iterable[AppId]) -> None:
        for app in apps:
            head = heads.get(app)
            if head is None:
                self.states.pop(app, None)
                self._read.pop(app, None)
            elif self._read.get(app) != head:
                self.states[app] = await asyncio.to_thread(self._parts.load, app, head)
                self._read[app] = head

    async def _end_if_due(self, held: OutboxMessage, now: float) -> MessagePhase | None:
        """End a message that is cancelled or over. How it has ended; None: it goes on."""
        phase = held.phase
        if phase in (MessagePhase.PLANNING, MessagePhase.SENDING):
            message = self.definition(held.app, held.message)
            if message is None or message.cancelled:
                phase = MessagePhase.CANCELLED
            elif over_at(message) <= now or (
                phase is MessagePhase.SENDING and await self.outbox.do(lambda file: file.is_over(held.id))
            ):
                phase = MessagePhase.DONE
            if phase is held.phase:
                return None
            await self.outbox.do(lambda file: file.end(held.id, phase))
        for lane in self.lanes.values():
            lane.messages.pop(held.id, None)
        return phase

    @property
    def failing(self) -> str:
        """Why not everything went on that was due, "" if it did."""
        return self._failing or self._claims.failing or self._unopened or self._unplanned

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """All that it has begun."""
        beside = [each for each in (self._planning, self._claiming) if each is not None]
        return [*self._tasks.values(), *self._closing, *beside]

    async def planned(self) -> None:
        """Returns when the plans are made that the last look began. Raises what stopped them."""
        if self._planning is not None:
            await self._planning

    async def _plan_all(self, apps: Sequence[AppId], now: float) -> None:
        """One after the other, beside what is sent and cancelled meanwhile."""
        failing = ""
        for app in apps:
            try:
                await self._plan_due(app, now)
            except (EdgeError, OSError) as error:
                failing = f"{app}: {error}"
                log.error("messages of %s cannot be planned now: %s", app, error)
        self._unplanned = failing

    async def _plan_due(self, app: AppId, now: float) -> None:
        state = self.states.get(app)
        if state is None or not state.messages:
            return
        known = {each.message: each for each in await self.outbox.do(lambda file: file.messages(app))}
        for message in state.messages.values():
            held = known.get(message.id)
            if held is not None and held.phase is not MessagePhase.PLANNING:
                continue
            if not message.cancelled and plan_from(message) <= now < over_at(message):
                await self._plan(state, message, now)

    async def _plan(self, state: AppState, message: StoredMessage, now: float) -> None:
        """From where it was interrupted, if it was."""
        held = await self.outbox.do(lambda file: file.begin(state.app, message.id, now))
        if not await self._claims.take(held):
            await self._stop(held, SENT_ELSEWHERE)
            return
        try:
            audience = await asyncio.to_thread(self._parts.audience, state, message)
            best = await asyncio.to_thread(self._plans.best_hour, state.app)
            terms = PlanTerms(message=message, caps=state.message_caps, now=int(now), best_hour=best)
            counts = counts_from(decode_counts(held.counts))
            pages = self._plans.pages(terms, audience, counts, held.cursor)
            while (page := await asyncio.to_thread(next, pages, None)) is not None:
                await self._add_page(state.app, message, held, page)
                if is_surprising(counts.planned, message):
                    await self._stop(held, "plan_differs")
                    return
                if await self._has_ended(held):
                    return
        except Unavailable:
            raise  # it is tried again: a full disk, a file that is not there yet
        except EdgeError as error:
            log.error("message %s of %s cannot be planned: %s", message.id, state.app, error)
            await self._stop(held, error.code)
            return
        log.info("message %s of %s is planned for %d devices", message.id, state.app, counts.planned)
        await self.outbox.do(lambda file: file.end(held.id, MessagePhase.SENDING))
        await self._open_lanes()

    async def _has_ended(self, held: OutboxMessage) -> bool:
        """Whether it was cancelled meanwhile."""
        found = await self.outbox.do(lambda file: file.message(held.app, held.message))
        return found is None or found.phase is not MessagePhase.PLANNING

    async def _add_page(self, app: AppId, message: StoredMessage, held: OutboxMessage, page: PlanPage) -> None:
        """What was assigned is in the spool first: said twice, it counts once."""
        by_arm: dict[str, list[bytes]] = {}
        for each in page.sends:
            by_arm.setdefault(each.arm, []).append(ASSIGNED.pack(each.key, each.due // 60))
        for arm, devices in sorted(by_arm.items()):
            await self._parts.keep(PushAssigned(app, message.id, arm, b"".join(devices)))
        sends = [each for each in page.sends if each.arm != HELD_OUT]
        counts = encode_counts(page.counts)
        await self.outbox.do(lambda file: file.add_page(held.id, page.providers, sends, page.cursor, counts))

    async def _open_lanes(self) -> None:
        """A lane for each app and provider of what is being sent; those with nothing to do end."""
        async with self._opening:  # a plan that is made opens some beside the looks
            wanted: dict[str, list[LaneMessage]] = {}
            for held in await self.outbox.do(lambda file: file.messages()):
                message = self.definition(held.app, held.message)
                is_ours = held.phase is MessagePhase.SENDING and self._claims.has(held)
                if is_ours and message is not None and not message.cancelled:
                    wanted.setdefault(held.app, []).append(LaneMessage(held, message))
            for key in [*self.lanes]:
                if key[0] not in wanted or await self._has_failed(key):
                    closing = asyncio.create_task(_close_lane(self.lanes.pop(key), self._tasks.pop(key)))
                    self._closing.add(closing)  # beside the others: a provider may take half a minute
                    closing.add_done_callback(self._closing.discard)
            failing = ""
            for app, messages in wanted.items():
                try:
                    await self._serve(AppId(app), messages)
                except (EdgeError, OSError) as error:  # of this app: others are served all the same
                    failing = f"{app}: {error}"
                    log.error("messages of %s cannot be sent now: %s", app, error)
            self._unopened = failing

    async def _has_failed(self, key: tuple[str, ProviderKind]) -> bool:
        """Whether a lane ended by itself: then another one takes its place."""
        task = self._tasks[key]
        if not task.done():
            return False
        error = None if task.cancelled() else task.exception()
        log.error("the lane of %s by %s failed, and begins again", key[0], key[1].value, exc_info=error)
        now = self._parts.now()
        await self.outbox.do(partial(PushOutboxFile.interrupt, app=key[0], provider=key[1].value, now=now))
        return True

    async def _serve(self, app: AppId, messages: list[LaneMessage]) -> None:
        if not any(key[0] == app for key in self.lanes):
            await self._begin_lanes(app, messages)
        for (of, _), lane in self.lanes.items():
            if of == app:
                lane.serve({each.held.id: each for each in messages})

    async def _begin_lanes(self, app: AppId, messages: list[LaneMessage]) -> None:
        if len(self.lanes) >= LANES_LIMIT:
            return
        providers = await asyncio.to_thread(self._parts.providers_of, app)
        if not providers and (app, "none") not in self._missing:
            self._missing.add((app, "none"))
            text = f"No credentials of a push service are set for {app}: messages wait until they are too old"
            self._parts.tell("push_stopped", app, f"Messages of {app} cannot be sent", text)
        halts = await self.outbox.do(lambda file: file.halts())
        for kind, provider in providers.items():
            lane = SendLane(
                app,
                kind,
                provider,
                outbox=self.outbox,
                addresses=self._parts.registered.addresses,
                news=LaneNews(self._bury_for(app), self._halt, self._stop),
                now=self._parts.now,
                halted=(app, kind.value) in halts,
                per_day=lambda: self.states[app].message_caps.per_day if app in self.states else 0,
            )
            self.lanes[app, kind] = lane
            self._tasks[app, kind] = asyncio.create_task(lane.run())

    async def reopen(self, app: AppId) -> None:
        """With other credentials: what was halted goes on."""
        for key in [key for key in self.lanes if key[0] == app]:
            await _close_lane(self.lanes.pop(key), self._tasks.pop(key))
            await self.outbox.do(partial(PushOutboxFile.resume, app=app, provider=key[1].value))
        self._missing.discard((app, "none"))
        self._changed.set()

    def _bury_for(self, app: AppId) -> Callable[[int, str, str, float], Awaitable[None]]:
        async def bury(key: int, provider: str, token: str, since: float) -> None:
            with suppress(Unavailable):  # the next message hears of it again
                await self._parts.keep(DeadPushToken(app, key, provider, token_hash(token), int(since * 1000)))

        return bury

    async def _halt(self, app: str, provider: str, code: str) -> None:
        if await self.outbox.do(lambda file: file.halt(app, provider, code, self._parts.now())):
            title = f"{provider} refuses the credentials of {app}"
            text = (
                f"{provider} answered {code}: nothing more is sent through it until that is mended. Set the "
                f"credentials with `edge push credentials set {app} {provider}`; one message is tried every 15 minutes"
            )
            self._parts.tell("push_stopped", app, title, text)

    async def _stop(self, held: OutboxMessage, code: str) -> None:
        await self.outbox.do(lambda file: file.end(held.id, MessagePhase.STOPPED, code))
        again = "mend the cause and create it again"
        if code == SENT_ELSEWHERE:
            again = (
                "another outbox began with it, and nobody knows which devices are left: creating it again repeats it"
            )
        text = (
            f"Message {held.message} of {held.app} is stopped ({code}): nothing more of it is sent. See "
            f"`edge message show {held.app} {held.message}`; {again}"
        )
        self._parts.tell("push_stopped", held.app, f"Message {held.message} is stopped", text)
        self._changed.set()


async def _close_lane(lane: SendLane, task: asyncio.Task[None]) -> None:
    """Once what it tries has ended."""
    lane.finish()
    await asyncio.wait({task}, timeout=2 * LATE_SECONDS)  # with a full disk it does not end by itself
    task.cancel()
    await asyncio.wait({task})
    await lane.close()
