"""What a channel offers, whole, as plain values that can be compared and digested. Pure.

Everything that decides what a device gets of it is in there, and nothing that follows by itself: no times, no counts.
So two states in which a channel has the same value treat all devices alike, and what automatic steps do is no change.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import msgspec

from edge.domain.model import (
    AppState,
    Bundle,
    Channel,
    ChannelName,
    Experiment,
    IdSetName,
    Rollout,
    SegmentName,
    VersionName,
)
from edge.domain.states import good_ones
from edge.domain.targeting.parser import check_expression

Plain = dict[str, Any]

# Of a channel: what is told in other words below, what follows from changes, and what is only remembered.
_NOT_SETTINGS = frozenset(
    {
        *("name", "bundle", "rollout", "experiment", "guard"),
        *("changed", "changed_by", "rolled_back", "earlier", "taken_back", "guard_told"),
    }
)
_TIMES_OF_ROLLOUT = frozenset({"began", "started", "paused", "resumed", "resumed_at", "holds"})
_NOT_OF_BUNDLE = frozenset({"names", "published"})  # derived from the files, or set by the node


def offered(state: AppState, name: ChannelName) -> Plain | None:
    """Of the channel; None if there is none."""
    channel = state.channels.get(name)
    if channel is None:
        return None
    fields: Plain = msgspec.to_builtins(replace(channel, taken_back=(), earlier=()))
    fallback = list(good_ones(state, channel))
    needed = [version for version in dict.fromkeys((*_on_its_way(channel), *fallback)) if version in state.bundles]
    return {
        "settings": {key: value for key, value in fields.items() if key not in _NOT_SETTINGS},
        "bundle": channel.bundle,
        "rollout": _rollout(channel.rollout),
        "experiment": _experiment(channel.experiment),
        "guard": fields["guard"],
        "fallback": fallback,
        "withdrawn": sorted(version for version in ever_offered(channel) if is_withdrawn(state, version)),
        "bundles": {version: _bundle(state.bundles[version]) for version in sorted(needed)},
        "segments": {name: _segment(state, name) for name in sorted(_segments(channel)) if name in state.segments},
    }


def leads(state: AppState) -> list[Plain]:
    """The segments that lead devices to channels, in the order in which they are asked."""
    led = sorted(
        (segment for segment in state.segments.values() if segment.channel is not None),
        key=lambda segment: (segment.priority, segment.name),
    )
    return [
        {"channel": each.channel, "yields": each.yield_to_self_set, "name": each.name, **_segment(state, each.name)}
        for each in led
    ]


def readers_of(state: AppState, segments: Iterable[str], sets: Iterable[str]) -> Plain:
    """The segments and the lists of ids that something reads, by name, as they are."""
    names, lists = map(SegmentName, segments), map(IdSetName, sets)
    return {
        "segments": {name: _segment(state, name) for name in names if name in state.segments},
        "sets": {name: state.id_sets[name].blob for name in lists if name in state.id_sets},
    }


def ever_offered(channel: Channel) -> set[VersionName]:
    """What it offers to all or some, and what it is remembered to have offered: devices may run it."""
    remembered = (each.bundle for each in channel.taken_back)
    rolled = (channel.rollout.bundle,) if channel.rollout is not None else ()
    return {*_on_its_way(channel), *rolled, *channel.earlier, *remembered}


def is_withdrawn(state: AppState, version: VersionName) -> bool:
    """A deleted bundle included."""
    held = state.bundles.get(version) or state.retired.get(version)
    return held is not None and bool(held.withdrawn)


def _on_its_way(channel: Channel) -> Iterator[VersionName]:
    """What it offers now."""
    if channel.bundle is not None:
        yield channel.bundle
    if channel.rollout is not None and channel.rollout.phase.is_active:
        yield channel.rollout.bundle
    if channel.experiment is not None:
        yield from (arm.bundle for arm in channel.experiment.arms)


def _rollout(rollout: Rollout | None) -> Plain | None:
    if rollout is None or not rollout.phase.is_active:
        return None
    fields: Plain = msgspec.to_builtins(replace(rollout, holds=()))
    return {key: value for key, value in fields.items() if key not in _TIMES_OF_ROLLOUT}


def _experiment(experiment: Experiment | None) -> Plain | None:
    if experiment is None:
        return None
    fields: Plain = msgspec.to_builtins(experiment)
    return {key: value for key, value in fields.items() if key != "started"}


def _bundle(bundle: Bundle) -> Plain:
    fields: Plain = msgspec.to_builtins(bundle)
    return {key: value for key, value in fields.items() if key not in _NOT_OF_BUNDLE}


def _segments(channel: Channel) -> Iterable[SegmentName]:
    """Those that decide who gets what, and by which its guard tests."""
    rollout, experiment = channel.rollout, channel.experiment
    yield from map(SegmentName, channel.guard.segments)
    if rollout is not None and rollout.phase.is_active:
        yield from (*rollout.segments, *rollout.first)
    if experiment is not None:
        yield from experiment.segments


def _segment(state: AppState, name: SegmentName) -> Plain:
    """Its definition, with the lists of ids that it reads."""
    segment = state.segments[name]
    sets = [IdSetName(each) for each in sorted(check_expression(segment.where))]
    return {
        "where": segment.where,
        "leave": segment.leave,
        "sets": {each: state.id_sets[each].blob for each in sets if each in state.id_sets},
    }
