"""Ordinary reports: `POST /stats` as nearly all devices send it, read in one strict step. Pure.

What is accepted here, `parse_stats` accepts whole, with the same events. The members that decide are checked, and the
others only for being JSON: a text that is too long or of the wrong type changes no answer. Everything that has to be
repaired, refused or looked at twice is not ordinary.
"""

import re
from collections.abc import Sequence, Set
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec

from edge.domain.errors import Invalid
from edge.domain.model import APP_ID_LIMIT, CHANNEL_NAME_LIMIT, AppId, DeviceId, parse_app_id
from edge.domain.versions import VERSION_LIMIT
from edge.wire.actions import ACTIONS
from edge.wire.fields import CUSTOM_ID_LIMIT, DEVICE_ID_LIMIT, INSTALL_SOURCE_LIMIT, KEY_ID_LIMIT
from edge.wire.plugins.capabilities import family_of
from edge.wire.stats import (
    BATCH_LIMIT,
    OS_LIMIT,
    PLATFORM_LIMIT,
    Event,
    Report,
    bounded_text,
    encode_stats_answer,
    parse_stats,
    read_device_time,
    read_metadata,
)

if TYPE_CHECKING:
    _Action = str
else:
    from typing import Literal

    _Action = Literal[tuple(sorted(ACTIONS))]

# In one case throughout: who looks for a device in these bytes has two spellings to look for.
_DEVICE_ID = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}"
)
# An event of a device has two levels. Who counts reads the body within a line, with a stack of its own: what is deeper
# than this might be read here and not there. Far below the interpreter's 1,000, which a stack takes part of.
LEVELS_LIMIT = 64
APP_IDS_KEPT = 1_024  # that were checked, 0.3 MB: reports of one app come one after the other

_NOTHING = msgspec.Raw(b"")


class OrdinaryReport(NamedTuple):
    """A whole request whose events are all accepted; `events` is their number. The body has no line end, and spells
    `app` and all devices without escapes. Whether there is such an app is not known here."""

    app: AppId
    events: int
    actions: frozenset[str]
    batch: bool


class _Decisive(msgspec.Struct, gc=False):
    """The members that decide whether an event is accepted."""

    app_id: Annotated[str, msgspec.Meta(min_length=1, max_length=APP_ID_LIMIT)]
    device_id: Annotated[str, msgspec.Meta(min_length=DEVICE_ID_LIMIT, max_length=DEVICE_ID_LIMIT)]
    action: _Action
    platform: Annotated[str, msgspec.Meta(min_length=1, max_length=PLATFORM_LIMIT)]
    version_name: Annotated[str, msgspec.Meta(max_length=VERSION_LIMIT)] | None = None
    is_prod: bool | None = None
    is_emulator: bool | None = None


class _Whole(_Decisive, gc=False):
    """And those that describe it, with the types that they usually have."""

    old_version_name: str | None = None
    plugin_version: str | None = None
    version_build: str | None = None
    custom_id: str | None = None
    defaultChannel: str | None = None
    install_source: str | None = None
    version_os: str | None = None
    key_id: str | None = None
    timestamp: int | float | None = None
    metadata: msgspec.Raw = _NOTHING


_decisive, _all_decisive = msgspec.json.Decoder(_Decisive), msgspec.json.Decoder(list[_Decisive])
_whole, _all_whole = msgspec.json.Decoder(_Whole), msgspec.json.Decoder(list[_Whole])
_apart = msgspec.json.Decoder(list[msgspec.Raw])
_NOT_READ = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # the last from nesting in skipped members


def read_ordinary(body: bytes) -> OrdinaryReport | None:
    """The report; None if it is not ordinary. Takes about a microsecond for each event."""
    batch = body.startswith(b"[")
    try:
        events = _all_decisive.decode(body) if batch else [_decisive.decode(body)]
    except _NOT_READ:
        return None
    devices = {event.device_id for event in events}
    if b"\n" in body or not _are_accepted(events, devices) or not _is_flat(body, len(events)):
        return None
    app = events[0].app_id
    if b"\\" in body and not all(name.encode() in body for name in (app, *devices)):
        return None
    return OrdinaryReport(AppId(app), len(events), frozenset([event.action for event in events]), batch)


def read_events(body: bytes) -> tuple[Event, ...]:
    """The events of `parse_stats(body)`, sooner if they are ordinary. Raises WireError."""
    try:
        sent = _all_whole.decode(body) if body.startswith(b"[") else [_whole.decode(body)]
    except _NOT_READ:
        sent = []
    if _are_accepted(sent, {event.device_id for event in sent}):
        return tuple(map(_event_of, sent))
    return parse_stats(body).events


def encode_accepted(report: OrdinaryReport) -> bytes:
    """The body of the report's 200, as `encode_stats_answer` makes it."""
    return _ALL_OK[: _ENDS[report.events - 1]] + b"]}" if report.batch else _OK


def _is_flat(body: bytes, events: int) -> bool:
    """Whether none of the events can be nested beyond the limit. Brackets in texts are counted as well: an event with
    many of them is not ordinary either."""
    if _brackets(body) < LEVELS_LIMIT + events:  # each event has one of its own
        return True
    try:
        apart = _apart.decode(body) if body.startswith(b"[") else [body]
    except _NOT_READ:  # a frame deeper than the first look
        return False
    return all(_brackets(bytes(event)) <= LEVELS_LIMIT for event in apart)


def _brackets(text: bytes) -> int:
    # Four times faster than `count`: what is deleted is found by memchr.
    return 2 * len(text) - len(text.replace(b"{", b"")) - len(text.replace(b"[", b""))


def _are_accepted(events: Sequence[_Decisive], devices: Set[str]) -> bool:
    """What the decoder cannot check; `devices` are those of the events."""
    if not 0 < len(events) <= BATCH_LIMIT or not all(map(_DEVICE_ID.fullmatch, devices)):
        return False
    return len({event.app_id for event in events}) == 1 and _is_app_id(events[0].app_id)


@lru_cache(APP_IDS_KEPT)
def _is_app_id(text: str) -> bool:
    try:
        parse_app_id(text)
    except Invalid:
        return False
    return True


def _event_of(sent: _Whole) -> Event:
    plugin = sent.plugin_version or ""
    family = family_of(plugin)
    return Event(
        app=AppId(sent.app_id),
        device=DeviceId(sent.device_id.lower()),
        action=sent.action,
        version=sent.version_name or "",
        platform=family.value if family else sent.platform,
        old_version=bounded_text(sent.old_version_name, VERSION_LIMIT),
        plugin=bounded_text(plugin, VERSION_LIMIT),
        native=bounded_text(sent.version_build, VERSION_LIMIT),
        is_prod=sent.is_prod is not False,
        is_emulator=sent.is_emulator is True,
        custom_id=bounded_text(sent.custom_id, CUSTOM_ID_LIMIT),
        default_channel=bounded_text(sent.defaultChannel, CHANNEL_NAME_LIMIT),
        install_source=bounded_text(sent.install_source, INSTALL_SOURCE_LIMIT).lower(),
        os=bounded_text(sent.version_os, OS_LIMIT),
        key_id=bounded_text(sent.key_id, KEY_ID_LIMIT),
        device_time_ms=read_device_time(sent.timestamp),
        metadata={} if sent.metadata is _NOTHING else read_metadata(sent.metadata),
    )


_OK = encode_stats_answer(Report((), (), batch=False))
_ALL_OK = encode_stats_answer(Report((), (None,) * BATCH_LIMIT, batch=True))
_ENDS = [found.end() for found in re.finditer(rb'"index":\d+}', _ALL_OK)]  # of each event's own result
