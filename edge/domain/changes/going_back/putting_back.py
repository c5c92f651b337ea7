"""What an older revision changed, as the command that puts it back today. Pure.

Only what people set and what stands for itself can be put back: a segment, an override, a feature, a channel's settings
and what it offers, a rule of approval, a freeze that began. Rollouts, experiments and bundles move on; for them the
refusal says what to do instead.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from edge.domain.app_parts.protection import APP_KINDS, CHOSEN_KINDS, WHOLE_APP, ApprovalRule
from edge.domain.app_parts.stored_features import Feature
from edge.domain.approving.judging import NeedsApproval
from edge.domain.changes.approving.approval_commands import EndFreeze, SetApproval
from edge.domain.changes.commands import (
    ChannelSettings,
    ClearOverride,
    Command,
    DeleteSegment,
    SegmentSettings,
    SetChannel,
    SetOverride,
    SetSegment,
    Undo,
)
from edge.domain.changes.features.feature_commands import (
    DeleteFeature,
    FeatureSettings,
    NewFeatureRule,
    NewFeatureShare,
    NewPrerequisite,
    SetFeature,
    SwitchFeature,
)
from edge.domain.errors import Conflict
from edge.domain.model import AppState, Channel, ChannelName, Segment

K = TypeVar("K", bound=str)
V = TypeVar("V")

_SETTINGS = frozenset(ChannelSettings.__struct_fields__)
_FOLLOWS = ("changed", "changed_by", "rolled_back", "earlier", "taken_back", "guard_told")


def plan_putting_back(before: AppState, after: AppState) -> Command:
    """The command that makes the one thing that the change from `before` to `after` touched what it was `before`.

    Raises Conflict `cannot_put_back`.
    """
    segments, overrides = _changed(before.segments, after.segments), _changed(before.overrides, after.overrides)
    channels = _changed(before.channels, after.channels)
    if before.bundles != after.bundles or before.deleted != after.deleted:
        raise _refused("it published, withdrew or deleted: withdraw the bundle, or publish it again")
    features = _changed(before.features, after.features)
    rules, freezes = _changed(before.approvals, after.approvals), _begun(before, after)
    if len(segments) + len(overrides) + len(channels) + len(features) + len(rules) + len(freezes) != 1:
        raise _refused("it did not change a single segment, override, channel, feature, rule or freeze")
    for freeze in freezes:
        return EndFreeze(freeze=freeze)
    for channel in rules:
        return _rule(channel, before.approvals.get(channel))
    for feature in features:
        return _feature(feature, before.features.get(feature), after.features.get(feature))
    for segment in segments:
        return _segment(segment, before.segments.get(segment))
    for device in overrides:
        sent = before.overrides.get(device)
        return ClearOverride(device=device) if sent is None else SetOverride(device=device, channel=sent)
    (name,) = channels
    return _channel(before.channels.get(name), after.channels.get(name))


def to_propose(command: Command, needs: NeedsApproval) -> Command:
    """What waits for approval of a change that needs it. An undo takes back the latest revision, which it is no more
    when somebody approves, so what waits is the change that puts it back. Raises Conflict `needs_approval`."""
    if not isinstance(command, Undo):
        return command
    try:
        return plan_putting_back(needs.after, needs.before)
    except Conflict as cannot:
        raise Conflict(needs.code, f"{needs.message}, and an undo of it cannot wait: {cannot.message}") from cannot


def _changed(before: Mapping[K, V], after: Mapping[K, V]) -> list[K]:
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _begun(before: AppState, after: AppState) -> list[str]:
    known = {each.id for each in before.freezes}
    return [each.id for each in after.freezes if each.id not in known]


def _rule(channel: ChannelName, was: ApprovalRule | None) -> Command:
    if was is None:
        kinds = APP_KINDS if channel == WHOLE_APP else CHOSEN_KINDS
        return SetApproval(channel=channel, people=1, kinds=kinds)
    return SetApproval(channel=channel, people=was.people, kinds=was.kinds, expires_seconds=was.expires_seconds)


def _segment(name: str, was: Segment | None) -> Command:
    if was is None:
        return DeleteSegment(name=name)
    settings = SegmentSettings(
        where=was.where,
        channel=was.channel,
        priority=was.priority,
        yield_to_self_set=was.yield_to_self_set,
        leave=was.leave,
    )
    return SetSegment(name=name, settings=settings)


def _feature(name: str, was: Feature | None, becomes: Feature | None) -> Command:
    """One that was deleted is made again, and draws its shares anew."""
    if was is None:
        return DeleteFeature(name=name)
    if becomes is not None and was.experiment != becomes.experiment:
        raise _refused(f"it began or ended an experiment on feature {name!r}: decide there")
    if becomes is not None and was.on != becomes.on:
        return SwitchFeature(name=name, on=was.on)
    if becomes is None and not was.on:  # a new feature is on: nobody meant to end the kill
        raise _refused(f"it deleted feature {name!r}, which was killed: make it and kill it again")
    rules = tuple(
        NewFeatureRule(name=each.name, value=each.value, segment=each.segment, where=each.where, share=each.share)
        for each in was.rules
    )
    share = was.share
    settings = FeatureSettings(
        kind=was.kind,
        default=was.default,
        rules=rules,
        share=None if share is None else NewFeatureShare(share=share.share, value=share.value),
        prerequisites=tuple(NewPrerequisite(feature=each.feature, value=each.value) for each in was.prerequisites),
        needs=was.needs,
        server_only=was.server_only,
        noted=was.noted,
        about=was.about,
    )
    return SetFeature(name=name, settings=settings)


def _channel(was: Channel | None, becomes: Channel | None) -> Command:
    if was is None or becomes is None:
        raise _refused("it made or deleted a channel: delete or create it yourself")
    settings: dict[str, Any] = {}
    for each in fields(was):
        if getattr(was, each.name) == getattr(becomes, each.name) or each.name in _FOLLOWS:
            continue
        if each.name not in _SETTINGS:
            raise _refused(f"it moved the {each.name} of channel {was.name!r}: decide there")
        settings[each.name] = getattr(was, each.name)
    if settings.get("bundle", "") is None:
        raise _refused(f"channel {was.name!r} offered nothing before, which no channel goes back to")
    return SetChannel(name=was.name, settings=ChannelSettings(**settings), downgrade=True, again=True)


def _refused(why: str) -> Conflict:
    return Conflict("cannot_put_back", f"this change cannot be put back: {why}")
