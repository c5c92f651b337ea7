"""Web Push (RFC 8030, 8291): a browser's subscription, what is sent to it, and what an answer means. Pure."""

import base64
import hashlib
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from edge.domain.errors import Invalid
from edge.domain.pushing.payload import PushAttempt, PushPayload
from edge.wire.providers.answers import DEAD, OURS, STOP, ProviderAnswer, WordMeaning, attempt_of, by_status
from edge.wire.providers.marks import MESSAGE_KEY

POINT_BYTES, AUTH_BYTES = 65, 16  # RFC 8291 3.1, 3.2
TOPIC_CHARACTERS = 32  # RFC 8030 5.4
SUBSCRIPTION_LIMIT = 4_096  # characters of the JSON; those of browsers have under 700

# RFC 8030 7.3, 8292 4.2. A subscription is gone with 404 and 410. It is tied to the key that it was made with, so a key
# that is refused may be this subscription's fault alone: `edge.push.providers.doubtful`.
WEBPUSH_STATUSES: Mapping[int, WordMeaning] = {
    404: WordMeaning(DEAD),
    410: WordMeaning(DEAD),
    401: WordMeaning(OURS),
    403: WordMeaning(OURS),
}


class BrowserSubscription(NamedTuple):
    """Where a browser's push service takes messages, and what they are encrypted for."""

    endpoint: str
    public: bytes  # 65, an uncompressed point of P-256
    auth: bytes  # 16


class _Keys(msgspec.Struct):
    p256dh: str
    auth: str


class _Subscription(msgspec.Struct):
    endpoint: str
    keys: _Keys


_decoder = msgspec.json.Decoder(_Subscription)


def parse_subscription(text: str) -> BrowserSubscription:
    """What `JSON.stringify(subscription)` gives in a browser. Raises Invalid `invalid_push_token`."""
    if len(text) > SUBSCRIPTION_LIMIT:
        raise _invalid(f"is longer than {SUBSCRIPTION_LIMIT} characters")
    try:
        given = _decoder.decode(text)
        public, auth = _unbase64(given.keys.p256dh), _unbase64(given.keys.auth)
    except (msgspec.DecodeError, UnicodeError, ValueError) as error:
        raise _invalid("is not the JSON of a subscription: endpoint, keys.p256dh, keys.auth") from error
    if len(public) != POINT_BYTES or public[0] != 4 or len(auth) != AUTH_BYTES:
        raise _invalid(f"has keys of {len(public)} and {len(auth)} bytes, not {POINT_BYTES} and {AUTH_BYTES}")
    return BrowserSubscription(given.endpoint, public, auth)


def encode_webpush(payload: PushPayload) -> bytes:
    """The plaintext that the app's service worker reads."""
    shown = {} if payload.silent else {"title": payload.title, "body": payload.body}
    return msgspec.json.encode({**shown, "data": payload.data, MESSAGE_KEY: payload.message_id})


def webpush_headers(payload: PushPayload) -> dict[str, str]:
    """Beside those of the encryption and the key."""
    headers = {"TTL": str(payload.ttl_seconds), "Urgency": "normal" if payload.silent else "high"}
    return headers | ({"Topic": _topic(payload.collapse)} if payload.collapse else {})


def read_webpush(answer: ProviderAnswer) -> PushAttempt:
    """Nothing in it holds for all: the endpoint, and with it who answers, is the device's choice."""
    found = WEBPUSH_STATUSES.get(answer.status, by_status(answer.status))
    verdict = OURS if found.verdict is STOP else found.verdict
    return attempt_of(answer, "", WordMeaning(verdict, of_target=verdict is OURS))


def _topic(collapse: str) -> str:
    """Any word as one that RFC 8030 takes."""
    return base64.urlsafe_b64encode(hashlib.sha256(collapse.encode()).digest()).decode()[:TOPIC_CHARACTERS]


def _unbase64(text: str) -> bytes:
    """With or without padding, as browsers differ. Raises ValueError."""
    plain = text.rstrip("=").replace("+", "-").replace("/", "_")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)


def _invalid(what: str) -> Invalid:
    return Invalid("invalid_push_token", f"the Web Push subscription {what}")
