"""Lines of segments as counting reads them: in one step, and nothing of them that it does not need.

What is read here, `parse_line` reads to the same effect, ten times slower: it makes whole events, and repairs what a
device wrote in another way than others do. It is asked about every line that cannot be read here.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Protocol

import msgspec

from edge.telemetry.spool.app_records import Milliseconds, Outcomes, OutcomesLine, Used, UsedLine
from edge.telemetry.spool.push_records import PushLine, PushRecord
from edge.telemetry.spool.record import DeliveredLine, EventLine, HeardLine, Net, parse_line
from edge.telemetry.spool.worker_records import Delivered, HeardChecks
from edge.wire.actions import ACTIONS
from edge.wire.stats import DEVICE_TIME_LIMIT_MS, DeviceTime

if TYPE_CHECKING:
    _Action = str
else:
    from typing import Literal

    _Action = Literal[tuple(sorted(ACTIONS))]  # `download_130` has to be repaired

_NOTHING = msgspec.Raw(b"")


class ToldEvent(Protocol):
    """What counting needs of an event; None is a member that was not sent. One whose version is that of its native app
    runs what came with it: newer plugins call that so."""

    @property
    def app(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def version(self) -> str | None: ...
    @property
    def platform(self) -> str | None: ...
    @property
    def native(self) -> str | None: ...
    @property
    def old_version(self) -> str | None: ...
    @property
    def plugin(self) -> str | None: ...
    @property
    def os(self) -> str | None: ...
    @property
    def custom_id(self) -> str | None: ...
    @property
    def is_prod(self) -> bool | None: ...
    @property
    def is_emulator(self) -> bool | None: ...
    @property
    def device_time_ms(self) -> int | None: ...
    @property
    def default_channel(self) -> str | None: ...
    @property
    def install_source(self) -> str | None: ...
    @property
    def key_id(self) -> str | None: ...


_SENT_NAMES = {
    "app": "app_id",
    "device": "device_id",
    "version": "version_name",
    "old_version": "old_version_name",
    "native": "version_build",
    "plugin": "plugin_version",
    "os": "version_os",
    "device_time_ms": "timestamp",
    "default_channel": "defaultChannel",
}


class _SentEvent(msgspec.Struct, gc=False, rename=_SENT_NAMES):
    app: str
    device: str
    action: _Action
    platform: str
    version: str | None = None
    native: str | None = None
    old_version: str | None = None
    plugin: str | None = None
    os: str | None = None
    custom_id: str | None = None
    is_prod: bool | None = None
    is_emulator: bool | None = None
    device_time_ms: Annotated[int, msgspec.Meta(gt=0, le=DEVICE_TIME_LIMIT_MS)] | None = None
    default_channel: str | None = None
    install_source: str | None = None
    key_id: str | None = None


class _StoredTold(msgspec.Struct, gc=False):
    app: str
    action: str
    device: str = ""
    version: str | None = None
    platform: str | None = None
    native: str = ""
    old_version: str = ""
    plugin: str = ""
    os: str = ""
    custom_id: str = ""
    is_prod: bool = True
    is_emulator: bool = False
    device_time_ms: DeviceTime | None = None
    metadata: msgspec.Raw = _NOTHING
    default_channel: str = ""
    install_source: str = ""
    key_id: str = ""


class _Read(msgspec.Struct, gc=False):
    received_ms: Milliseconds
    net: Net = 0
    event: _StoredTold | None = None
    events: int = 1
    sent: _SentEvent | list[_SentEvent] | None = None
    heard: HeardChecks | None = None
    delivered: Delivered | None = None
    used: Used | None = None
    outcomes: Outcomes | None = None
    push: PushRecord | None = None


class FoldedLine(msgspec.Struct, gc=False):
    """One of its kinds; or `unread` events that cannot be read. `net` is the network of its events."""

    received_ms: int
    events: Sequence[ToldEvent] = ()
    heard: HeardChecks | None = None
    delivered: Delivered | None = None
    used: Used | None = None
    outcomes: Outcomes | None = None
    unread: int = 0
    net: int = 0
    push: PushRecord | None = None


_decoder = msgspec.json.Decoder(_Read)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def parse_folded(line: bytes) -> FoldedLine:
    """Raises nothing."""
    try:
        read = _decoder.decode(line)
    except _UNREADABLE:
        return _parse_slowly(line)
    if read.sent is not None:
        sent = read.sent
        events = sent if isinstance(sent, list) else (sent,)
        if len(events) != read.events:
            return _parse_slowly(line)
        return FoldedLine(read.received_ms, events, net=read.net)
    if read.event is not None:
        return FoldedLine(read.received_ms, (read.event,), net=read.net)
    heard, delivered, used, outcomes = read.heard, read.delivered, read.used, read.outcomes
    unread = 0 if heard or delivered or used or outcomes or read.push else 1
    return FoldedLine(read.received_ms, (), heard, delivered, used, outcomes, unread, read.net, read.push)


def _parse_slowly(line: bytes) -> FoldedLine:
    found = parse_line(line)
    if isinstance(found, EventLine):
        return FoldedLine(found.received_ms, found.events, unread=found.unread, net=found.net)
    if isinstance(found, HeardLine):
        return FoldedLine(found.received_ms, heard=found.heard)
    if isinstance(found, DeliveredLine):
        return FoldedLine(found.received_ms, delivered=found.delivered)
    if isinstance(found, UsedLine):
        return FoldedLine(found.received_ms, used=found.used, net=found.net)
    if isinstance(found, OutcomesLine):
        return FoldedLine(found.received_ms, outcomes=found.outcomes)
    if isinstance(found, PushLine):
        return FoldedLine(found.received_ms, push=found.push, net=found.net)
    return FoldedLine(0, unread=found.events)
