"""Looking things up in an app's state by name; errors name what is missing."""

import re
from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import TypeVar

from edge.domain.app_parts.stored_features import Feature
from edge.domain.app_parts.stored_messages import StoredMessage
from edge.domain.errors import Conflict, NotFound
from edge.domain.model import (
    BUILTIN,
    CHANNEL_NAME_LIMIT,
    AppState,
    Bundle,
    Channel,
    ChannelName,
    EventKey,
    IdSetName,
    Segment,
    SegmentName,
    StoredIdSet,
    VersionName,
)

K = TypeVar("K")
V = TypeVar("V")

_TYPED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,63}", re.ASCII)  # names that need no quoting on a command line


def is_taken(keys: Sequence[EventKey], given: str, at: float) -> bool:
    """Whether events with the key `given` are taken at `at`, in seconds since the epoch; without `keys` all are."""
    return not keys or any(key.key == given and (not key.until or at < key.until) for key in keys)


def bundle_of(state: AppState, version: str) -> Bundle:
    """Raises NotFound `unknown_bundle`."""
    return _found(state, state.bundles.get(VersionName(version)), "bundle", version)


def offerable(state: AppState, version: str) -> Bundle:
    """A bundle that may be offered. Raises NotFound `unknown_bundle`, Conflict `bundle_withdrawn`."""
    bundle = bundle_of(state, version)
    if bundle.withdrawn:
        raise Conflict("bundle_withdrawn", f"bundle {version!r} was withdrawn: {bundle.withdrawn}")
    return bundle


def is_offerable(state: AppState, version: VersionName) -> bool:
    """Whether the bundle exists and is not withdrawn."""
    return version in state.bundles and not state.bundles[version].withdrawn


def channel_of(state: AppState, name: str) -> Channel:
    """Raises NotFound `unknown_channel`."""
    hint = f" (create it: edge channel create {state.app} {name})" if _TYPED.fullmatch(name) else ""
    return _found(state, state.channels.get(ChannelName(name)), "channel", name, hint)


def segment_of(state: AppState, name: str) -> Segment:
    """Raises NotFound `unknown_segment`."""
    return _found(state, state.segments.get(SegmentName(name)), "segment", name, known=state.segments)


def id_set_of(state: AppState, name: str) -> StoredIdSet:
    """Raises NotFound `unknown_id_set`."""
    return _found(state, state.id_sets.get(IdSetName(name)), "id set", name, known=state.id_sets)


def feature_of(state: AppState, name: str) -> Feature:
    """Raises NotFound `unknown_feature`."""
    return _found(state, state.features.get(name), "feature", name, known=state.features)


def message_of(state: AppState, message: str) -> StoredMessage:
    """Raises NotFound `unknown_message`."""
    return _found(state, state.messages.get(message), "message", message)


def good_ones(state: AppState, channel: Channel) -> Iterator[VersionName]:
    """What the channel offered to all devices before and is neither withdrawn nor deleted, latest first."""
    return (version for version in reversed(channel.earlier) if is_offerable(state, version))


def last_good(state: AppState, channel: Channel) -> VersionName | None:
    """The latest of `good_ones`; None if there is none."""
    return next(good_ones(state, channel), None)


def served_of(state: AppState, channel: Channel) -> VersionName | None:
    """What all devices on the channel get: its bundle, or the stand-in for a withdrawn one. None: nothing."""
    bundle = state.bundles.get(channel.bundle) if channel.bundle is not None else None
    if bundle is None or not bundle.withdrawn:
        return channel.bundle
    return last_good(state, channel) or BUILTIN


def last_good_of(channel: Channel, available: Container[VersionName]) -> VersionName | None:
    """`last_good`, given the bundles that are neither withdrawn nor deleted."""
    return next((version for version in reversed(channel.earlier) if version in available), None)


def withdrawn_names(state: AppState) -> frozenset[VersionName]:
    """The app's withdrawn bundles, deleted ones included: devices may still run them."""
    here = {version for version, bundle in state.bundles.items() if bundle.withdrawn}
    return frozenset(here | {version for version, bundle in state.retired.items() if bundle.withdrawn})


def with_entry(mapping: Mapping[K, V], key: K, value: V) -> Mapping[K, V]:
    return {**mapping, key: value}


def without_entry(mapping: Mapping[K, V], key: K) -> Mapping[K, V]:
    return {k: v for k, v in mapping.items() if k != key}


def named(noun: str, names: Sequence[str]) -> str:
    """`channel 'beta'`, `channels 'beta', 'production'`."""
    listed = ", ".join(repr(name) for name in names)
    return f"{noun} {listed}" if len(names) == 1 else f"{noun}s {listed}"


def _found(state: AppState, value: V | None, noun: str, name: str, hint: str = "", *, known: Collection[str] = ()) -> V:
    """`known` are names that may have been meant."""
    if value is None:
        close = get_close_matches(name[:CHANNEL_NAME_LIMIT], known, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else hint
        raise NotFound(f"unknown_{noun.replace(' ', '_')}", f"unknown {noun} {name!r} for app {state.app!r}{hint}")
    return value


def segments_of(channel: Channel) -> frozenset[SegmentName]:
    """The segments that the channel's rollout or experiment uses."""
    rollout, experiment = channel.rollout, channel.experiment
    asked = {*rollout.segments, *rollout.first} if rollout is not None and rollout.phase.is_active else set()
    if experiment is not None:
        asked.update(experiment.segments)
    return frozenset(asked)


def held_segments(state: AppState) -> frozenset[SegmentName]:
    """The segments that no device leaves by what it does: a rollout or an experiment in progress reads them, or runs on
    the channel that they lead to. Else its sides would differ by how their devices behave."""
    named = {name for channel in state.channels.values() for name in segments_of(channel)}
    named |= {SegmentName(name) for each in state.features.values() if (name := _experiment_segment(each)) is not None}
    busy = {name for name, channel in state.channels.items() if is_busy(channel)}
    return frozenset(named | {name for name, each in state.segments.items() if each.channel in busy})


def _experiment_segment(feature: Feature) -> str | None:
    return feature.experiment.segment if feature.experiment is not None else None


def is_busy(channel: Channel) -> bool:
    """Whether a rollout or an experiment is in progress on it."""
    return channel.experiment is not None or (channel.rollout is not None and channel.rollout.phase.is_active)
