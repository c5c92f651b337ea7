"""A message to a receiver of one's own, which delivers it: what it gets, and what its answer means. Pure."""

import hashlib
from collections.abc import Mapping

import msgspec

from edge.domain.pushing.payload import PushAttempt, PushPayload
from edge.wire.providers.answers import DEAD, LATER, TOKEN_OR_ALL, ProviderAnswer, WordMeaning, attempt_of, by_status

# What a receiver says of a token that it does not understand is not known: so its 4xx and 5xx may be the token's fault.
WEBHOOK_STATUSES: Mapping[int, WordMeaning] = {
    410: WordMeaning(DEAD),  # of the device, not of the receiver: PROTOCOL in config/MESSAGES.md
    403: TOKEN_OR_ALL,
}


class _Push(msgspec.Struct, omit_defaults=True):
    type: str
    version: int
    app: str
    message: str
    device_token: str
    silent: bool
    ttl_seconds: int
    data: Mapping[str, str]
    title: str = ""
    body: str = ""
    collapse: str = ""


def encode_push_webhook(payload: PushPayload, app: str, token: str) -> bytes:
    """Version 1; fields that are empty are left out."""
    return msgspec.json.encode(
        _Push(
            type="push",
            version=1,
            app=app,
            message=payload.message_id,
            device_token=token,
            silent=payload.silent,
            ttl_seconds=payload.ttl_seconds,
            data=payload.data,
            title=payload.title,
            body=payload.body,
            collapse=payload.collapse,
        )
    )


def push_webhook_id(payload: PushPayload, token: str) -> str:
    """The same for the same message to the same device, so that a receiver can recognise a repeat."""
    return f"{payload.message_id}.{hashlib.sha256(token.encode()).hexdigest()[:16]}"


def read_push_webhook(answer: ProviderAnswer) -> PushAttempt:
    meaning = WEBHOOK_STATUSES.get(answer.status, by_status(answer.status))
    if meaning.verdict is LATER and meaning.whole:
        meaning = meaning._replace(of_target=True)
    return attempt_of(answer, "", meaning)
