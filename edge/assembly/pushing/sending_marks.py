"""The mark of a message in the store: which outbox sends it, and how far that has counted. See
`edge.push.sending_claims`."""

import secrets

import msgspec

from edge.domain.errors import Unavailable
from edge.store.objects.port import APPS_PREFIX, AlreadyExists, ObjectStore, Stale

MARK_FORMAT = 1
WRITE_BYTES = 8
RACES_LIMIT = 5  # of one mark; each time somebody else has moved it


class SendingMark(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`turn` only rises. `write` differs in each: two copies of an outbox that write at once do not write the same."""

    format: int
    outbox: str
    turn: int
    write: str


_decoder = msgspec.json.Decoder(SendingMark)


def mark_key(app: str, message: str) -> str:
    return f"{APPS_PREFIX}{app}/messages/{message}.json"


def may_move(content: bytes, outbox: str, turn: int) -> bool:
    """Whether the mark is of this outbox, before this turn. One that cannot be read is another's."""
    try:
        mark = _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return mark.format == MARK_FORMAT and mark.outbox == outbox and mark.turn < turn


def move_mark(store: ObjectStore, app: str, message: str, outbox: str, turn: int) -> bool:
    """Make the mark, or move it on; False if it is another outbox's, or another copy of this one was further. Durable
    when it returns. Blocks. Raises Unavailable."""
    key, write = mark_key(app, message), secrets.token_hex(WRITE_BYTES)
    mark = msgspec.json.encode(SendingMark(MARK_FORMAT, outbox, turn, write))
    for _ in range(RACES_LIMIT):
        try:
            held = store.get(key)
            if held is not None and not may_move(held.data, outbox, turn):
                return False
            store.create(key, mark) if held is None else store.swap(key, mark, held.tag)
        except (AlreadyExists, Stale):
            continue
        except OSError as error:
            raise Unavailable("store_unusable", f"{key} cannot be written: {error.strerror or error}") from error
        return True
    raise Unavailable("busy", f"{key} moves all the time")
