"""Firebase Cloud Messaging, HTTP v1: the body of a message, and what an answer means. Pure."""

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

QUOTA_SECONDS = 60.0  # the least wait after a quota was used up, as published
TOKEN_FIELD = "message.token"  # noqa: S105 - the name of a field

_FCM_ERROR = "type.googleapis.com/google.firebase.fcm.v1.FcmError"

# By `errorCode` of the FcmError, else by `status` of the error.
FCM_WORDS: Mapping[str, WordMeaning] = {
    "UNREGISTERED": WordMeaning(DEAD),
    "SENDER_ID_MISMATCH": WordMeaning(DEAD),  # of another project: dead for these credentials
    "INVALID_ARGUMENT": TOKEN_OR_ALL,  # unless it names what
    "QUOTA_EXCEEDED": WordMeaning(LATER, whole=True, least_seconds=QUOTA_SECONDS),
    "RESOURCE_EXHAUSTED": WordMeaning(LATER, whole=True, least_seconds=QUOTA_SECONDS),
    "UNAVAILABLE": WordMeaning(LATER, whole=True),
    "INTERNAL": WordMeaning(LATER),
    "UNAUTHENTICATED": WordMeaning(STOP, whole=True),
    "THIRD_PARTY_AUTH_ERROR": WordMeaning(STOP, whole=True),  # the APNs or web key that the project has is wrong
    "PERMISSION_DENIED": WordMeaning(STOP, whole=True),
    "NOT_FOUND": WordMeaning(STOP, whole=True),  # without an FcmError: the project is wrong, and no token is dead
}


class _Violation(msgspec.Struct):
    field: str = ""


class _Detail(msgspec.Struct):
    type: str = msgspec.field(name="@type", default="")
    error_code: str = msgspec.field(name="errorCode", default="")
    violations: list[_Violation] = msgspec.field(name="fieldViolations", default_factory=list)


class _Error(msgspec.Struct, frozen=True):
    status: str = ""
    details: list[_Detail] = []


class _Answer(msgspec.Struct):
    name: str = ""
    error: _Error = _Error()


_decoder = msgspec.json.Decoder(_Answer)


def encode_fcm(payload: PushPayload, token: str) -> bytes:
    """A visible message is a notification, a silent one data alone."""
    data = {**payload.data, MESSAGE_KEY: payload.message_id}
    message: dict[str, Any] = {"token": token, "data": data, "android": _android(payload)}
    if not payload.silent:
        message["notification"] = {"title": payload.title, "body": payload.body}
    message["apns"] = _apns(payload)
    message["webpush"] = {"headers": {"TTL": str(payload.ttl_seconds), "Urgency": "high"}}
    return msgspec.json.encode({"message": message})


def counted_fcm(payload: PushPayload) -> bytes:
    """What counts against the limit of a message."""
    shown = {} if payload.silent else {"title": payload.title, "body": payload.body}
    return msgspec.json.encode({"notification": shown, "data": {**payload.data, MESSAGE_KEY: payload.message_id}})


def read_fcm(answer: ProviderAnswer) -> PushAttempt:
    """A body that cannot be read leaves the status."""
    try:
        said = _decoder.decode(answer.body) if answer.body else _Answer()
    except (msgspec.DecodeError, UnicodeDecodeError):
        said = _Answer()
    if 200 <= answer.status < 300:
        return attempt_of(answer._replace(provider_id=said.name), "", meaning_of({}, "", answer.status))
    word = next((each.error_code for each in said.error.details if each.type == _FCM_ERROR), "") or said.error.status
    meaning = meaning_of(FCM_WORDS, word, answer.status)
    if word == "INVALID_ARGUMENT":
        meaning = _meaning_of_fields({violation.field for each in said.error.details for violation in each.violations})
    return attempt_of(answer, word, meaning)


def _meaning_of_fields(refused: set[str]) -> WordMeaning:
    """What the node sends beside the token was checked when the message was made."""
    if not refused:
        return TOKEN_OR_ALL
    return WordMeaning(DEAD if refused == {TOKEN_FIELD} else OURS)


def _android(payload: PushPayload) -> dict[str, str]:
    # High for silent ones too: with normal, a phone that dozes hears of an urgent fix hours later. FCM lowers the
    # priority of apps whose messages often show nothing, so it stays honest only while silent ones are rare.
    collapse = {"collapse_key": payload.collapse} if payload.collapse else {}
    return {"priority": "high", "ttl": f"{payload.ttl_seconds}s", **collapse}


def _apns(payload: PushPayload) -> dict[str, Any]:
    headers = {"apns-push-type": "alert", "apns-priority": "10"}
    if payload.collapse:
        headers["apns-collapse-id"] = payload.collapse
    if not payload.silent:
        return {"headers": headers}  # FCM makes the alert from the notification
    silent = {"apns-push-type": "background", "apns-priority": "5"}
    return {"headers": headers | silent, "payload": {"aps": {"content-available": 1}}}
