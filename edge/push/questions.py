"""What people ask about messages: how many a new one would reach, how far those on their way are, what they changed.

Values are Structs, since they cross to another process as JSON. Everything here blocks.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from edge.domain.app_parts.stored_messages import StoredMessage
from edge.domain.changes.messages.message_changes import read_message
from edge.domain.changes.messages.message_commands import CreateMessage
from edge.domain.errors import NotFound
from edge.domain.messaging.effects import ArmEffects, compare_effects, effect_sentence, sum_arms
from edge.domain.messaging.planning import HELD_OUT, PlanCounts, PlanTerms
from edge.domain.model import AppState
from edge.domain.pushing.payload import ProviderKind, PushPayload
from edge.push.audience import Audience
from edge.push.outbox_file import OutboxMessage, PushOutboxFile
from edge.push.outbox_schema import ENDED, SendState
from edge.push.plan_run import PlanRun, StoredCounts, decode_counts, view_counts
from edge.push.registered import RegisteredDevices
from edge.telemetry.folding.database import open_for_reading
from edge.telemetry.push.push_schema import EFFECT_HOURS
from edge.telemetry.push.push_upkeep import SUMS
from edge.wire.providers.limits import check_payload

CODES_SHOWN = 20


class PreviewAsked(msgspec.Struct, frozen=True):
    """Of the app at this revision, as of `now`, in seconds since the epoch; `digest` is the revision's."""

    app: str
    revision: int
    digest: str
    command: CreateMessage
    now: float
    change_id: str


class MessageAsked(msgspec.Struct, frozen=True):
    app: str
    message: str = ""


class PreviewFound(msgspec.Struct, frozen=True):
    """`planned` devices would be sent it, `held_out` not; `left_today` is how many more sends the app may begin today,
    `per_day` its cap; `registered` devices there are, by provider `tokens`."""

    planned: int
    held_out: int
    counts: StoredCounts
    registered: int
    tokens: dict[str, int]
    per_day: int
    left_today: int


class SendCount(msgspec.Struct, frozen=True):
    arm: str
    state: str
    n: int


class CodeCount(msgspec.Struct, frozen=True):
    """Why sends failed."""

    state: str
    code: str
    n: int


class MessageProgress(msgspec.Struct, frozen=True):
    """`phase` is that of the outbox; `why` it was stopped."""

    message: str
    phase: str
    why: str
    counts: StoredCounts
    sends: list[SendCount]


class HaltedProvider(msgspec.Struct, frozen=True):
    provider: str
    code: str
    at: float


class MessagesFound(msgspec.Struct, frozen=True):
    """All of an app that the outbox knows."""

    messages: list[MessageProgress]
    halted: list[HaltedProvider]
    registered: int
    tokens: dict[str, int]
    begun_today: int


class ArmFigures(msgspec.Struct, frozen=True):
    """Of one arm: `assigned` devices, and of those whose day is over `devices`, what they did."""

    arm: str
    assigned: int
    devices: int
    opened: int
    updated: int
    active: int
    sessions: int


class EffectFigure(msgspec.Struct, frozen=True):
    """As `ComparedEffect`, with a sentence."""

    measure: str
    arm: str
    other: str
    devices: int
    other_devices: int
    value: float | None
    other_value: float | None
    ratio: float | None
    low: float | None
    high: float | None
    shown: str
    words: str


class MessageFigures(msgspec.Struct, frozen=True):
    """`effect_hours`: how long after it was due a device counts."""

    progress: MessageProgress
    codes: list[CodeCount]
    arms: list[ArmFigures]
    effects: list[EffectFigure]
    effect_hours: int = EFFECT_HOURS


class MessageQuestions:
    """`load` reads a revision by app, number and digest."""

    def __init__(
        self,
        registered: RegisteredDevices,
        database: Path,
        outbox: PushOutboxFile,
        load: Callable[[str, int, str], AppState],
        audience_of: Callable[..., Audience],
        now: Callable[[], float],
    ) -> None:
        self._registered, self._database, self._outbox = registered, database, outbox
        self._load, self._audience_of, self._now = load, audience_of, now
        self._plans = PlanRun(registered, outbox.near_sends)
        self._ended: dict[int, Counter[tuple[str, SendState]]] = {}

    def preview(self, asked: PreviewAsked) -> PreviewFound:
        """Refuses what creating it would. Raises what `read_message` raises, TooLarge `message_too_large`."""
        state = self._load(asked.app, asked.revision, asked.digest)
        message = read_message(state, asked.command, asked.now, asked.change_id)
        best = self._plans.best_hour(asked.app)
        terms = PlanTerms(message=message, caps=state.message_caps, now=int(asked.now), best_hour=best)
        counts = PlanCounts()
        for _ in self._plans.pages(terms, self._audience_of(state, message), counts):
            pass
        tokens = self._registered.by_provider(asked.app)
        _check_sizes(message, [ProviderKind(kind) for kind in tokens] or [ProviderKind.FCM])
        per_day = state.message_caps.per_day
        return PreviewFound(
            planned=counts.planned,
            held_out=counts.sends[HELD_OUT],
            counts=view_counts(counts),
            registered=counts.devices,
            tokens=tokens,
            per_day=per_day,
            left_today=max(0, per_day - self._outbox.begun_on(asked.app, asked.now)),
        )

    def listing(self, asked: MessageAsked) -> MessagesFound:
        halted = [
            HaltedProvider(provider, code, at)
            for (app, provider), (code, at) in self._outbox.halts().items()
            if app == asked.app
        ]
        return MessagesFound(
            messages=[self._progress(each) for each in self._outbox.messages(asked.app)],
            halted=halted,
            registered=self._registered.count(asked.app),
            tokens=self._registered.by_provider(asked.app),
            begun_today=self._outbox.begun_on(asked.app, self._now()),
        )

    def figures(self, asked: MessageAsked) -> MessageFigures:
        """Raises NotFound `message_not_planned`."""
        held = self._outbox.message(asked.app, asked.message)
        if held is None:
            raise NotFound("message_not_planned", f"message {asked.message!r} is not planned yet")
        assigned, arms = self._arms(asked)
        return MessageFigures(
            progress=self._progress(held),
            codes=[
                CodeCount(state.name.lower(), code, n) for state, code, n in self._outbox.codes(held.id, CODES_SHOWN)
            ],
            arms=[
                ArmFigures(name, assigned.get(name, 0), *each[:4], each.sessions) for name, each in sorted(arms.items())
            ],
            effects=[EffectFigure(*each, effect_sentence(each)) for each in compare_effects(arms)],
        )

    def _progress(self, held: OutboxMessage) -> MessageProgress:
        tally = self._ended.get(held.id) or self._outbox.tally(held.id)
        if held.phase in ENDED and self._outbox.is_over(held.id):
            self._ended[held.id] = tally  # it does not change any more, and has a row for each device
        sends = [SendCount(arm, SendState(state).name.lower(), n) for (arm, state), n in sorted(tally.items())]
        return MessageProgress(held.message, held.phase.value, held.why, decode_counts(held.counts), sends)

    def _arms(self, asked: MessageAsked) -> tuple[dict[str, int], dict[str, ArmEffects]]:
        """How many devices are in each arm, and what those did whose day is over."""
        connection = open_for_reading(self._database)
        if connection is None:
            return {}, {}
        over = int(self._now()) // 60 - EFFECT_HOURS * 60
        with closing(connection):
            rows = connection.execute(
                "SELECT a.id, a.arm, a.devices, a.opened, a.updated, a.active, a.sessions, a.squares"
                " FROM push_arms AS a JOIN words AS w ON w.id = a.app WHERE w.app = 0 AND w.word = ? AND a.message = ?",
                (asked.app, asked.message),
            ).fetchall()
            parts, assigned = [], dict[str, int]()
            for number, arm, *sums in rows:
                counted = f"SELECT {SUMS} FROM push_assigned WHERE arm = ? AND due <= ?"  # noqa: S608  names of ours
                parts += [
                    (arm, ArmEffects(*sums)),
                    (arm, ArmEffects(*connection.execute(counted, (number, over)).fetchone())),
                ]
                (n,) = connection.execute("SELECT count(*) FROM push_assigned WHERE arm = ?", (number,)).fetchone()
                assigned[arm] = n + sums[0]
        return assigned, sum_arms(parts)


def _check_sizes(message: StoredMessage, kinds: Sequence[ProviderKind]) -> None:
    """Whether every provider takes it. Raises TooLarge `message_too_large`, Invalid."""
    for kind in kinds:
        for words in (text.words_for(of) for text in message.texts for of in ("", *text.locales)):
            payload = PushPayload(
                message_id=message.id,
                title=words.title,
                body=words.body,
                data=message.data,
                silent=message.silent,
                ttl_seconds=message.ttl_seconds,
                collapse=message.id,
            )
            check_payload(kind, payload)
