"""One line of a segment: an event, or a device's ordinary report in its own bytes, and when this node received it.

An event is stored as this node understood it (`event`). A report (`sent`) is read by who counts, with the same result:
so a worker writes it without taking it apart. The segment's header states the format; since format 2, there are lines
of both kinds. Events are counted by the node's clock; the device's own time stays inside the event.
"""

from hashlib import blake2b
from typing import Annotated, NamedTuple

import msgspec

from edge.wire.actions import EXPERIMENT_OFFER
from edge.wire.body import WireError
from edge.wire.ordinary_stats import OrdinaryReport, read_events
from edge.wire.stats import BATCH_LIMIT, Event

_NOTHING = msgspec.Raw(b"")
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


class _AnyRecord(msgspec.Struct):
    """A line with a whole event, or with a report."""

    received_ms: int
    event: Event | None = None
    sent: msgspec.Raw = _NOTHING


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
    event: msgspec.Raw = _NOTHING
    events: Annotated[int, msgspec.Meta(ge=1, le=BATCH_LIMIT)] = 1
    sent: msgspec.Raw = _NOTHING


# The last from nesting in skipped fields.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_encoder = msgspec.json.Encoder()
_whole_decoder = msgspec.json.Decoder(_AnyRecord)
_decoder = msgspec.json.Decoder(_StoredRecord)
_exposure_decoder = msgspec.json.Decoder(_StoredExposure)
_event_decoder = msgspec.json.Decoder(_StoredEvent)


def encode_record(event: Event, received: float) -> bytes:
    """A line for the spool, without newline. `received` is the node's clock, in epoch seconds."""
    return _encoder.encode(_Record(int(received * 1000), event))


def encode_report(report: OrdinaryReport, body: bytes, received: float) -> bytes:
    """A line for the spool with all the events of a device's `body`; `received` as above."""
    return b'{"received_ms":%d,"events":%d,"sent":%s}' % (int(received * 1000), report.events, body)


def parse_record(line: bytes) -> list[EventFacts | None]:
    """The facts of each event in a line that any release wrote in these formats; None for one that cannot be read, and
    for a line that is no such record."""
    try:
        record = _decoder.decode(line)
        if record.sent is not _NOTHING:
            return _facts_of_report(record)
        event = _event_decoder.decode(record.event)
        exposure = _exposure_of(record.event) if event.action == EXPERIMENT_OFFER else None
    except _UNREADABLE:
        return [None]
    key = None if event.device_time_ms is None else _key_of(record.event)
    platform = event.platform or ""
    return [EventFacts(record.received_ms, event.app, event.action, event.version or "", platform, key, exposure)]


def _facts_of_report(record: _StoredRecord) -> list[EventFacts | None]:
    try:
        events = read_events(bytes(record.sent))
    except WireError:
        events = ()
    if len(events) != record.events:
        return [None] * record.events
    return [_facts_of(event, record.received_ms) for event in events]


def _facts_of(event: Event, received_ms: int) -> EventFacts:
    """As of a line with this event: a report that is sent again may come as another line."""
    key = None if event.device_time_ms is None else _hash_of(_encoder.encode(event))
    return EventFacts(received_ms, event.app, event.action, event.version, event.platform, key)


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


def parse_events(line: bytes) -> list[tuple[int, Event]]:
    """When a line's events were received, in epoch milliseconds, and the whole events; none if it is no record."""
    try:
        record = _whole_decoder.decode(line)
        events = read_events(bytes(record.sent)) if record.event is None else (record.event,)
    except (*_UNREADABLE, WireError):
        return []
    return [(record.received_ms, event) for event in events]
