"""The one function that carries a change out.

`apply(state, change)` is pure: the same state and change give the same next state on every node. It refuses whatever
would make the state invalid, and recognises a repeated change by its id.
"""

from dataclasses import replace

from edge.domain.changes import apps as app_changes
from edge.domain.changes import bundles as bundle_changes
from edge.domain.changes import channels as channel_changes
from edge.domain.changes import pruning, taking_back
from edge.domain.changes import rollouts as rollout_changes
from edge.domain.changes import segments as segment_changes
from edge.domain.changes.acceptance import accept
from edge.domain.changes.command_ids import is_repeat, remember
from edge.domain.changes.commands import (
    AcceptRestored,
    Change,
    ClearOverride,
    CreateApp,
    CreateChannel,
    DeleteApp,
    DeleteBundle,
    DeleteChannel,
    DeleteIdSet,
    DeleteSegment,
    MakeEventKey,
    MoveRollout,
    PruneBundles,
    PublishBundle,
    PutIdSet,
    RemoveEventKeys,
    RollBack,
    SetChannel,
    SetOverride,
    SetSegment,
    StartExperiment,
    StartRollout,
    StopExperiment,
    Undo,
    WithdrawBundle,
)
from edge.domain.changes.features import feature_changes, feature_experiments, feature_key_changes
from edge.domain.changes.features.feature_commands import (
    DeleteFeature,
    SetFeature,
    StartFeatureExperiment,
    StopFeatureExperiment,
    SwitchFeature,
)
from edge.domain.changes.features.feature_key_commands import MakeFeatureKey, RemoveFeatureKeys
from edge.domain.changes.going_back import undo as undoing
from edge.domain.changes.guard import guard_changes
from edge.domain.changes.guard.guard_commands import GuardActs, SetGuard
from edge.domain.errors import NotFound
from edge.domain.model import AppState


def apply(state: AppState | None, change: Change, before: AppState | None = None) -> AppState:
    """The app's next state, one revision later, or later than all that were seen of an app whose restored state is
    accepted; `state` itself if the change alters nothing or was applied before.

    `before` is the state one revision before `state`; only `Undo` needs it. Raises NotFound, Conflict or Invalid,
    and Unavailable `overrides_lost` (see `partial_overrides`).
    """
    if is_repeat(state, change) and state is not None:
        return state
    after = _carry_out(state, change, before)
    if after is state:
        return state
    old = after if state is None else state
    after = taking_back.with_taken_back(old, _signed(old, after, change), change)
    latest = max(old.revision, change.command.seen) if isinstance(change.command, AcceptRestored) else old.revision
    if after.segments:
        after = segment_changes.with_places(old, after, latest + 1, anew=isinstance(change.command, AcceptRestored))
    return replace(after, revision=latest + 1, recent=remember(old.recent, change))


def _carry_out(state: AppState | None, change: Change, before: AppState | None) -> AppState:
    if isinstance(change.command, CreateApp):
        return app_changes.create(state, change.command)
    if isinstance(change.command, AcceptRestored):
        return accept(state, change.command, change.at)
    # A deleted app can only be created again or restored by an undo.
    if state is None or (state.deleted and not isinstance(change.command, Undo)):
        raise NotFound("unknown_app", f"unknown app {state.app!r}" if state is not None else "the app does not exist")
    match change.command:
        case DeleteApp() as command:
            return app_changes.delete(state, command, change.at)
        case MakeFeatureKey() | RemoveFeatureKeys() as command:
            return feature_key_changes.carry_out(state, command, change.at)
        case MakeEventKey() | RemoveEventKeys() as command:
            return app_changes.change_keys(state, command, change.at)
        case PruneBundles() as command:
            return pruning.prune(state, command, change.at)
        case PublishBundle() | DeleteBundle() | WithdrawBundle() as command:
            return bundle_changes.carry_out(state, command, change.at, change.id)
        case CreateChannel() | SetChannel() | DeleteChannel() | RollBack() | SetOverride() | ClearOverride() as command:
            return channel_changes.carry_out(state, command, change.at)
        case SetSegment() | DeleteSegment() | PutIdSet() | DeleteIdSet() as command:
            return segment_changes.carry_out(state, command)
        case SetFeature() | SwitchFeature() | DeleteFeature() as command:
            return feature_changes.carry_out(state, command, change.id)
        case StartFeatureExperiment() | StopFeatureExperiment() as command:
            return feature_experiments.carry_out(state, command, change.at, change.id)
        case StartRollout() | MoveRollout() | StartExperiment() | StopExperiment() as command:
            return rollout_changes.carry_out(state, command, change.at, change.id)
        case SetGuard() | GuardActs() as command:
            return guard_changes.carry_out(state, command, change.at)
        case Undo() as command:
            return undoing.undo(state, before, command, change.at)


def _signed(before: AppState, after: AppState, change: Change) -> AppState:
    """With the author of every bundle newly offered on a channel. A channel that an undo restores keeps its own."""
    offered = {name: channel.bundle for name, channel in before.channels.items()}
    changed = {
        name: replace(channel, changed_by=change.by)
        for name, channel in after.channels.items()
        if channel.changed == change.at and channel.bundle != offered.get(name)
    }
    return replace(after, channels={**after.channels, **changed}) if changed else after
