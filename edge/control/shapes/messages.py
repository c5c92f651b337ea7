"""Bodies and answers about messages to devices."""

from typing import Annotated, Literal

import msgspec

from edge.control.shapes.common import AnswerBody, ChangeAnswer, RequestBody, Whole
from edge.domain.changes.messages.message_changes import TTL_LEAST_SECONDS, TTL_LIMIT_SECONDS
from edge.push.questions import ArmFigures, CodeCount, EffectFigure, HaltedProvider, SendCount


class MessageWordsRequest(RequestBody, frozen=True, kw_only=True):
    title: str = ""
    body: str = ""


class MessageTextRequest(RequestBody, frozen=True, kw_only=True):
    """`locales`: for devices of a language, such as `de` or `pt-BR`; what is empty there is as in the text's own."""

    title: str = ""
    body: str = ""
    locales: dict[str, MessageWordsRequest] = msgspec.field(default_factory=dict)


class MessageRequest(RequestBody, frozen=True, kw_only=True):
    """To a segment's devices, those of an expression, or all that registered. Two `texts` are compared. `when` is
    `now`, `best` (each device's own usual hour), `2026-12-01 09:00 local` (each device's own clock) or `2026-12-01
    09:00 UTC`; `quiet` like `22:00-08:00`, `cap` like `3/week`. Shares are percentages."""

    texts: list[MessageTextRequest]
    when: str = "now"
    segment: str | None = None
    where: str | None = None
    data: dict[str, str] = msgspec.field(default_factory=dict)
    silent: bool = False
    quiet: str = ""
    cap: str = ""
    share: str = "100%"
    hold_out: str = "0%"
    ttl_seconds: Annotated[int, msgspec.Meta(ge=TTL_LEAST_SECONDS, le=TTL_LIMIT_SECONDS)] = 86_400


class NewMessageRequest(MessageRequest, frozen=True, kw_only=True):
    """`expected` is how many devices a preview stated; with its `id` as Idempotency-Key the same devices are drawn."""

    expected: Whole


class HourView(AnswerBody, frozen=True, kw_only=True):
    """How many sends are due in the hour from `at` on."""

    at: float
    n: int


class MessagePreview(AnswerBody, frozen=True, kw_only=True):
    """`planned` devices would be sent it, `held_out` not; `left_out` counts the others by why. `registered` devices
    there are, by provider `tokens`. `unknown_zones` of the planned go by UTC, `unknown_hours` by the app's usual hour.
    `hours` are the first 48. `per_day` is the app's cap, `left_today` what is left of it."""

    app: str
    id: str
    planned: int
    held_out: int
    left_out: dict[str, int]
    arms: dict[str, int]
    registered: int
    tokens: dict[str, int]
    unknown_zones: int
    unknown_hours: int
    first_due: float | None
    last_due: float | None
    hours: list[HourView]
    per_day: int
    left_today: int


class MessageCreated(ChangeAnswer, frozen=True, kw_only=True):
    """`planned` as of now."""

    message: str
    planned: int


class MessageCancelled(ChangeAnswer, frozen=True, kw_only=True):
    message: str


class CapsRequest(RequestBody, frozen=True, kw_only=True):
    """How many messages the app sends in a day (UTC), and how many one device gets, like `3/week`; empty: any."""

    per_day: Whole
    device: str = ""


class CapsChanged(ChangeAnswer, frozen=True, kw_only=True):
    per_day: int
    device: str


class ShownWords(AnswerBody, frozen=True, kw_only=True):
    title: str
    body: str


class ShownText(ShownWords, frozen=True, kw_only=True):
    """`locales`: for devices of a language, in the order of their names."""

    name: str
    locales: dict[str, ShownWords]


MessageState = Literal["waiting", "planning", "sending", "done", "cancelled", "stopped"]


class MessageLine(AnswerBody, frozen=True, kw_only=True):
    """One message: what it is and how far it is. `sends` by state; `why` it was stopped."""

    id: str
    state: MessageState
    why: str
    texts: list[ShownText]
    silent: bool
    audience: str
    when: str
    created: float
    expected: int
    planned: int
    held_out: int
    sends: dict[str, int]


class MessagesView(AnswerBody, frozen=True, kw_only=True):
    """Newest first. `halted` are providers that refuse the app's credentials; `known` false: the process that sends is
    starting, and states are as defined."""

    messages: list[MessageLine]
    registered: int
    tokens: dict[str, int]
    per_day: int
    device_cap: str
    begun_today: int
    halted: list[HaltedProvider]
    known: bool


class MessageView(AnswerBody, frozen=True, kw_only=True):
    """One message with its figures: attempts by arm and state, why some failed, what its devices did within
    `effect_hours` of its time beside those held out."""

    line: MessageLine
    data: dict[str, str]
    quiet: str
    cap: str
    share: str
    hold_out: str
    ttl_seconds: int
    left_out: dict[str, int]
    sends: list[SendCount]
    codes: list[CodeCount]
    arms: list[ArmFigures]
    effects: list[EffectFigure]
    effect_hours: int
