"""Channels of an app and the devices overridden to them: create, change, roll back, delete, override."""

from dataclasses import replace
from typing import Any

from msgspec import UNSET

from edge.domain.changes.commands import (
    ChannelSettings,
    ClearOverride,
    CreateChannel,
    DeleteChannel,
    Replacing,
    RollBack,
    SetChannel,
    SetOverride,
)
from edge.domain.changes.replacing import check_current, current_offer, make_way, with_nothing_on_its_way
from edge.domain.errors import Conflict, Invalid, NotFound
from edge.domain.model import (
    BUILTIN,
    AppState,
    Channel,
    Platform,
    Rollout,
    VersionName,
    parse_channel_name,
    parse_device_id,
)
from edge.domain.schedule.durations import format_duration, format_moment
from edge.domain.schedule.rollout import Move, move
from edge.domain.schedule.windows import canonical_windows
from edge.domain.states import channel_of, is_offerable, last_good, named, offerable, with_entry, without_entry
from edge.domain.targeting.partial_overrides import with_override, without_override

CHANNEL_LIMIT = 1_000  # an app; every worker holds all of them compiled
OVERRIDE_LIMIT = 100_000  # an app; overrides are for single devices, segments for many
EARLIER_LIMIT = 20  # bundles a channel can fall back to
SPREAD_LIMIT_SECONDS = 7 * 86_400  # what takes longer is a rollout

_Command = CreateChannel | SetChannel | DeleteChannel | RollBack | SetOverride | ClearOverride


def carry_out(state: AppState, command: _Command, at: float) -> AppState:
    """The state after the command. `at` is in seconds since the epoch. Raises Invalid, NotFound, Conflict, and
    Unavailable `overrides_lost`."""
    match command:
        case CreateChannel():
            return _create(state, command, at)
        case SetChannel():
            channel = channel_of(state, command.name)
            return change_channel(state, channel, command.settings, at, command, replace_public=command.replace)
        case DeleteChannel():
            return _delete(state, command)
        case RollBack():
            return _roll_back(state, command, at)
        case SetOverride():
            return _set_override(state, command)
        case ClearOverride():
            return _clear_override(state, command)


def _create(state: AppState, command: CreateChannel, at: float) -> AppState:
    name = parse_channel_name(command.name)
    if name in state.channels:
        raise Conflict("channel_exists", f"channel {name!r} already exists in app {state.app!r}")
    if len(state.channels) >= CHANNEL_LIMIT:
        raise Conflict("too_many_channels", f"app {state.app!r} has reached the limit of {CHANNEL_LIMIT} channels")
    created = Channel(name=name)
    state = replace(state, channels=with_entry(state.channels, name, created))
    return change_channel(state, created, command.settings, at, Replacing(), replace_public=command.replace)


def change_channel(
    state: AppState,
    channel: Channel,
    settings: ChannelSettings,
    at: float,
    terms: Replacing,
    *,
    replace_public: bool = False,
) -> AppState:
    """Raises as `offerable` and `check_terms`, Conflict `public_channel_exists`, and Invalid `invalid_window`,
    `too_many_windows` or `invalid_spread`. `replace_public`: take the platforms from the public channel that has
    them."""
    wanted = _wanted(settings)
    bundle = wanted.pop("bundle", None)
    if bundle is None:
        check_current(current_offer(state, channel), None, terms)
    changed = replace(channel, **wanted)
    if bundle is not None:
        changed = _with_bundle(state, changed, bundle, at, terms)
    if changed == channel:
        return state
    channels = dict(state.channels)
    for other in _rivals(state, changed):
        if not replace_public:
            raise Conflict(
                "public_channel_exists",
                f"channel {other.name!r} is already public for {named('platform', _shared(other, changed))}; "
                "to take over, replace it explicitly",
            )
        channels[other.name] = _yield_to(other, changed)
    channels[changed.name] = changed
    return replace(state, channels=channels)


def _wanted(settings: ChannelSettings) -> dict[str, Any]:
    """The settings that are given, checked."""
    wanted = {name: value for name in settings.__struct_fields__ if (value := getattr(settings, name)) is not UNSET}
    if windows := wanted.get("windows"):
        wanted["windows"] = canonical_windows(windows)
    if not 0 <= wanted.get("spread_seconds", 0) <= SPREAD_LIMIT_SECONDS:
        raise Invalid("invalid_spread", f"the spread must be between 0 and {format_duration(SPREAD_LIMIT_SECONDS)}")
    return wanted


def _with_bundle(state: AppState, channel: Channel, bundle: str, at: float, terms: Replacing) -> Channel:
    if bundle == channel.bundle:
        return channel
    wanted = _builtin_or_version(state, bundle)
    return offering(make_way(state, channel, wanted, terms, at), wanted, at)


def offering(channel: Channel, bundle: VersionName, at: float, *, back: bool = False) -> Channel:
    """The channel with another bundle for all devices. It can fall back to the one so far, unless this is a way `back`,
    as it always is to builtin and to what the channel offered before. A rollout of this very bundle is promoted.
    """
    if bundle in channel.earlier:
        back, earlier = True, channel.earlier[: channel.earlier.index(bundle)]
    elif back or bundle == BUILTIN or channel.bundle in (None, BUILTIN):
        back, earlier = back or bundle == BUILTIN, channel.earlier
    else:
        earlier = (*channel.earlier, VersionName(str(channel.bundle)))[-EARLIER_LIMIT:]
    return replace(
        channel,
        bundle=bundle,
        changed=at,
        rolled_back=back,
        earlier=earlier,
        rollout=_arrived(channel.rollout, bundle, at),
    )


def _arrived(rollout: Rollout | None, bundle: VersionName, at: float) -> Rollout | None:
    if rollout is None or rollout.bundle != bundle or not rollout.phase.is_active:
        return rollout
    return move(rollout, Move.PROMOTE, at)


def _roll_back(state: AppState, command: RollBack, at: float) -> AppState:
    channel = channel_of(state, command.channel)
    after = with_nothing_on_its_way(channel, at)
    if command.to is not None:
        wanted = _builtin_or_version(state, command.to)
        after = after if wanted == channel.bundle else offering(after, wanted, at, back=True)
    elif after is channel:
        good = last_good(state, channel)
        if good is None:
            raise Conflict("nothing_to_roll_back_to", _no_good_one(state, channel))
        after = offering(channel, good, at)
    return state if after is channel else replace(state, channels=with_entry(state.channels, after.name, after))


def _no_good_one(state: AppState, channel: Channel) -> str:
    """That no last good bundle is left, and what can be offered anyway."""
    said = f"no earlier good bundle is left for channel {channel.name!r}"
    again = (each for each in reversed(channel.taken_back) if is_offerable(state, each.bundle))
    left = next(again, None)
    if left is None:
        return f"{said}; name a version, or builtin (`edge rollback {state.app} {channel.name} --to V`)"
    return (
        f"{said}; to offer {left.bundle} again, which was rolled back at {format_moment(left.at)}: `edge rollback "
        f"{state.app} {channel.name} --to {left.bundle}`; or name another version, or builtin"
    )


def _builtin_or_version(state: AppState, name: str) -> VersionName:
    return BUILTIN if name == BUILTIN else offerable(state, name).version


def _rivals(state: AppState, channel: Channel) -> list[Channel]:
    """Public channels that share a platform with `channel`, if that is public: a platform has at most one."""
    if not channel.public:
        return []
    others = (other for other in state.channels.values() if other.public and other.name != channel.name)
    return sorted((other for other in others if _shared(other, channel)), key=lambda other: other.name)


def _shared(one: Channel, other: Channel) -> list[str]:
    return [platform.value for platform in Platform if one.serves(platform) and other.serves(platform)]


def _yield_to(old: Channel, new: Channel) -> Channel:
    """The old public channel gives up the platforms that the new one takes, and stays public for the others, which
    would otherwise be left without a channel."""
    shared = _shared(old, new)
    kept = {platform for platform in Platform if old.serves(platform) and platform.value not in shared}
    if not kept:
        return replace(old, public=False)
    return replace(
        old,
        ios=Platform.IOS in kept,
        android=Platform.ANDROID in kept,
        electron=Platform.ELECTRON in kept,
    )


def _delete(state: AppState, command: DeleteChannel) -> AppState:
    channel = channel_of(state, command.name)
    if with_nothing_on_its_way(channel, channel.changed) is not channel:
        raise Conflict(
            "channel_in_use",
            f"channel {channel.name!r} has a rollout or an experiment in progress: end it first "
            f"(`edge rollback {state.app} {channel.name}`)",
        )
    held = sum(1 for name in state.overrides.values() if name == channel.name)
    if held:
        raise Conflict(
            "channel_in_use", f"channel {channel.name!r} is the override of {held} device(s); clear these first"
        )
    leading = sorted(segment.name for segment in state.segments.values() if segment.channel == channel.name)
    if leading:
        raise Conflict("channel_in_use", f"channel {channel.name!r} is the target of {named('segment', leading)}")
    return replace(state, channels=without_entry(state.channels, channel.name))


def _set_override(state: AppState, command: SetOverride) -> AppState:
    device = parse_device_id(command.device)
    channel = channel_of(state, command.channel)
    if state.overrides.get(device) == channel.name:
        return state
    if device not in state.overrides and len(state.overrides) >= OVERRIDE_LIMIT:
        raise Conflict("too_many_overrides", f"app {state.app!r} has reached the limit of {OVERRIDE_LIMIT} overrides")
    return replace(state, overrides=with_override(state.overrides, device, channel.name))


def _clear_override(state: AppState, command: ClearOverride) -> AppState:
    device = parse_device_id(command.device)
    if device not in state.overrides:
        raise NotFound("unknown_override", f"device {device!r} has no override in app {state.app!r}")
    return replace(state, overrides=without_override(state.overrides, device))
