"""What is different between two states of an app, each part in words: from what to what. Pure.

It compares what people set, not what follows from it. Overrides are compared elsewhere: they are stored apart.
"""

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, NamedTuple

from edge.domain.app_parts.protection import ApprovalRule, Freeze
from edge.domain.app_parts.stored_features import (
    Feature,
    FeatureExperiment,
    FeatureRule,
    FeatureShare,
    Prerequisite,
)
from edge.domain.app_parts.stored_messages import StoredMessage
from edge.domain.features.explaining import rule_in_words, steps_in_words
from edge.domain.model import Channel, ChannelName, Experiment, Rollout, Segment, SegmentName, VersionName
from edge.domain.schedule.durations import format_duration, format_moment
from edge.domain.shares import format_share

DIFFERENCES_LIMIT = 50  # in a list: a change of more was made by a program, or is the deletion of an app
TEXT_LIMIT = 200  # characters of a value: an expression can have kilobytes
_FOLLOWS = frozenset({"name", "changed", "changed_by", "rolled_back", "earlier", "taken_back", "guard_told"})
_OF_FEATURES = (
    *("on", "default", "rules", "share", "needs", "prerequisites", "experiment"),
    *("server_only", "noted", "about"),
)
_OF_SEGMENTS = ("where", "leave", "channel", "priority", "yield_to_self_set")


class BundleSize(NamedTuple):
    """What a history tells of a bundle."""

    zip_bytes: int
    files: int
    withdrawn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedParts:
    """The parts of a state that are compared."""

    channels: Mapping[ChannelName, Channel] = field(default_factory=dict)
    segments: Mapping[SegmentName, Segment] = field(default_factory=dict)
    bundles: Mapping[VersionName, BundleSize] = field(default_factory=dict)
    features: Mapping[str, Feature] = field(default_factory=dict)
    approvals: Mapping[ChannelName, ApprovalRule] = field(default_factory=dict)
    freezes: Mapping[str, Freeze] = field(default_factory=dict)
    messages: Mapping[str, StoredMessage] = field(default_factory=dict)


class FromTo(NamedTuple):
    """`what` of `subject` (a bundle, channel, segment, feature, message, freeze or app called `name`) went from
    `before` to `after`; None where there is no such thing."""

    subject: str
    name: str
    what: str
    before: str | None
    after: str | None


def differences(before: ComparedParts, after: ComparedParts) -> tuple[FromTo, ...]:
    """At most DIFFERENCES_LIMIT, by subject and name."""
    of_devices = (*_of_bundles(before, after), *_of_channels(before, after), *_of_segments(before, after))
    found = [*of_devices, *_of_features(before, after), *_of_messages(before, after), *_of_rules(before, after)]
    return tuple(found[:DIFFERENCES_LIMIT])


def _of_bundles(before: ComparedParts, after: ComparedParts) -> Iterator[FromTo]:
    for version in sorted(before.bundles.keys() | after.bundles.keys()):
        was, becomes = before.bundles.get(version), after.bundles.get(version)
        if was is None or becomes is None:
            yield FromTo("bundle", version, "bundle", _sized(was), _sized(becomes))
        elif was.withdrawn != becomes.withdrawn:
            yield FromTo("bundle", version, "withdrawn", _said(was.withdrawn), _said(becomes.withdrawn))


def _sized(bundle: BundleSize | None) -> str | None:
    if bundle is None:
        return None
    return f"{bundle.zip_bytes} bytes" + (f", {bundle.files} files" if bundle.files else "")


def _said(reason: str) -> str | None:
    return reason[:TEXT_LIMIT] or None


def _of_channels(before: ComparedParts, after: ComparedParts) -> Iterator[FromTo]:
    for name in sorted(before.channels.keys() | after.channels.keys()):
        was, becomes = before.channels.get(name), after.channels.get(name)
        if was is None or becomes is None:
            yield FromTo("channel", name, "channel", _offers(was), _offers(becomes))
        elif was != becomes:
            yield from _changed("channel", name, was, becomes, [f.name for f in fields(was) if f.name not in _FOLLOWS])


def _offers(channel: Channel | None) -> str | None:
    return None if channel is None else f"offers {channel.bundle or 'nothing'}"


def _of_segments(before: ComparedParts, after: ComparedParts) -> Iterator[FromTo]:
    for name in sorted(before.segments.keys() | after.segments.keys()):
        was, becomes = before.segments.get(name), after.segments.get(name)
        if was is None or becomes is None:
            expressions = (_in_words(each.where) if each is not None else None for each in (was, becomes))
            yield FromTo("segment", name, "segment", *expressions)
        elif was != becomes:
            yield from _changed("segment", name, was, becomes, _OF_SEGMENTS)


def _of_features(before: ComparedParts, after: ComparedParts) -> Iterator[FromTo]:
    for name in sorted(before.features.keys() | after.features.keys()):
        was, becomes = before.features.get(name), after.features.get(name)
        if was is None or becomes is None:
            told = (_gives(each) if each is not None else None for each in (was, becomes))
            yield FromTo("feature", name, "feature", *told)
        elif was != becomes:
            yield from _changed("feature", name, was, becomes, _OF_FEATURES)


def _gives(feature: Feature) -> str:
    """Whom it gives what, in words."""
    return "; ".join(f"{whom}: {value}" for whom, value in steps_in_words(feature))[:TEXT_LIMIT]


def _of_messages(before: ComparedParts, after: ComparedParts) -> Iterator[FromTo]:
    for name in sorted(before.messages.keys() | after.messages.keys()):
        was, becomes = before.messages.get(name), after.messages.get(name)
        if was != becomes:
            yield FromTo("message", name, "message", *(_sent(each) for each in (was, becomes)))


def _sent(message: StoredMessage | None) -> str | None:
    """Its words, and to whom."""
    if message is None or message.cancelled:
        return None if message is None else "cancelled"
    words = " or ".join(": ".join(filter(None, (each.title, each.body))) for each in message.texts)
    return f"to {message.segment or message.where or 'all registered devices'}: {words or 'silent'}"[:TEXT_LIMIT]


def _of_rules(before: ComparedParts, after: ComparedParts) -> Iterator[FromTo]:
    for channel in sorted(before.approvals.keys() | after.approvals.keys()):
        rules = before.approvals.get(channel), after.approvals.get(channel)
        if rules[0] != rules[1]:
            subject = "channel" if channel else "app"
            yield FromTo(subject, channel, "approval", *(None if rule is None else _asked(rule) for rule in rules))
    for name in sorted(before.freezes.keys() ^ after.freezes.keys()):
        freezes = (_spanned(parts.freezes.get(name)) for parts in (before, after))
        yield FromTo("freeze", name, "freeze", *freezes)


def _asked(rule: ApprovalRule) -> str:
    kinds = ", ".join(kind.value for kind in rule.kinds)
    return f"{rule.people} people for {kinds}, within {format_duration(rule.expires_seconds)}"


def _spanned(freeze: Freeze | None) -> str | None:
    if freeze is None:
        return None
    on = ", ".join(freeze.channels) or "all channels"
    return f"{format_moment(freeze.begins)} to {format_moment(freeze.ends)}, {on}"[:TEXT_LIMIT]


def _changed(subject: str, name: str, was: Any, becomes: Any, names: Any) -> Iterator[FromTo]:
    for each in names:
        old, new = getattr(was, each), getattr(becomes, each)
        if old == new:
            continue
        before, after = _in_words(old), _in_words(new)
        if before != after:
            yield FromTo(subject, name, each, before, after)


def _in_words(value: Any) -> str:
    match value:
        case None:
            text = "none"
        case bool():
            text = "yes" if value else "no"
        case enum.Enum():
            text = str(value.value)
        case Rollout():
            text = _rollout(value)
        case Experiment():
            arms = (f"{arm.name} {arm.bundle}: {format_share(arm.weight)}" for arm in value.arms)
            text = f"{value.name}: {', '.join(arms)}"
        case FeatureRule():
            text = f"{rule_in_words(value)}: {value.value}"
        case FeatureShare():
            text = f"{format_share(value.share)}: {value.value}"
        case Prerequisite():
            text = f"{value.feature} is {value.value}"
        case FeatureExperiment():
            arms = (f"{arm.name} {arm.value}: {format_share(arm.weight)}" for arm in value.arms)
            text = f"{value.name}: {', '.join(arms)}"
        case tuple():
            text = ", ".join(map(_in_words, value)) or "none"
        case _ if is_dataclass(value):
            text = ", ".join(f"{f.name} {_in_words(getattr(value, f.name))}" for f in fields(value))
        case _:
            text = str(value)
    return text[:TEXT_LIMIT]


def _rollout(rollout: Rollout) -> str:
    at = f"step {rollout.step + 1} of {len(rollout.steps)}, {format_share(rollout.steps[rollout.step])}"
    phase = rollout.phase.value.replace("_", " ")
    return f"{rollout.bundle} {phase}, {at}" if rollout.phase.is_active else f"{rollout.bundle} {phase}"
