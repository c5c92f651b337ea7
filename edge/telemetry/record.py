"""One line of a segment: an event and when this node received it. The segment's header says in which format.

The node's clock is what events are counted by; the device's own time stays inside the event.
"""

from hashlib import blake2b
from typing import Annotated, NamedTuple

import msgspec

from edge.wire.actions import EXPERIMENT_OFFER
from edge.wire.stats import Event

TIME_LIMIT_MS = 1 << 53  # exact in every JSON reader; a later time is damage


class EventFacts(NamedTuple):
    """What counting needs of a record; the raw words of a device, not yet bounded.

    `key` stands for the whole event without when it was received, in 64 bits with a sign; None where the device did not
    say when it happened.
    """

    received_ms: int
    app: str
    action: str
    version: str
    platform: str
    key: int | None = None
    exposure: int | None = None  # of a note that a device is in an arm: stands for the device and the experiment


class _Record(msgspec.Struct):
    received_ms: int
    event: Event


class _StoredEvent(msgspec.Struct):
    app: str
    action: str
    version: str | None = None
    platform: str | None = None
    device_time_ms: int | None = None


class _StoredExposure(msgspec.Struct):
    app: str
    device: str
    metadata: dict[str, str]


class _StoredRecord(msgspec.Struct):
    received_ms: Annotated[int, msgspec.Meta(ge=0, lt=TIME_LIMIT_MS)]
    event: msgspec.Raw


_encoder = msgspec.json.Encoder()
_whole_decoder = msgspec.json.Decoder(_Record)
_decoder = msgspec.json.Decoder(_StoredRecord)
_exposure_decoder = msgspec.json.Decoder(_StoredExposure)
_event_decoder = msgspec.json.Decoder(_StoredEvent)


def encode_record(event: Event, received: float) -> bytes:
    """A line for the spool, without newline. `received` is the node's clock, in epoch seconds."""
    return _encoder.encode(_Record(int(received * 1000), event))


def parse_record(line: bytes) -> EventFacts | None:
    """The facts of a line that any release wrote in this format; None when it is no such record."""
    try:
        record = _decoder.decode(line)
        event = _event_decoder.decode(record.event)
        exposure = _exposure_of(record.event) if event.action == EXPERIMENT_OFFER else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # the last from nesting in what is skipped
        return None
    key = None if event.device_time_ms is None else _key_of(record.event)
    return EventFacts(
        record.received_ms, event.app, event.action, event.version or "", event.platform or "", key, exposure
    )


def _key_of(event: msgspec.Raw) -> int:
    return _hash_of(bytes(event))


def _exposure_of(event: msgspec.Raw) -> int:
    """Raises msgspec.ValidationError for what is no such note."""
    noted = _exposure_decoder.decode(event)
    words = (noted.app, noted.metadata.get("experiment", ""), noted.metadata.get("id", ""), noted.device)
    return _hash_of("\0".join(words).encode())


def _hash_of(content: bytes) -> int:
    # No weaker hash: whoever could make two events meet could keep another device's from being counted.
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "big", signed=True)


def parse_event(line: bytes) -> tuple[int, Event] | None:
    """When a line's event was received, in epoch milliseconds, and the event with all that it says; None as above."""
    try:
        record = _whole_decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return record.received_ms, record.event
