"""Bundles of an app: publish, delete, withdraw. A version name stands for one content, permanently."""

from collections.abc import Container
from dataclasses import replace

from edge.domain.changes.channels import change_channel
from edge.domain.changes.commands import ChannelSettings, DeleteBundle, PublishBundle, WithdrawBundle
from edge.domain.changes.rollouts import roll_out
from edge.domain.errors import Conflict, Invalid
from edge.domain.model import (
    AppState,
    Bundle,
    Channel,
    Encryption,
    Retired,
    VersionName,
    parse_version_name,
)
from edge.domain.schedule.rollout import Move, move
from edge.domain.states import bundle_of, channel_of, last_good, named, with_entry, without_entry
from edge.domain.versions import parse_version

LINK_LIMIT = 2_048  # characters; it travels in every offer
COMMENT_LIMIT = 4_096  # characters; likewise
REASON_LIMIT = 500  # characters; shown wherever the bundle is


def carry_out(
    state: AppState, command: PublishBundle | DeleteBundle | WithdrawBundle, at: float, change_id: str
) -> AppState:
    """The state after the command. `at` is in seconds since the epoch; `change_id` salts a rollout that it starts.
    Raises Invalid, NotFound, Conflict."""
    match command:
        case PublishBundle():
            return _publish(state, command, at, change_id)
        case DeleteBundle():
            return _delete(state, command, at)
        case WithdrawBundle():
            return _withdraw(state, command, at)


def _publish(state: AppState, command: PublishBundle, at: float, change_id: str) -> AppState:
    bundle = replace(command.bundle, published=at, withdrawn="")
    _check_bundle(bundle)
    _check_name_is_free(state, bundle)
    known = state.bundles.get(bundle.version)
    if known is None:
        retired = without_entry(state.retired, bundle.version)
        state = replace(state, bundles=with_entry(state.bundles, bundle.version, bundle), retired=retired)
    elif (fuller := _with_extras(known, bundle)) != known:
        state = replace(state, bundles=with_entry(state.bundles, known.version, fuller))
    if command.channel is None:
        if command.if_current is not None or command.rollout is not None:
            asked = "if_current" if command.if_current is not None else "a rollout"
            raise Invalid("missing_channel", f"{asked} needs a channel: name one")
        return state
    channel = channel_of(state, command.channel)
    if command.rollout is not None:
        return roll_out(state, channel, bundle.version, command.rollout, command, at, change_id)
    return change_channel(state, channel, ChannelSettings(bundle=bundle.version), at, command)


def _with_extras(known: Bundle, bundle: Bundle) -> Bundle:
    """With what `known` was published without, by an older node or publisher, and with the later patches: whoever asks
    for others has found that those of `known` are not whole."""
    return replace(known, plain_files=known.plain_files or bundle.plain_files, patches=bundle.patches or known.patches)


def _check_bundle(bundle: Bundle) -> None:
    parse_version_name(bundle.version)
    if bundle.manifest is None and bundle.encryption is None:
        raise Invalid("missing_manifest", "the bundle has no manifest; only a bundle encrypted elsewhere may omit it")
    least, most = parse_version(bundle.min_native), parse_version(bundle.max_native)
    if bundle.min_native and least is None:
        raise Invalid("invalid_min_native", f"minimum native version {bundle.min_native!r} is not a semantic version")
    if bundle.max_native and most is None:
        raise Invalid("invalid_max_native", f"maximum native version {bundle.max_native!r} is not a semantic version")
    if least is not None and most is not None and most < least:
        raise Invalid("invalid_max_native", f"maximum native version {bundle.max_native} is below the minimum")
    if bundle.link and not (bundle.link.startswith(("https://", "http://")) and len(bundle.link) <= LINK_LIMIT):
        raise Invalid("invalid_link", f"the link is not an http(s) URL of at most {LINK_LIMIT} characters")
    if len(bundle.comment) > COMMENT_LIMIT:
        raise Invalid("invalid_comment", f"the comment exceeds the limit of {COMMENT_LIMIT} characters")


def _check_name_is_free(state: AppState, bundle: Bundle) -> None:
    """Devices store bundles by version name, so a name stands for one content permanently, even after a delete."""
    known = state.bundles.get(bundle.version) or state.retired.get(bundle.version)
    if known is None:
        return
    if known.content != bundle.content:
        raise Conflict(
            "version_taken", f"version {bundle.version!r} was published with other files; publish a new version"
        )
    if known.withdrawn:
        raise Conflict("bundle_withdrawn", f"version {bundle.version!r} was withdrawn: {known.withdrawn}")
    if isinstance(known, Retired):
        if known.zip != bundle.zip:
            # A device may hold part of the old zip under this name, and would resume with the new one.
            raise Conflict(
                "version_taken",
                f"version {bundle.version!r} was deleted, and its zip was different; publish a new version",
            )
        if known.min_native is not None and (known.min_native, known.max_native) != (
            bundle.min_native,
            bundle.max_native,
        ):
            raise Conflict(
                "version_taken",
                f"version {bundle.version!r} was deleted, and its native range was different; publish a new version",
            )
        return
    if _metadata(known) != _metadata(bundle):
        raise Conflict(
            "version_taken",
            f"version {bundle.version!r} was published with another link, comment or native range",
        )
    if _lock(known) != _lock(bundle):
        raise Conflict(
            "version_taken",
            f"version {bundle.version!r} was published unencrypted or with another key; publish a new version",
        )


def _metadata(bundle: Bundle) -> tuple[str, str, str, str]:
    return bundle.min_native, bundle.max_native, bundle.link, bundle.comment


def _lock(bundle: Bundle) -> Encryption | str | None:
    """The encryption that must not change under a version name. The same files encrypted again have another session key
    and are still the same bundle; for one that was encrypted elsewhere the node cannot tell."""
    if bundle.encryption is None or bundle.manifest is None:
        return bundle.encryption
    return bundle.encryption.key_id


def _delete(state: AppState, command: DeleteBundle, at: float) -> AppState:
    bundle = bundle_of(state, command.version)
    uses = [use for _, channel in sorted(state.channels.items()) for use in uses_of(state, channel, bundle.version)]
    if uses:
        raise Conflict("bundle_in_use", f"bundle {bundle.version!r} is {' and '.join(uses)}")
    return replace(
        state,
        bundles=without_entry(state.bundles, bundle.version),
        retired=with_entry(state.retired, bundle.version, retire(bundle, at)),
        channels={name: forgetting(channel, {bundle.version}) for name, channel in state.channels.items()},
    )


def retire(bundle: Bundle, at: float) -> Retired:
    """What stays of a bundle deleted at `at`, in seconds since the epoch: what its name and its files need."""
    return Retired(
        content=bundle.content,
        zip=bundle.zip,
        manifest=bundle.manifest,
        deleted=at,
        plain_files=bundle.plain_files,
        withdrawn=bundle.withdrawn,
        min_native=bundle.min_native,
        max_native=bundle.max_native,
    )


def uses_of(state: AppState, channel: Channel, version: str) -> list[str]:
    """What a channel needs the bundle for, in words; empty if it does not."""
    name, rollout, experiment = channel.name, channel.rollout, channel.experiment
    arms = [arm.name for arm in experiment.arms if arm.bundle == version] if experiment else []
    return [
        *([f"offered by channel {name!r}"] if channel.bundle == version else []),
        *(
            [f"rolling out on channel {name!r}"]
            if rollout and rollout.phase.is_active and rollout.bundle == version
            else []
        ),
        *([f"{named('arm', arms)} of an experiment on channel {name!r}"] if arms else []),
        *([f"what channel {name!r} falls back to"] if last_good(state, channel) == version else []),
    ]


def forgetting(channel: Channel, gone: Container[VersionName]) -> Channel:
    """The channel without its history of deleted bundles: one published again later was not offered before."""
    earlier = tuple(version for version in channel.earlier if version not in gone)
    return channel if earlier == channel.earlier else replace(channel, earlier=earlier)


def _withdraw(state: AppState, command: WithdrawBundle, at: float) -> AppState:
    bundle = bundle_of(state, command.version)
    reason = command.reason.strip()
    if not 0 < len(reason) <= REASON_LIMIT or not reason.isprintable():
        raise Invalid("invalid_reason", f"the reason must be one line of 1 to {REASON_LIMIT} characters")
    if bundle.withdrawn:
        return state
    return replace(
        state,
        bundles=with_entry(state.bundles, bundle.version, replace(bundle, withdrawn=reason)),
        channels={name: _without_rollout(channel, bundle.version, at) for name, channel in state.channels.items()},
    )


def _without_rollout(channel: Channel, version: VersionName, at: float) -> Channel:
    rollout = channel.rollout
    if rollout is None or rollout.bundle != version or not rollout.phase.is_active:
        return channel
    return replace(channel, rollout=move(rollout, Move.ROLL_BACK, at))
