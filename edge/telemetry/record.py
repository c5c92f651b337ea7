"""One line of a segment: an event and when this node received it. The segment's header states the format.

Events are counted by the node's clock; the device's own time stays inside the event.
"""

from hashlib import blake2b
from typing import Annotated, NamedTuple

import msgspec

from edge.wire.actions import EXPERIMENT_OFFER
from edge.wire.stats import Event

TIME_LIMIT_MS = 1 << 53  # exact in every JSON reader; a later time is damage


class EventFacts(NamedTuple):
    """What counting needs of a record, in the device's own words, not yet bounded.

    `key` is a signed 64-bit hash of the whole event without its time of receipt; None if the device did not state when
    the event happened.
    """

    received_ms: int  # since the epoch
    app: str
    action: str
    version: str
    platform: str
    key: int | None = None
    exposure: int | None = None  # for a note that a device is in an arm: a hash of device and experiment


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
    """The facts of a line that any release wrote in this format; None if it is not such a record."""
    try:
        record = _decoder.decode(line)
        event = _event_decoder.decode(record.event)
        exposure = _exposure_of(record.event) if event.action == EXPERIMENT_OFFER else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # the last from nesting in skipped fields
        return None
    key = None if event.device_time_ms is None else _key_of(record.event)
    return EventFacts(
        record.received_ms, event.app, event.action, event.version or "", event.platform or "", key, exposure
    )


def _key_of(event: msgspec.Raw) -> int:
    return _hash_of(bytes(event))


def _exposure_of(event: msgspec.Raw) -> int:
    """Raises msgspec.ValidationError if the event is not such a note."""
    noted = _exposure_decoder.decode(event)
    words = (noted.app, noted.metadata.get("experiment", ""), noted.metadata.get("id", ""), noted.device)
    return _hash_of("\0".join(words).encode())


def _hash_of(content: bytes) -> int:
    # No weaker hash: with a collision, an attacker could keep another device's event from being counted.
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "big", signed=True)


def parse_event(line: bytes) -> tuple[int, Event] | None:
    """When a line's event was received, in epoch milliseconds, and the whole event; None if it is not such a record."""
    try:
        record = _whole_decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return record.received_ms, record.event
