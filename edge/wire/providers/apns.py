"""Apple's push service: headers and body of a message, and what an answer means. Pure."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from edge.domain.pushing.payload import PushAttempt, PushPayload
from edge.wire.providers.answers import (
    DEAD,
    LATER,
    OURS,
    STOP,
    TOKEN_OR_ALL,
    ProviderAnswer,
    WordMeaning,
    attempt_of,
    meaning_of,
)
from edge.wire.providers.marks import MESSAGE_KEY

LATEST_SECONDS = 4e9  # the year 2096: a later timestamp is none
UPDATES_SECONDS = 1_200.0  # tokens may be changed every 20 minutes
DEVICE_TOKEN = re.compile(r"[0-9a-fA-F]{2,200}", re.ASCII)  # 64 today; Apple says that the length may grow

# By `reason`. The topic belongs to the credentials, so a wrong one is wrong for every device.
APNS_WORDS: Mapping[str, WordMeaning] = {
    "BadDeviceToken": WordMeaning(DEAD),  # or the wrong environment: see `edge.push.providers.doubtful`
    "Unregistered": WordMeaning(DEAD),
    "ExpiredToken": WordMeaning(DEAD),
    "DeviceTokenNotForTopic": TOKEN_OR_ALL,
    "BadCollapseId": WordMeaning(OURS),
    "BadExpirationDate": WordMeaning(OURS),
    "BadMessageId": WordMeaning(OURS),
    "BadPriority": WordMeaning(OURS),
    "DuplicateHeaders": WordMeaning(OURS),
    "InvalidPushType": WordMeaning(OURS),
    "MissingDeviceToken": WordMeaning(OURS, of_target=True),
    "PayloadEmpty": WordMeaning(OURS),
    "PayloadTooLarge": WordMeaning(OURS),
    "BadPath": WordMeaning(OURS, of_target=True),
    "MethodNotAllowed": WordMeaning(OURS),
    "BadTopic": WordMeaning(STOP, whole=True),
    "MissingTopic": WordMeaning(STOP, whole=True),
    "TopicDisallowed": WordMeaning(STOP, whole=True),
    "BadCertificate": WordMeaning(STOP, whole=True),
    "BadCertificateEnvironment": WordMeaning(STOP, whole=True),
    "BadEnvironmentKeyInToken": WordMeaning(STOP, whole=True),
    "UnrelatedKeyIdInToken": WordMeaning(STOP, whole=True),
    "ExpiredProviderToken": WordMeaning(STOP, whole=True),
    "InvalidProviderToken": WordMeaning(STOP, whole=True),
    "MissingProviderToken": WordMeaning(STOP, whole=True),
    "Forbidden": WordMeaning(STOP, whole=True),
    "TooManyProviderTokenUpdates": WordMeaning(LATER, whole=True, least_seconds=UPDATES_SECONDS),
    "TooManyRequests": WordMeaning(LATER),  # to this device
    "IdleTimeout": WordMeaning(LATER),
    "InternalServerError": WordMeaning(LATER),
    "ServiceUnavailable": WordMeaning(LATER, whole=True),
    "Shutdown": WordMeaning(LATER, whole=True),
}


class _Answer(msgspec.Struct):
    reason: str = ""
    timestamp: float = 0.0  # milliseconds


_decoder = msgspec.json.Decoder(_Answer)


def encode_apns(payload: PushPayload) -> bytes:
    """Keys of the data beside `aps`, as apps read them."""
    aps: dict[str, Any] = {"content-available": 1}
    if not payload.silent:
        aps = {"alert": {"title": payload.title, "body": payload.body}, "sound": "default"}
    return msgspec.json.encode({"aps": aps, **payload.data, MESSAGE_KEY: payload.message_id})


def apns_headers(payload: PushPayload, topic: str, now: float) -> list[tuple[str, str]]:
    """Beside the method, the path and the token; `now` is in seconds since the epoch."""
    expires = int(now) + payload.ttl_seconds if payload.ttl_seconds else 0  # 0: try once
    headers = [
        ("apns-topic", topic),
        ("apns-push-type", "background" if payload.silent else "alert"),
        ("apns-priority", "5" if payload.silent else "10"),  # a background message with 10 is refused
        ("apns-expiration", str(expires)),
    ]
    return [*headers, ("apns-collapse-id", payload.collapse)] if payload.collapse else headers


def read_apns(answer: ProviderAnswer) -> PushAttempt:
    """A body that cannot be read leaves the status."""
    try:
        said = _decoder.decode(answer.body) if answer.body else _Answer()
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = _Answer()
    meaning = meaning_of(APNS_WORDS, said.reason, answer.status)
    if answer.status == 410 and said.reason not in APNS_WORDS:
        meaning = WordMeaning(DEAD)
    since = min(max(said.timestamp / 1_000, 0.0), LATEST_SECONDS) if answer.status == 410 else 0.0
    return attempt_of(answer, said.reason, meaning, dead_since=since)
