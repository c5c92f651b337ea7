"""A message to devices as an app's state has it: to whom, what, and when. `changes.messages` checks it, `messaging`
plans it."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

DEFAULT_TTL_SECONDS = 86_400
WHOLE = 100_000  # a share of all devices, in thousandths of a percent


class SendTime(enum.Enum):
    """When a device gets it."""

    NOW = "now"
    AT = "at"  # one moment for all
    LOCAL = "local"  # one reading of each device's own clock
    BEST = "best"  # each device's own usual hour


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageWords:
    """In one language; what is empty is as in the text's own."""

    title: str = ""
    body: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageText:
    """`name` is its arm: "A", or "B" of two that are compared. `locales`: its words for devices of a language, like
    `de`, or `pt-br` of one country alone."""

    name: str
    title: str = ""
    body: str = ""
    locales: Mapping[str, MessageWords] = field(default_factory=dict)

    def words_for(self, locale: str) -> MessageWords:
        """For a device of this locale, as it registered: the closest there is, by RFC 4647 3.4."""
        wanted = normal_locale(locale)
        while wanted:
            if (found := self.locales.get(wanted)) is not None:
                return MessageWords(title=found.title or self.title, body=found.body or self.body)
            wanted = wanted.rpartition("-")[0]
        return MessageWords(title=self.title, body=self.body)


def normal_locale(locale: str) -> str:
    """`pt_BR` and `pt-BR` are one."""
    return locale.replace("_", "-").lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCap:
    """How many messages of an app a device gets within so many days, whichever they are."""

    times: int
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageCaps:
    """Of all messages of an app: sends in a day (UTC), and to one device."""

    per_day: int = 100_000
    device: DeviceCap | None = None


MESSAGE_CAPS = MessageCaps()  # of an app that set none


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """Its audience is a segment, an expression or all registered devices; of these a share, less a part that is held
    out. Shares are in thousandths of a percent, times in seconds since the epoch."""

    id: str
    texts: tuple[MessageText, ...]  # one of a silent message, without words
    time: SendTime
    salt: str  # draws its shares and arms; different in every message
    created: float
    at: float = 0.0  # of SendTime.AT; of LOCAL what clocks show then, as if in UTC
    segment: str | None = None
    where: str | None = None
    data: Mapping[str, str] = field(default_factory=dict)
    silent: bool = False
    quiet: tuple[int, int] | None = None  # minutes of the device's day, from and to
    cap: DeviceCap | None = None
    share: int = WHOLE
    hold_out: int = 0
    ttl_seconds: int = DEFAULT_TTL_SECONDS
    expected: int = 0  # how many devices its preview stated
    cancelled: float = 0.0  # 0: it is not


def format_when(message: StoredMessage) -> str:
    """As it was said."""
    shown = datetime.fromtimestamp(message.at, UTC).strftime("%Y-%m-%d %H:%M")
    match message.time:
        case SendTime.LOCAL:
            return f"{shown} local"
        case SendTime.AT:
            return f"{shown} UTC"
        case SendTime.NOW | SendTime.BEST:
            return str(message.time.value)


def format_cap(cap: DeviceCap | None) -> str:
    """As `parse_cap` reads it; "" for none."""
    if cap is None:
        return ""
    spans = {1: "day", 7: "week", 30: "month"}
    return f"{cap.times}/{spans.get(cap.days, f'{cap.days}d')}"


def format_quiet(quiet: tuple[int, int] | None) -> str:
    return "-".join(f"{at // 60:02d}:{at % 60:02d}" for at in quiet) if quiet else ""
