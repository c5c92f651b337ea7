"""A device's own choice of channel: what the four verbs of `/channel_self` do (device-protocol §3). Pure.

Newer plugins keep their choice on the device and only ask whether it may be made: for them nothing is stored and what
the operator assigned is never named (§10: they would keep it for ever). For older ones the outcome says what to store.
"""

import enum
from typing import NamedTuple

from edge.domain.model import AppId, Channel, ChannelName, DeviceId, Platform
from edge.domain.snapshot import AppSnapshot


class Verb(enum.Enum):
    """Set, get and unset are POST, PUT and DELETE of the protocol; the list is GET."""

    SET = "set"
    GET = "get"
    UNSET = "unset"
    LIST = "list"


class ChannelRequest(NamedTuple):
    """A device's question, validated (device-protocol §3.2). The channels' names are the device's own words."""

    verb: Verb
    app: AppId
    device: DeviceId | None  # None: a list asked for without saying by whom
    platform: Platform
    plugin_version: str  # as the device wrote it, which may be no version
    keeps_choice: bool  # the plugin stores its choice itself (plugin-capabilities §9)
    channel: str = ""
    default_channel: str = ""
    is_prod: bool = True
    is_emulator: bool = False


class Refusal(enum.Enum):
    """Why a choice is not made: (stable code, message for a person)."""

    MISSING_CHANNEL = ("missing_channel", "Cannot find channel in body")
    UNKNOWN_APP = ("on_premise_app", "This node does not serve the app")
    CANNOT_OVERRIDE = ("cannot_override", "The device's channel is not one that it may change")
    CHANNEL_NOT_FOUND = ("channel_not_found", "Cannot find channel")
    PUBLIC_NOT_ALLOWED = ("public_channel_self_set_not_allowed", "The public channel is not open to a device's choice")
    NOT_ALLOWED = ("channel_self_set_not_allowed", "The channel is not open to a device's choice")
    NOT_STORED = ("override_not_allowed", "The choice cannot be stored now")

    @property
    def code(self) -> str:
        return self.value[0]

    @property
    def message(self) -> str:
        return self.value[1]


class Store(NamedTuple):
    """Keep `channel` as the device's choice, then say yes."""

    channel: ChannelName


class Forget(NamedTuple):
    """Drop the device's stored choice, then say yes."""


class Unchanged(NamedTuple):
    """Say yes: it is so already."""


class Allowed(NamedTuple):
    """Say yes to a plugin that keeps the choice itself."""


class Overridden(NamedTuple):
    """The device is on `channel` by its choice, or by the operator's."""

    channel: str
    may_set: bool


class Default(NamedTuple):
    """The device is on `channel` as its configuration says, or as everybody on its platform."""

    channel: str


class Listed(NamedTuple):
    """The channels open to the device, and the number of every channel of the app."""

    channels: tuple[Channel, ...]
    names: tuple[ChannelName, ...]  # of all channels, so that a number does not depend on who asks


class Refused(NamedTuple):
    reason: Refusal
    channel: str = ""  # the one asked for, where the protocol repeats it


Outcome = Store | Forget | Unchanged | Allowed | Overridden | Default | Listed | Refused


def decide_choice(app: AppSnapshot | None, request: ChannelRequest, chosen: ChannelName | None) -> Outcome:
    """The outcome of any verb, the checks in the order of device-protocol §3.2.

    `app` is None for an app this node does not serve; `chosen` is what is stored of an earlier choice of this device,
    the empty name where what was chosen has no channel any more.
    """
    if request.verb is Verb.SET and not request.channel:
        return Refused(Refusal.MISSING_CHANNEL)
    if app is None:
        return Refused(Refusal.UNKNOWN_APP)
    match request.verb:
        case Verb.SET:
            return set_channel(app, request, chosen)
        case Verb.GET:
            return get_channel(app, request, chosen)
        case Verb.UNSET:
            return unset_channel(app, request, chosen)
        case Verb.LIST:
            return list_channels(app, request)


def set_channel(app: AppSnapshot, request: ChannelRequest, chosen: ChannelName | None) -> Outcome:
    """Device-protocol §3.3. Neither the platform's flags nor the emulator's are asked, as in the protocol."""
    held = None if request.keeps_choice else override_of(app, request.device, chosen)
    if held is not None and not held.self_set:
        return Refused(Refusal.CANNOT_OVERRIDE)
    compiled = app.channels.get(ChannelName(request.channel))
    if compiled is None:
        return Refused(Refusal.CHANNEL_NOT_FOUND, request.channel)
    channel = compiled.channel
    if not channel.self_set:
        return Refused(Refusal.PUBLIC_NOT_ALLOWED if channel.public else Refusal.NOT_ALLOWED, channel.name)
    if request.keeps_choice:
        return Allowed()
    if app.public.get(request.platform) is compiled:
        return Forget() if chosen is not None else Unchanged()  # no choice leads there as well, and follows a move
    if chosen == channel.name or (chosen is None and held is channel):
        return Unchanged()
    return Store(channel.name)


def get_channel(app: AppSnapshot, request: ChannelRequest, chosen: ChannelName | None) -> Outcome:
    """Device-protocol §3.4, with one change for plugins that keep what they are told.

    The hosted service tells such a device without a `defaultChannel` that it is on "production", whatever the app's
    channels are called; the device keeps that name and has no channel from then on. Here it hears the public one's.
    """
    if request.keeps_choice:
        if request.channel:
            return Overridden(request.channel, may_set=True)
        return Default(request.default_channel) if request.default_channel else _public(app, request.platform)
    held = override_of(app, request.device, chosen)
    if held is not None:
        return Overridden(held.name, held.self_set)
    if not request.default_channel:
        return _public(app, request.platform)
    known = ChannelName(request.default_channel) in app.channels
    return Default(request.default_channel) if known else Refused(Refusal.CHANNEL_NOT_FOUND)


def unset_channel(app: AppSnapshot, request: ChannelRequest, chosen: ChannelName | None) -> Outcome:
    """Device-protocol §3.5. What the operator assigned stays, as it does for plugins that unset on the device."""
    if request.keeps_choice:
        return Unchanged()
    held = override_of(app, request.device, chosen)
    if held is not None and not held.self_set:
        return Refused(Refusal.CANNOT_OVERRIDE)
    if chosen is not None:
        return Forget()  # also one whose channel is gone: made anew, it would not be what was chosen
    return Refused(Refusal.CANNOT_OVERRIDE) if held is None else Unchanged()


def list_channels(app: AppSnapshot, request: ChannelRequest) -> Listed:
    """Device-protocol §3.6: what a device may follow or choose, by name."""
    names = tuple(sorted(app.channels))
    channels = (app.channels[name].channel for name in names)
    return Listed(tuple(channel for channel in channels if _is_open(channel, request)), names)


def override_of(app: AppSnapshot, device: DeviceId | None, chosen: ChannelName | None) -> Channel | None:
    """The channel an older plugin's device is on whatever it asks for: the operator's word, else its own choice.

    A name without a channel counts as none.
    """
    assigned = app.overrides.get(device) if device is not None else None
    for name in (assigned, chosen):
        if name is not None and name in app.channels:
            return app.channels[name].channel
    return None


def _public(app: AppSnapshot, platform: Platform) -> Outcome:
    compiled = app.public.get(platform)
    return Default(compiled.channel.name) if compiled else Refused(Refusal.CHANNEL_NOT_FOUND)


def _is_open(channel: Channel, request: ChannelRequest) -> bool:
    kind = channel.emulator if request.is_emulator else channel.device
    build = channel.prod if request.is_prod else channel.dev
    return (channel.self_set or channel.public) and channel.serves(request.platform) and kind and build
