"""What a message and a device's token must be for each provider, checked when they are made. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence

from edge.domain.errors import Invalid, TooLarge
from edge.domain.pushing.payload import ProviderKind, PushPayload, PushTarget
from edge.wire.providers.apns import DEVICE_TOKEN, encode_apns
from edge.wire.providers.endpoints import endpoint_fault
from edge.wire.providers.fcm import counted_fcm
from edge.wire.providers.marks import RESERVED_PREFIX
from edge.wire.providers.webhook import encode_push_webhook
from edge.wire.providers.webpush import encode_webpush, parse_subscription

FCM_LIMIT_BYTES = 4_096
APNS_LIMIT_BYTES = 4_096
WEBPUSH_LIMIT_BYTES = 3_993  # RFC 8291 4: 4,096 of body, less 86 of header, 1 of delimiter and 16 of tag
WEBHOOK_LIMIT_BYTES = 16_384  # of ours: what others take, and room
TTL_LIMIT_SECONDS = 2_419_200  # 28 days: FCM's, the least of all
COLLAPSE_LIMIT_BYTES = 64  # APNs'
DATA_KEYS_LIMIT = 64
DATA_KEY_LIMIT = 128  # characters
TOKEN_LIMIT = 4_096  # characters; FCM's have some 160, and may grow

_KEY = re.compile(rf"[A-Za-z][A-Za-z0-9_.-]{{0,{DATA_KEY_LIMIT - 1}}}", re.ASCII)
_TOKEN = re.compile(rf"[!-~]{{1,{TOKEN_LIMIT}}}", re.ASCII)
_COLLAPSE = re.compile(rf"[!-~]{{0,{COLLAPSE_LIMIT_BYTES}}}", re.ASCII)

# Words that providers keep for themselves. FCM refuses the message; APNs would take `aps` for its own.
_RESERVED = re.compile(r"from|notification|message_type|collapse_key|aps|gcm.*|google.*", re.ASCII)

_SIZES: Mapping[ProviderKind, tuple[Callable[[PushPayload], bytes], int]] = {
    ProviderKind.FCM: (counted_fcm, FCM_LIMIT_BYTES),
    ProviderKind.APNS: (encode_apns, APNS_LIMIT_BYTES),
    ProviderKind.WEBPUSH: (encode_webpush, WEBPUSH_LIMIT_BYTES),
    ProviderKind.WEBHOOK: (lambda payload: encode_push_webhook(payload, "", ""), WEBHOOK_LIMIT_BYTES),
}


def check_payload(kind: ProviderKind, payload: PushPayload) -> None:
    """Raises Invalid `invalid_message`, `invalid_message_data`, TooLarge `message_too_large`."""
    if payload.silent and (payload.title or payload.body):
        raise Invalid("invalid_message", "a silent message shows nothing: leave title and body out")
    if not payload.silent and not payload.title and not payload.body:
        raise Invalid("invalid_message", "a message needs a title or a body, or to be silent")
    if not 0 <= payload.ttl_seconds <= TTL_LIMIT_SECONDS:
        raise Invalid("invalid_message", f"a provider keeps a message for 0 to {TTL_LIMIT_SECONDS} s")
    if not _COLLAPSE.fullmatch(payload.collapse):
        raise Invalid(
            "invalid_message", f"invalid collapse word: use up to {COLLAPSE_LIMIT_BYTES} printable ASCII characters"
        )
    _check_data(payload.data)
    encode, limit_bytes = _SIZES[kind]
    size_bytes = len(encode(payload))
    if size_bytes > limit_bytes:
        raise TooLarge(
            "message_too_large",
            f"the message has {size_bytes} bytes for {kind.value}, which takes {limit_bytes}: shorten its text or data",
        )


def parse_target(kind: ProviderKind, token: str, webpush_hosts: Sequence[str] = ()) -> PushTarget:
    """What a device says that it can be reached by. `webpush_hosts` are allowed beside the big browsers' own. Raises
    Invalid `invalid_push_token`, which repeats nothing of it."""
    fault = target_fault(kind, token, webpush_hosts)
    if fault:
        raise Invalid("invalid_push_token", f"the {kind.value} token {fault}")
    return PushTarget(kind, token)


def target_fault(kind: ProviderKind, token: str, webpush_hosts: Sequence[str] = ()) -> str:
    """What is wrong with it; "" if nothing is."""
    if kind is ProviderKind.APNS:
        fits = DEVICE_TOKEN.fullmatch(token) is not None and len(token) % 2 == 0
        return "" if fits else "is not hexadecimal: send it as 64 digits"
    if kind is ProviderKind.WEBPUSH:
        try:
            return endpoint_fault(parse_subscription(token).endpoint, webpush_hosts)
        except Invalid as error:
            return error.message
    return "" if _TOKEN.fullmatch(token) else f"is not 1 to {TOKEN_LIMIT} printable ASCII characters"


def _check_data(data: Mapping[str, str]) -> None:
    if len(data) > DATA_KEYS_LIMIT:
        raise Invalid("invalid_message_data", f"a message's data has up to {DATA_KEYS_LIMIT} keys, not {len(data)}")
    for key in data:
        if not _KEY.fullmatch(key):
            raise Invalid(
                "invalid_message_data",
                f"invalid key {key[:DATA_KEY_LIMIT]!r} in the data: use letters, digits, '_', '.' and '-', "
                "and a letter first",
            )
        if _RESERVED.fullmatch(key) or key.startswith(RESERVED_PREFIX):
            raise Invalid("invalid_message_data", f"the key {key!r} in the data is reserved: choose another")
