"""One line of a segment: events with the time at which this node received them, or what a worker counted.

An event is stored as this node understood it (`event`). A report (`sent`) is read by who counts, with the same result:
so a worker writes it without taking it apart. Both say from which network they came (`net`: a hash of what one holder
has, an IPv4 /24 or an IPv6 /48, with the node's own key; never the address). Counts of checks and deliveries are
`worker_records`, what the app's own code and other systems say are `app_records`, of messages `push_records`.

The segment's header states the format: reports are there since 2, counts and `net` since 3. Events are counted by the
node's clock; the device's own time stays inside the event.
"""

from hashlib import blake2b
from typing import Annotated, NamedTuple

import msgspec

from edge.domain.model import AppId, DeviceId
from edge.telemetry.spool.app_records import Milliseconds, Outcomes, OutcomesLine, Used, UsedLine
from edge.telemetry.spool.push_records import PushLine, PushRecord
from edge.telemetry.spool.worker_records import Delivered, HeardChecks
from edge.wire.actions import EXPERIMENT_OFFER
from edge.wire.body import WireError
from edge.wire.ordinary_stats import OrdinaryReport, read_events
from edge.wire.stats import BATCH_LIMIT, Event, read_device_time

_NOTHING = msgspec.Raw(b"")
# Of a network's number: 47 bits of a hash. In IPv6 these are 20 of its /32, a provider's, and 27 of the /48 within it.
NET_BITS = 48
NET_OF_IPV6 = 1 << NET_BITS - 1
NET_SITE_BITS = 27
TRUSTED_NET = 0  # of a network that the app trusts, and where none is known


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


class EventLine(NamedTuple):
    """The events of one line; `unread` more could not be read. `net` is 0 if the line names no network: the app trusts
    it, the node wrote the events itself, or a release that stored none."""

    received_ms: int  # since the epoch
    net: int
    events: tuple[Event, ...]
    unread: int = 0


class HeardLine(NamedTuple):
    """A worker's checks of one app."""

    received_ms: int
    heard: HeardChecks


class DeliveredLine(NamedTuple):
    """A worker's deliveries of one app."""

    received_ms: int
    delivered: Delivered


class UnreadLine(NamedTuple):
    """A line that is damaged, or of a kind that this release does not know."""

    events: int = 1  # that it stands for


SpoolLine = EventLine | HeardLine | DeliveredLine | UsedLine | OutcomesLine | PushLine | UnreadLine


class _Record(msgspec.Struct, omit_defaults=True, kw_only=True):
    received_ms: int
    net: int = 0
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


_Events = Annotated[int, msgspec.Meta(ge=1, le=BATCH_LIMIT)]
Net = Annotated[int, msgspec.Meta(ge=0, lt=1 << NET_BITS)]


class _StoredRecord(msgspec.Struct):
    received_ms: Milliseconds
    event: msgspec.Raw = _NOTHING
    events: _Events = 1
    sent: msgspec.Raw = _NOTHING
    heard: msgspec.Raw = _NOTHING
    delivered: msgspec.Raw = _NOTHING
    used: msgspec.Raw = _NOTHING
    outcomes: msgspec.Raw = _NOTHING
    push: msgspec.Raw = _NOTHING


class _StoredLine(msgspec.Struct):
    """A line of any kind, as this release writes them."""

    received_ms: Milliseconds
    net: Net = 0
    event: Event | None = None
    events: _Events = 1
    sent: msgspec.Raw = _NOTHING
    heard: HeardChecks | None = None
    delivered: Delivered | None = None
    used: Used | None = None
    outcomes: Outcomes | None = None
    push: PushRecord | None = None


class _LooseEvent(msgspec.Struct):
    """An event as any release may have written it, by what arithmetic needs."""

    app: str
    action: str
    device: str = ""
    version: str | None = None
    platform: str | None = None
    device_time_ms: int | None = None


class _LooseLine(msgspec.Struct):
    received_ms: Milliseconds
    event: _LooseEvent


# The last from nesting in skipped fields.
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_encoder = msgspec.json.Encoder()
_whole_decoder = msgspec.json.Decoder(_AnyRecord)
_decoder = msgspec.json.Decoder(_StoredRecord)
_line_decoder = msgspec.json.Decoder(_StoredLine)
_loose_decoder = msgspec.json.Decoder(_LooseLine)
_exposure_decoder = msgspec.json.Decoder(_StoredExposure)
_event_decoder = msgspec.json.Decoder(_StoredEvent)


def wide_network_of(net: int) -> int | None:
    """What stands for the /32 of an IPv6 network; None of another."""
    return net >> NET_SITE_BITS if net & NET_OF_IPV6 else None


def encode_record(event: Event, received: float, net: int = 0) -> bytes:
    """A line for the spool, without newline. `received` is the node's clock, in epoch seconds; `net` is 0 for an event
    that the node writes itself."""
    return _encoder.encode(_Record(received_ms=int(received * 1000), net=net, event=event))


def encode_report(report: OrdinaryReport, body: bytes, received: float, net: int) -> bytes:
    """A line for the spool with all the events of a device's `body`; `received` as above."""
    return b'{"received_ms":%d,"net":%d,"events":%d,"sent":%s}' % (int(received * 1000), net, report.events, body)


def parse_line(line: bytes) -> SpoolLine:
    """A line that any release wrote in these formats. Raises nothing."""
    try:
        stored = _line_decoder.decode(line)
    except _UNREADABLE:
        return _parse_loosely(line)
    if stored.event is not None:
        return EventLine(stored.received_ms, stored.net, (stored.event,))
    if stored.sent is not _NOTHING:
        events = _events_sent(bytes(stored.sent), stored.events)
        return EventLine(stored.received_ms, stored.net, events, 0 if events else stored.events)
    if stored.heard is not None:
        return HeardLine(stored.received_ms, stored.heard)
    if stored.delivered is not None:
        return DeliveredLine(stored.received_ms, stored.delivered)
    if stored.used is not None:
        return UsedLine(stored.received_ms, stored.used, stored.net)
    if stored.outcomes is not None:
        return OutcomesLine(stored.received_ms, stored.outcomes)
    if stored.push is not None:
        return PushLine(stored.received_ms, stored.push, stored.net)
    return UnreadLine()


def _parse_loosely(line: bytes) -> SpoolLine:
    try:
        stored = _loose_decoder.decode(line)
    except _UNREADABLE:
        return UnreadLine()
    of = stored.event
    app, device = AppId(of.app), DeviceId(of.device)
    at_ms = read_device_time(of.device_time_ms)
    event = Event(app, device, of.action, of.version or "", of.platform or "", device_time_ms=at_ms)
    return EventLine(stored.received_ms, 0, (event,))


def _events_sent(body: bytes, number: int) -> tuple[Event, ...]:
    """All the events of a report, or none: it cannot be read as it was when it was written."""
    try:
        events = read_events(body)
    except WireError:
        return ()
    return events if len(events) == number else ()


def parse_record(line: bytes) -> list[EventFacts | None]:
    """The facts of each event in a line that any release wrote in these formats; None for one that cannot be read, and
    for a line that is no such record; none in lines of other kinds."""
    try:
        record = _decoder.decode(line)
        others = (record.heard, record.delivered, record.used, record.outcomes, record.push)
        if any(each is not _NOTHING for each in others):
            return []
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
    events = _events_sent(bytes(record.sent), record.events)
    return [_facts_of(event, record.received_ms) for event in events] or [None] * record.events


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
