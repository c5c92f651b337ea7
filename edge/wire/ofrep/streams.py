"""The stream of changes: the token in its address, and its bytes (OFREP.md §6).

A browser opens a stream without any header of its own, so the address carries a token: for one app, one of its keys and
at most two turns of an hour. It is signed with a secret that every node has that serves the app, and shows neither that
secret nor the key.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import NamedTuple

from edge.wire.body import encode_json
from edge.wire.ofrep.conditions import ConfigTag

TURN_SECONDS = 3_600  # a client fetches an address at most so often anew: each turn, its condition fails once
HEARTBEAT_SECONDS = 25.0  # below the minute after which proxies and carriers end a silent connection
RETRY_MS = 3_000  # a browser comes again after it, spread over as long again by who ends the stream

HEARTBEAT = b":\n\n"

_KEY_BYTES, _FINGERPRINT_BYTES, _MAC_BYTES = 4, 8, 14  # 30 with the turn: base64 without padding
_TURN_BYTES = 4
_TOKEN_CHARACTERS = 4 * -(-(_TURN_BYTES + _KEY_BYTES + _FINGERPRINT_BYTES + _MAC_BYTES) // 3)


class StreamPass(NamedTuple):
    """What a token says: when it was made, for which key of the app, and which state of the features its client has.
    `key` and `seen` are bytes of fixed length."""

    turn: int
    key: bytes
    seen: bytes


def turn_of(now: float) -> int:
    """`now` in seconds since the epoch."""
    return int(now // TURN_SECONDS)


def key_mark(key: str) -> bytes:
    """Names a key of the app without telling it; b"" stands for no key."""
    return sha256(b"edge feature key mark\0" + key.encode()).digest()[:_KEY_BYTES]


def seen_mark(fingerprint: str) -> bytes:
    """Of a state of the features."""
    return sha256(fingerprint.encode()).digest()[:_FINGERPRINT_BYTES]


def seal_pass(given: StreamPass, app: str, secret: bytes) -> str:
    """The token: text for an address."""
    said = given.turn.to_bytes(_TURN_BYTES) + given.key + given.seen
    return urlsafe_b64encode(said + _mac(said, app, secret)).decode()


def read_pass(token: str) -> StreamPass | None:
    """What a token says, unverified: `is_genuine` needs the key's secret. None if it is none."""
    if len(token) != _TOKEN_CHARACTERS or not token.isascii():
        return None
    try:
        raw = urlsafe_b64decode(token)
    except ValueError:
        return None
    seen_from = _TURN_BYTES + _KEY_BYTES
    return StreamPass(
        int.from_bytes(raw[:_TURN_BYTES]), raw[_TURN_BYTES:seen_from], raw[seen_from : seen_from + _FINGERPRINT_BYTES]
    )


def is_genuine(token: str, app: str, secret: bytes) -> bool:
    """Whether the token was made with this secret for this app."""
    given = read_pass(token)
    return given is not None and hmac.compare_digest(seal_pass(given, app, secret), token)


def is_current(given: StreamPass, now: float) -> bool:
    """Whether it was made in this turn or the one before; one of a clock that is ahead counts, too."""
    return -1 <= turn_of(now) - given.turn <= 1


def encode_opening(jitter: float) -> bytes:
    """The first bytes of a stream; `jitter` of 0 to 1 spreads those that come again."""
    return f"retry: {int(RETRY_MS * (1 + jitter))}\n\n".encode()


def encode_change(tag: ConfigTag) -> bytes:
    """The event that has a client fetch again."""
    told = encode_json({"type": "refetchEvaluation", "etag": str(tag)})
    return b"id: %s\ndata: %s\n\n" % (str(tag).encode(), told)


def _mac(said: bytes, app: str, secret: bytes) -> bytes:
    return hmac.digest(secret, b"edge feature stream\0" + app.encode() + b"\0" + said, "sha256")[:_MAC_BYTES]
