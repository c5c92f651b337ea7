"""A device's own choice of channel: what the four verbs of `/channel_self` do (PROTOCOL.md §3). Pure.

Newer plugins keep their choice on the device and only ask whether they may make it: for them nothing is stored, and the
channel that an operator assigned is never named (§3.4: they would keep it). For older ones the outcome states what to
store. No device gets a yes to a choice that its next check would not follow.
"""

import enum
from typing import NamedTuple

from edge.domain.decision.decide import ChannelSource, resolve
from edge.domain.decision.snapshot import UNKNOWN, UNKNOWN_CHANNEL, AppSnapshot
from edge.domain.facts import DeviceFacts
from edge.domain.model import AppId, Channel, ChannelName, DeviceId, Platform, UpdateCheck


class ChannelSelfVerb(enum.Enum):
    """What the device requests. The wire maps HTTP requests to it."""

    SET = "set"
    GET = "get"
    UNSET = "unset"
    LIST = "list"


class ChannelSelfRequest(NamedTuple):
    """A validated request (PROTOCOL.md §3.2). The channels are named as the device names them, and may not exist."""

    verb: ChannelSelfVerb
    app: AppId
    device: DeviceId | None  # None: a list that no device is named for
    platform: Platform
    plugin_version: str  # as the device sent it; may be no version
    keeps_choice: bool  # the plugin stores its choice itself (PROTOCOL.md §3.1)
    channel: str = ""
    default_channel: str = ""
    is_prod: bool = True
    is_emulator: bool = False


class ChannelSelfReason(enum.Enum):
    """Why a choice is refused: (stable code, message for a person)."""

    MISSING_CHANNEL = ("missing_channel", "Cannot find channel in body")
    UNKNOWN_APP = ("on_premise_app", "This node does not serve the app")
    CANNOT_OVERRIDE = ("cannot_override", "The device's channel is not one that it may change")
    CHANNEL_NOT_FOUND = ("channel_not_found", "Cannot find channel")
    PUBLIC_NOT_ALLOWED = ("public_channel_self_set_not_allowed", "The public channel is not open to a device's choice")
    NOT_ALLOWED = ("channel_self_set_not_allowed", "The channel is not open to a device's choice")
    # The code that plugins and apps already know for a channel that exists but is not open to them.
    NOT_SERVED = ("channel_self_set_not_allowed", "The channel does not serve this kind of device or build")
    NOT_STORED = ("override_not_allowed", "The choice cannot be stored now")

    @property
    def code(self) -> str:
        return self.value[0]

    @property
    def message(self) -> str:
        return self.value[1]


class Store(NamedTuple):
    """Store `channel` as the device's choice, then accept."""

    channel: ChannelName


class Forget(NamedTuple):
    """Delete the device's stored choice, then accept."""


class Unchanged(NamedTuple):
    """Accept: nothing is to change."""


class Allowed(NamedTuple):
    """Accept; the plugin keeps the choice itself."""


class Overridden(NamedTuple):
    """The device is on `channel` by its own choice or an operator's. `may_set`: whether it could choose that itself."""

    channel: str
    may_set: bool


class Default(NamedTuple):
    """The device is on `channel` by its `defaultChannel`, or because that is public for its platform."""

    channel: str
    may_set: bool


class Listed(NamedTuple):
    """The channels open to the device, and the names of all channels of the app, for numbering them."""

    channels: tuple[Channel, ...]
    names: tuple[ChannelName, ...]  # of all channels, so that a number does not depend on the device


class ChannelSelfRefused(NamedTuple):
    """Why a channel call changes nothing; `channel` is the one that the device named, where the answer repeats it."""

    reason: ChannelSelfReason
    channel: str = ""  # the requested one, where the protocol repeats it


ChannelSelfOutcome = Store | Forget | Unchanged | Allowed | Overridden | Default | Listed | ChannelSelfRefused


def decide_choice(
    app: AppSnapshot | None, request: ChannelSelfRequest, chosen: ChannelName | None
) -> ChannelSelfOutcome:
    """The outcome of any verb, with the checks in the order of PROTOCOL.md §3.2.

    `app` is None if this node does not serve it; `chosen` is the device's stored choice, an empty name if its channel
    no longer exists.
    """
    if request.verb is ChannelSelfVerb.SET and not request.channel:
        return ChannelSelfRefused(ChannelSelfReason.MISSING_CHANNEL)
    if app is None:
        return ChannelSelfRefused(ChannelSelfReason.UNKNOWN_APP)
    match request.verb:
        case ChannelSelfVerb.SET:
            return set_channel(app, request, chosen)
        case ChannelSelfVerb.GET:
            return get_channel(app, request, chosen)
        case ChannelSelfVerb.UNSET:
            return unset_channel(app, request, chosen)
        case ChannelSelfVerb.LIST:
            return list_channels(app, request)


def set_channel(app: AppSnapshot, request: ChannelSelfRequest, chosen: ChannelName | None) -> ChannelSelfOutcome:
    """PROTOCOL.md §3.3. Accepting a choice without effect would mislead the device.

    An operator's assignment binds every plugin, and a channel whose flags exclude the device, so that the list does not
    show it (§3.6), cannot be chosen.
    """
    assigned = assigned_to(app, request.device)
    if assigned is not None and (assigned.name != request.channel or not assigned.self_set):
        return ChannelSelfRefused(ChannelSelfReason.CANNOT_OVERRIDE)
    held = None if request.keeps_choice else override_of(app, request.device, chosen)
    if held is not None and not held.self_set:
        return ChannelSelfRefused(ChannelSelfReason.CANNOT_OVERRIDE)
    compiled = app.channels.get(ChannelName(request.channel))
    if compiled is None:
        return ChannelSelfRefused(ChannelSelfReason.CHANNEL_NOT_FOUND, request.channel)
    channel = compiled.channel
    if not channel.self_set:
        return ChannelSelfRefused(
            ChannelSelfReason.PUBLIC_NOT_ALLOWED if channel.public else ChannelSelfReason.NOT_ALLOWED, channel.name
        )
    if not _serves(channel, request):
        return ChannelSelfRefused(ChannelSelfReason.NOT_SERVED, channel.name)
    if request.keeps_choice:
        return Allowed()
    if app.public.get(request.platform) is compiled and _public_is_left(app, request):
        return (
            Forget() if chosen is not None else Unchanged()
        )  # the device gets there without a choice, and follows if another channel becomes public
    if chosen == channel.name or (chosen is None and held is channel):
        return Unchanged()
    return Store(channel.name)


def get_channel(app: AppSnapshot, request: ChannelSelfRequest, chosen: ChannelName | None) -> ChannelSelfOutcome:
    """PROTOCOL.md §3.4. A device that keeps its choice may also keep the channel in this answer, so the answer names a
    channel that exists: an invented default would leave the device without one.
    """
    if request.keeps_choice:
        if request.channel:
            return Overridden(request.channel, may_set=True)
        return _default(app, request) if request.default_channel else _public(app, request.platform)
    held = override_of(app, request.device, chosen)
    if held is not None:
        return Overridden(held.name, held.self_set)
    if not request.default_channel:
        return _public(app, request.platform)
    known = ChannelName(request.default_channel) in app.channels
    return _default(app, request) if known else ChannelSelfRefused(ChannelSelfReason.CHANNEL_NOT_FOUND)


def unset_channel(app: AppSnapshot, request: ChannelSelfRequest, chosen: ChannelName | None) -> ChannelSelfOutcome:
    """PROTOCOL.md §3.5. An operator's assignment stays; while there is one, the device has no choice to take back."""
    if request.keeps_choice:
        return Unchanged()  # the plugin drops its choice whatever the answer
    if assigned_to(app, request.device) is not None:
        return ChannelSelfRefused(ChannelSelfReason.CANNOT_OVERRIDE)
    held = override_of(app, request.device, chosen)
    if chosen is None or (held is not None and not held.self_set):
        return ChannelSelfRefused(ChannelSelfReason.CANNOT_OVERRIDE)
    return Forget()  # even if its channel is gone: one created later is not what was chosen


def list_channels(app: AppSnapshot, request: ChannelSelfRequest) -> Listed:
    """PROTOCOL.md §3.6: the channels that a device may follow or choose, by name."""
    names = tuple(sorted(app.channels))
    channels = (app.channels[name].channel for name in names)
    return Listed(tuple(channel for channel in channels if _is_open(channel, request)), names)


def is_led_elsewhere(app: AppSnapshot, channel: str, check: UpdateCheck, facts: DeviceFacts) -> bool:
    """Whether a segment that does not yield would keep the device from following its choice of `channel`."""
    resolved = resolve(app, check._replace(default_channel=channel), facts)
    led = resolved.channel if resolved.source is ChannelSource.SEGMENT else None
    return led is not None and led.channel.name != channel


def assigned_to(app: AppSnapshot, device: DeviceId | None) -> Channel | None:
    """The channel of the operator's override for the device; None if there is none, or its channel does not exist."""
    name = app.overrides.get(device) if device is not None else None
    if name == UNKNOWN_CHANNEL:
        return UNKNOWN.channel
    return app.channels[name].channel if name is not None and name in app.channels else None


def override_of(app: AppSnapshot, device: DeviceId | None, chosen: ChannelName | None) -> Channel | None:
    """The channel that an older plugin's device is on: the operator's override, else its stored choice; or None."""
    assigned = assigned_to(app, device)
    if assigned is not None or chosen is None:
        return assigned
    return app.channels[chosen].channel if chosen in app.channels else None


def _default(app: AppSnapshot, request: ChannelSelfRequest) -> Default:
    compiled = app.channels.get(ChannelName(request.default_channel))
    return Default(request.default_channel, may_set=compiled is not None and compiled.channel.self_set)


def _public(app: AppSnapshot, platform: Platform) -> ChannelSelfOutcome:
    compiled = app.public.get(platform)
    if compiled is None:
        return ChannelSelfRefused(ChannelSelfReason.CHANNEL_NOT_FOUND)
    return Default(compiled.channel.name, may_set=compiled.channel.self_set)


def _public_is_left(app: AppSnapshot, request: ChannelSelfRequest) -> bool:
    """Whether a device without a choice is on the public channel, as no segment or `defaultChannel` leads elsewhere."""
    return app.leading is None and request.default_channel in ("", request.channel)


def _is_open(channel: Channel, request: ChannelSelfRequest) -> bool:
    return (channel.self_set or channel.public) and _serves(channel, request)


def _serves(channel: Channel, request: ChannelSelfRequest) -> bool:
    """Whether the channel's flags include this kind of device (PROTOCOL.md §3.6)."""
    kind = channel.emulator if request.is_emulator else channel.device
    build = channel.prod if request.is_prod else channel.dev
    return channel.serves(request.platform) and kind and build
