"""Every change people make to an app, and the one function that carries it out.

`apply(state, change)` is pure: the same state and change give the same next state on every node. It refuses what
would leave a state that is not valid, and knows a change that it has already seen by its id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from edge.domain.errors import Conflict, Invalid, NotFound
from edge.domain.model import (
    BUILTIN,
    AppState,
    Bundle,
    Channel,
    ChannelName,
    Encryption,
    Platform,
    Policy,
    Retired,
    VersionName,
    parse_app_id,
    parse_channel_name,
    parse_device_id,
    parse_version_name,
)
from edge.domain.versions import parse_version

CHANNEL_LIMIT = 1_000  # an app; every worker holds all of them compiled
OVERRIDE_LIMIT = 100_000  # an app; overrides are for named devices, segments are for crowds
RECENT_LIMIT = 256  # command ids an app remembers; a retry comes within seconds, not hundreds of changes later
COMMAND_ID_LIMIT = 64  # characters
LINK_LIMIT = 2_048  # characters; it travels in every offer
COMMENT_LIMIT = 4_096  # characters; likewise

K = TypeVar("K")
V = TypeVar("V")


class ChannelSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What to change of a channel; what is UNSET stays. `bundle` is a version or `builtin`."""

    bundle: str | UnsetType = UNSET
    public: bool | UnsetType = UNSET
    self_set: bool | UnsetType = UNSET
    ios: bool | UnsetType = UNSET
    android: bool | UnsetType = UNSET
    electron: bool | UnsetType = UNSET
    emulator: bool | UnsetType = UNSET
    device: bool | UnsetType = UNSET
    dev: bool | UnsetType = UNSET
    prod: bool | UnsetType = UNSET
    policy: Policy | UnsetType = UNSET
    block_under_native: bool | UnsetType = UNSET


class CreateApp(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="create_app"):
    app: str
    expose_metadata: bool = False


class PublishBundle(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="publish_bundle"):
    """Add a bundle and, with `channel`, offer it there in the same change."""

    bundle: Bundle
    channel: str | None = None


class DeleteBundle(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="delete_bundle"):
    version: str


class CreateChannel(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="create_channel"):
    name: str
    settings: ChannelSettings = ChannelSettings()
    replace: bool = False


class SetChannel(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="set_channel"):
    name: str
    settings: ChannelSettings
    replace: bool = False


class DeleteChannel(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="delete_channel"):
    name: str


class SetOverride(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="set_override"):
    device: str
    channel: str


class ClearOverride(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="clear_override"):
    device: str


Command = (
    CreateApp | PublishBundle | DeleteBundle | CreateChannel | SetChannel | DeleteChannel | SetOverride | ClearOverride
)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A command with its circumstances. `at` is seconds since the epoch, `by` the name of the token."""

    id: str
    at: float
    by: str
    command: Command


def kind_of(command: Command) -> str:
    """The stable name of a command, as stored: `publish_bundle`."""
    return str(command.__struct_config__.tag)


def apply(state: AppState | None, change: Change) -> AppState:
    """The app's next state, one revision on; `state` itself when the change alters nothing or was applied before.

    Raises NotFound, Conflict or Invalid; the state is then untouched.
    """
    if not 0 < len(change.id) <= COMMAND_ID_LIMIT:
        raise Invalid("invalid_command_id", f"a command id has 1 to {COMMAND_ID_LIMIT} characters")
    if isinstance(change.command, CreateApp):
        return _create_app(state, change, change.command)
    if state is None:
        raise NotFound("unknown_app", "the app does not exist")
    if change.id in state.recent:
        return state
    after = _carry_out(state, change)
    return after if after is state else replace(after, revision=state.revision + 1, recent=_remember(state, change))


def _carry_out(state: AppState, change: Change) -> AppState:
    match change.command:
        case PublishBundle() as command:
            return _publish(state, command, change.at)
        case DeleteBundle() as command:
            return _delete_bundle(state, command, change.at)
        case CreateChannel() as command:
            return _create_channel(state, command)
        case SetChannel() as command:
            return _change_channel(state, _channel(state, command.name), command.settings, command.replace)
        case DeleteChannel() as command:
            return _delete_channel(state, command)
        case SetOverride() as command:
            return _set_override(state, command)
        case ClearOverride() as command:
            return _clear_override(state, command)
        case CreateApp():
            raise AssertionError("handled by apply")


def _create_app(state: AppState | None, change: Change, command: CreateApp) -> AppState:
    if state is not None:
        if change.id in state.recent:
            return state
        raise Conflict("app_exists", f"app {command.app!r} exists already")
    app = parse_app_id(command.app)
    return AppState(app=app, revision=1, expose_metadata=command.expose_metadata, recent=(change.id,))


def _publish(state: AppState, command: PublishBundle, at: float) -> AppState:
    bundle = replace(command.bundle, published=at)
    _check_bundle(bundle)
    _check_name_is_free(state, bundle)
    if bundle.version not in state.bundles:
        retired = _without(state.retired, bundle.version)
        state = replace(state, bundles=_with(state.bundles, bundle.version, bundle), retired=retired)
    if command.channel is None:
        return state
    return _change_channel(state, _channel(state, command.channel), ChannelSettings(bundle=bundle.version))


def _check_bundle(bundle: Bundle) -> None:
    parse_version_name(bundle.version)
    if bundle.manifest is None and bundle.encryption is None:
        raise Invalid("missing_manifest", "only a bundle that was encrypted elsewhere has no manifest")
    if bundle.min_native and parse_version(bundle.min_native) is None:
        raise Invalid("invalid_min_native", f"minimum native version {bundle.min_native!r} is not a semantic version")
    if bundle.link and not (bundle.link.startswith(("https://", "http://")) and len(bundle.link) <= LINK_LIMIT):
        raise Invalid("invalid_link", f"a link is an http(s) address of at most {LINK_LIMIT} characters")
    if len(bundle.comment) > COMMENT_LIMIT:
        raise Invalid("invalid_comment", f"a comment has at most {COMMENT_LIMIT} characters")


def _check_name_is_free(state: AppState, bundle: Bundle) -> None:
    """Devices key what they hold by version name, so a name stands for one content for ever, also after a delete."""
    known = state.bundles.get(bundle.version) or state.retired.get(bundle.version)
    if known is None:
        return
    if known.content != bundle.content:
        raise Conflict(
            "version_taken", f"version {bundle.version!r} was published with other files; publish a new version"
        )
    if isinstance(known, Retired):
        if known.zip != bundle.zip:
            # A device may hold the beginning of the old zip under this name, and would go on with the new one.
            raise Conflict(
                "version_taken",
                f"version {bundle.version!r} was deleted and is now of other bytes; publish a new version",
            )
        return
    if _metadata(known) != _metadata(bundle):
        raise Conflict(
            "version_taken", f"version {bundle.version!r} was published with another link, comment or minimum"
        )
    if _lock(known) != _lock(bundle):
        raise Conflict(
            "version_taken",
            f"version {bundle.version!r} was published plain, or with another key; publish a new version",
        )


def _metadata(bundle: Bundle) -> tuple[str, str, str]:
    return bundle.min_native, bundle.link, bundle.comment


def _lock(bundle: Bundle) -> Encryption | str | None:
    """What must not change under a name. The same files encrypted again have another session key and stay the same
    bundle; of one that was encrypted elsewhere nobody here can tell."""
    if bundle.encryption is None or bundle.manifest is None:
        return bundle.encryption
    return bundle.encryption.key_id


def _delete_bundle(state: AppState, command: DeleteBundle, at: float) -> AppState:
    bundle = _bundle(state, command.version)
    offering = sorted(channel.name for channel in state.channels.values() if channel.bundle == bundle.version)
    if offering:
        raise Conflict("bundle_in_use", f"bundle {bundle.version!r} is offered by {_names('channel', offering)}")
    retired = Retired(content=bundle.content, zip=bundle.zip, manifest=bundle.manifest, deleted=at)
    return replace(
        state,
        bundles=_without(state.bundles, bundle.version),
        retired=_with(state.retired, bundle.version, retired),
    )


def _create_channel(state: AppState, command: CreateChannel) -> AppState:
    name = parse_channel_name(command.name)
    if name in state.channels:
        raise Conflict("channel_exists", f"channel {name!r} exists already in app {state.app!r}")
    if len(state.channels) >= CHANNEL_LIMIT:
        raise Conflict("too_many_channels", f"app {state.app!r} has {CHANNEL_LIMIT} channels, the most there can be")
    created = Channel(name=name)
    state = replace(state, channels=_with(state.channels, name, created))
    return _change_channel(state, created, command.settings, command.replace)


def _change_channel(
    state: AppState, channel: Channel, settings: ChannelSettings, replace_public: bool = False
) -> AppState:
    wanted = {name: value for name in settings.__struct_fields__ if (value := getattr(settings, name)) is not UNSET}
    if wanted.get("bundle", BUILTIN) != BUILTIN:
        wanted["bundle"] = _bundle(state, wanted["bundle"]).version
    changed = replace(channel, **wanted)
    if changed == channel:
        return state
    channels = dict(state.channels)
    for other in _rivals(state, changed):
        if not replace_public:
            raise Conflict(
                "public_channel_exists",
                f"channel {other.name!r} is public for {_names('platform', _shared(other, changed))}; "
                "replace it explicitly to make another one public",
            )
        channels[other.name] = _yield_to(other, changed)
    channels[changed.name] = changed
    return replace(state, channels=channels)


def _rivals(state: AppState, channel: Channel) -> list[Channel]:
    """Public channels that share a platform with `channel`, if it is public: one may be, per platform."""
    if not channel.public:
        return []
    others = (other for other in state.channels.values() if other.public and other.name != channel.name)
    return sorted((other for other in others if _shared(other, channel)), key=lambda other: other.name)


def _shared(one: Channel, other: Channel) -> list[str]:
    return [platform.value for platform in Platform if one.serves(platform) and other.serves(platform)]


def _yield_to(old: Channel, new: Channel) -> Channel:
    """The old public channel gives up the platforms that the new one takes, and stays public for the others.

    Were it made private at once, a platform that only the old one serves would be left without any channel.
    """
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


def _delete_channel(state: AppState, command: DeleteChannel) -> AppState:
    channel = _channel(state, command.name)
    held = sum(1 for name in state.overrides.values() if name == channel.name)
    if held:
        raise Conflict(
            "channel_in_use", f"channel {channel.name!r} is the override of {held} device(s); clear them first"
        )
    return replace(state, channels=_without(state.channels, channel.name))


def _set_override(state: AppState, command: SetOverride) -> AppState:
    device = parse_device_id(command.device)
    channel = _channel(state, command.channel)
    if state.overrides.get(device) == channel.name:
        return state
    if device not in state.overrides and len(state.overrides) >= OVERRIDE_LIMIT:
        raise Conflict("too_many_overrides", f"app {state.app!r} has {OVERRIDE_LIMIT} overrides, the most there can be")
    return replace(state, overrides=_with(state.overrides, device, channel.name))


def _clear_override(state: AppState, command: ClearOverride) -> AppState:
    device = parse_device_id(command.device)
    if device not in state.overrides:
        raise NotFound("unknown_override", f"device {device!r} has no override in app {state.app!r}")
    return replace(state, overrides=_without(state.overrides, device))


def _bundle(state: AppState, version: str) -> Bundle:
    bundle = state.bundles.get(VersionName(version))
    if bundle is None:
        raise NotFound("unknown_bundle", f"unknown bundle {version!r} for app {state.app!r}")
    return bundle


def _channel(state: AppState, name: str) -> Channel:
    channel = state.channels.get(ChannelName(name))
    if channel is None:
        raise NotFound("unknown_channel", f"unknown channel {name!r} for app {state.app!r}")
    return channel


def _remember(state: AppState, change: Change) -> tuple[str, ...]:
    return (*state.recent, change.id)[-RECENT_LIMIT:]


def _with(mapping: Mapping[K, V], key: K, value: V) -> Mapping[K, V]:
    return {**mapping, key: value}


def _without(mapping: Mapping[K, V], key: K) -> Mapping[K, V]:
    return {k: v for k, v in mapping.items() if k != key}


def _names(noun: str, names: Sequence[str]) -> str:
    listed = ", ".join(repr(name) for name in names)
    return f"{noun} {listed}" if len(names) == 1 else f"{noun}s {listed}"
