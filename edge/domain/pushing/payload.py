"""What goes to one device through a push provider, and what came of it. Values; the port that uses them is
`edge.push.providers.port`."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class ProviderKind(enum.Enum):
    """Who delivers."""

    FCM = "fcm"
    APNS = "apns"
    WEBPUSH = "webpush"
    WEBHOOK = "webhook"  # any other, by a receiver of one's own


@dataclass(frozen=True, slots=True, kw_only=True)
class PushPayload:
    """The same for all devices of one message. `silent`: nothing is shown, the app is woken; title and body are empty
    then. Of messages with the same `collapse`, a device that was away gets the last; "": each. `ttl_seconds`: for how
    long the provider keeps it for a device that is away; 0: not at all."""

    message_id: str
    title: str = ""
    body: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    silent: bool = False
    ttl_seconds: int = 86_400
    collapse: str = ""


class PushTarget(NamedTuple):
    """One device at one provider. `token` is what the provider's SDK gave the app; for Web Push, the JSON of the
    browser's subscription."""

    provider: ProviderKind
    token: str


class PushVerdict(enum.Enum):
    """What an attempt came to, and so what to do with the device."""

    SENT = "sent"  # the provider has it
    DEAD = "dead"  # this token will never work again: remove it
    LATER = "later"  # nothing was delivered; the same attempt may succeed later
    OURS = "ours"  # this message or this token is refused as it stands: do not repeat it, keep the token
    STOP = "stop"  # the credentials are refused: send nothing more through them until somebody has mended that
    UNKNOWN = "unknown"  # no answer came to a request that may have arrived: do not repeat it


class PushAttempt(NamedTuple):
    """What came of it.

    `code` is stable: the provider's own word (`UNREGISTERED`, `BadDeviceToken`), `http_503` where it has none, or one
    of `sent`, `no_connection`, `no_answer`. `retry_after_seconds` is what the provider asks for with LATER, or its
    published least wait; 0: the usual growing wait. `provider_id`: the provider's name for the accepted message.
    `whole`: it holds for everything that goes through these credentials, not for this device alone. `of_target`: the
    token may be why, which anyone can register: it says nothing against the message. Both: one or the other.
    `dead_since` of a DEAD: seconds since the epoch, or 0.0; a token that was registered again after it lives.
    """

    verdict: PushVerdict
    code: str
    retry_after_seconds: float = 0.0
    provider_id: str = ""
    whole: bool = False
    dead_since: float = 0.0
    of_target: bool = False
