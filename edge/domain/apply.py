"""The one function that carries a change out.

`apply(state, change)` is pure: the same state and change give the same next state on every node. It refuses what
would leave a state that is not valid, and knows a change that it has already seen by its id.
"""

from dataclasses import replace

from edge.domain import bundle_changes, channel_changes, rollout_changes, segment_changes, undoing
from edge.domain.command_ids import is_repeat, remember
from edge.domain.commands import (
    Change,
    ClearOverride,
    CreateApp,
    CreateChannel,
    DeleteBundle,
    DeleteChannel,
    DeleteIdSet,
    DeleteSegment,
    MoveRollout,
    PublishBundle,
    PutIdSet,
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
from edge.domain.errors import Conflict, NotFound
from edge.domain.model import AppState, parse_app_id


def apply(state: AppState | None, change: Change, before: AppState | None = None) -> AppState:
    """The app's next state, one revision on; `state` itself when the change alters nothing or was applied before.

    `before` is the state of the revision before `state`; only `Undo` asks for it. Raises NotFound, Conflict or Invalid;
    the state is then untouched.
    """
    repeated = is_repeat(state, change)
    if isinstance(change.command, CreateApp) and not repeated:
        return _create_app(state, change, change.command)
    if state is None:
        raise NotFound("unknown_app", "the app does not exist")
    if repeated:
        return state
    after = _carry_out(state, change, before)
    if after is state:
        return state
    after = _signed(state, after, change)
    return replace(after, revision=state.revision + 1, recent=remember(state.recent, change))


def _carry_out(state: AppState, change: Change, before: AppState | None) -> AppState:
    match change.command:
        case PublishBundle() | DeleteBundle() | WithdrawBundle() as command:
            return bundle_changes.carry_out(state, command, change.at)
        case CreateChannel() | SetChannel() | DeleteChannel() | RollBack() | SetOverride() | ClearOverride() as command:
            return channel_changes.carry_out(state, command, change.at)
        case SetSegment() | DeleteSegment() | PutIdSet() | DeleteIdSet() as command:
            return segment_changes.carry_out(state, command)
        case StartRollout() | MoveRollout() | StartExperiment() | StopExperiment() as command:
            return rollout_changes.carry_out(state, command, change.at, change.id)
        case Undo() as command:
            return undoing.undo(state, before, command, change.at)
        case CreateApp():
            raise AssertionError("handled by apply")


def _signed(state: AppState, after: AppState, change: Change) -> AppState:
    """With the author of what channels offer now and did not before. A channel that comes back keeps its own."""
    offered = {name: channel.bundle for name, channel in state.channels.items()}
    changed = {
        name: replace(channel, changed_by=change.by)
        for name, channel in after.channels.items()
        if channel.changed == change.at and channel.bundle != offered.get(name)
    }
    return replace(after, channels={**after.channels, **changed}) if changed else after


def _create_app(state: AppState | None, change: Change, command: CreateApp) -> AppState:
    if state is not None:
        raise Conflict("app_exists", f"app {command.app!r} exists already")
    app = parse_app_id(command.app)
    return AppState(app=app, revision=1, expose_metadata=command.expose_metadata, recent=remember((), change))
