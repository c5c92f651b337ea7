"""The one function that carries a change out.

`apply(state, change)` is pure: the same state and change give the same next state on every node. It refuses whatever
would make the state invalid, and recognises a repeated change by its id.
"""

from dataclasses import replace
from typing import NamedTuple

import msgspec

from edge.domain.app_parts.protection import Proposal, ProposalEnd
from edge.domain.approving.holding import with_holds
from edge.domain.approving.judging import Passing, judge, needed_for
from edge.domain.changes import apps as app_changes
from edge.domain.changes import bundles as bundle_changes
from edge.domain.changes import channels as channel_changes
from edge.domain.changes import pruning, taking_back
from edge.domain.changes import rollouts as rollout_changes
from edge.domain.changes import segments as segment_changes
from edge.domain.changes.acceptance import accept
from edge.domain.changes.approving import proposing, rules_and_freezes
from edge.domain.changes.approving.approval_commands import (
    ApproveProposal,
    EndFreeze,
    Propose,
    RejectProposal,
    SetApproval,
    StartFreeze,
    WithdrawProposal,
)
from edge.domain.changes.approving.proposing import ForeseenProposal
from edge.domain.changes.command_ids import Repeated, is_repeat, proposed_command, remember
from edge.domain.changes.commands import (
    AcceptRestored,
    Change,
    ClearOverride,
    Command,
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
from edge.domain.changes.guard.guard_commands import GuardActs, GuardDeed, SetGuard
from edge.domain.changes.messages import message_changes
from edge.domain.changes.messages.message_commands import CancelMessage, CreateMessage, SetMessageCaps
from edge.domain.errors import Conflict, NotFound
from edge.domain.model import AppState
from edge.domain.schedule.rollout import Move

# What is about a moment, about proposals themselves, or of the node's own.
NEVER_PROPOSED = (
    Undo,
    CreateApp,
    AcceptRestored,
    GuardActs,
    Propose,
    ApproveProposal,
    RejectProposal,
    WithdrawProposal,
)


class ProposedAlready(Conflict):
    """The request was proposed before: its proposal is in the state, or what became of it."""

    def __init__(self, state: AppState) -> None:
        super().__init__("needs_approval", "this change waits for approval, or did")
        self.after = state


class Applied(NamedTuple):
    """The next state, the same object if nothing was altered, and the change as its revision records it: that of an
    approved proposal is its author's."""

    state: AppState
    change: Change


def apply(state: AppState | None, change: Change, before: AppState | None = None) -> AppState:
    """The app's next state, one revision later, or later than all that were seen of an app whose restored state is
    accepted; `state` itself if the change alters nothing or was applied before.

    `before` is the state one revision before `state`; only `Undo` needs it. Raises NotFound, Conflict or Invalid,
    NeedsApproval `needs_approval` and FrozenNow `frozen`, Forbidden for who approves what they must not, and
    Unavailable `overrides_lost` (see `partial_overrides`).
    """
    return apply_and_record(state, change, before).state


def apply_and_record(state: AppState | None, change: Change, before: AppState | None = None) -> Applied:
    """As `apply`."""
    repeat = is_repeat(state, change)
    if state is not None and repeat is Repeated.PROPOSED:
        if any(each.change == change.id and each.end is ProposalEnd.APPROVED for each in state.decided):
            return Applied(state, change)
        raise ProposedAlready(state)
    if state is not None and repeat is Repeated.MADE:
        return Applied(state, change)
    match change.command:
        case Propose() as command if state is not None and not state.deleted:
            return _numbered(state, _propose(state, change, command), change, change)
        case ApproveProposal() as command if state is not None and not state.deleted:
            return _approve(state, change, command)
    after = _tried(state, change, before)
    if state is None:
        return _numbered(after, after, change, change)
    if after is state:
        return Applied(state, change)
    emergency = judge(state, after, change.at, _passing(state, change.command))
    recorded = msgspec.structs.replace(change, emergency=True) if emergency else change
    return _numbered(state, after, change, recorded)


def foresee(state: AppState | None, change: Change, before: AppState | None = None) -> AppState:
    """As `apply`, as if it were approved and nothing were frozen: for previews."""
    if is_repeat(state, change) is not Repeated.NO and state is not None:
        return state
    after = _tried(state, change, before)
    return after if after is state else _numbered(state or after, after, change, change).state


def foresee_proposal(state: AppState, proposal: Proposal, at: float) -> ForeseenProposal:
    """What the proposal would do if it were carried out at `at`, in seconds since the epoch. Raises what its command
    does now, and Conflict `nothing_left` if that is nothing."""
    after = _tried(state, _proposed(proposal, at), None)
    if after is state:
        raise Conflict(
            "nothing_left", f"proposal {proposal.id} would change nothing any more: somebody did the same; reject it"
        )
    return ForeseenProposal(after, needed_for(state, after, at))


def _tried(state: AppState | None, change: Change, before: AppState | None) -> AppState:
    """The next state, unjudged and not numbered yet; `state` itself if nothing is altered."""
    after = _carry_out(state, change, before)
    if after is state:
        return after
    old = after if state is None else state
    after = taking_back.with_taken_back(old, _signed(old, after, change), change)
    if after.segments:
        after = segment_changes.with_places(
            old, after, _latest(old, change) + 1, anew=isinstance(change.command, AcceptRestored)
        )
    return with_holds(old, after, change.at)


def _numbered(old: AppState, after: AppState, change: Change, recorded: Change) -> Applied:
    """As the revision after `old`, which is `after` itself for an app's first."""
    after = proposing.without_expired(after, change.at)
    number = _latest(old, change) + 1
    return Applied(replace(after, revision=number, recent=remember(old.recent, change)), recorded)


def _latest(old: AppState, change: Change) -> int:
    return max(old.revision, change.command.seen) if isinstance(change.command, AcceptRestored) else old.revision


def _propose(state: AppState, change: Change, command: Propose) -> AppState:
    asked = msgspec.structs.replace(change, command=proposed_command(command.command))
    if isinstance(asked.command, NEVER_PROPOSED):
        raise Conflict("cannot_propose", "this cannot wait for approval: propose the change that has the same effect")
    tried = _tried(state, asked, None)
    base = state
    if isinstance(asked.command, PublishBundle) and asked.command.channel is not None:
        brought = msgspec.structs.replace(change, command=PublishBundle(bundle=asked.command.bundle))
        with_bundle = _tried(state, brought, None)
        base = state if needed_for(state, with_bundle, change.at) is not None else with_bundle
    return proposing.propose(
        state, base, tried, command, id=change.id, by=change.by, at=change.at, reason=change.reason
    )


def _approve(state: AppState, change: Change, command: ApproveProposal) -> Applied:
    """The last approval that is needed makes the change of the proposal, in one revision that names both."""
    proposal = proposing.standing(proposing.proposal_of(state, command.proposal, change.at), command.gone)
    proposing.check_approver(proposal, change.by, command.hands)
    foreseen = foresee_proposal(state, proposal, change.at)
    approvals = proposing.endorsed(proposal, foreseen, command, change.by, change.at)
    needed = foreseen.needed.people if foreseen.needed is not None else 1
    if 1 + len(approvals) < needed:
        held = {**state.proposals, proposal.id: replace(proposal, approvals=approvals)}
        return _numbered(state, replace(state, proposals=held), change, change)
    judge(state, foreseen.after, change.at, Passing.NOTHING, approved=True)
    names = tuple(each.by for each in approvals)
    after = proposing.decided(foreseen.after, proposal, ProposalEnd.APPROVED, names, change.at)
    recorded = msgspec.structs.replace(
        _proposed(proposal, change.at), id=change.id, approved_by=names, proposal=proposal.id
    )
    return _numbered(state, after, change, recorded)


def _proposed(proposal: Proposal, at: float) -> Change:
    """Its id is that of the request, which has salted what was seen of it."""
    command = proposed_command(proposal.command)
    return Change(id=proposal.change, at=at, by=proposal.by, command=command, reason=proposal.reason)


def _passing(state: AppState, command: Command) -> Passing:
    match command:
        case RollBack() | MoveRollout(move=Move.ROLL_BACK):
            return Passing.WAY_BACK
        case SwitchFeature(on=False):
            return Passing.KILL
        case GuardActs(deed=GuardDeed.ADVANCE):
            return Passing.STEP
        case GuardActs():
            return Passing.STOP
        case AcceptRestored():
            return Passing.STORE
        case Undo() if state.deleted:
            return Passing.RESTORED
        case _:
            return Passing.NOTHING


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
            return segment_changes.carry_out(state, command, change.at)
        case CreateMessage() | CancelMessage() | SetMessageCaps() as command:
            return message_changes.carry_out(state, command, change.at, change.id)
        case SetFeature() | SwitchFeature() | DeleteFeature() as command:
            return feature_changes.carry_out(state, command, change.id)
        case StartFeatureExperiment() | StopFeatureExperiment() as command:
            return feature_experiments.carry_out(state, command, change.at, change.id)
        case StartRollout() | MoveRollout() | StartExperiment() | StopExperiment() as command:
            return rollout_changes.carry_out(state, command, change.at, change.id)
        case SetGuard() | GuardActs() as command:
            return guard_changes.carry_out(state, command, change.at)
        case SetApproval() as command:
            return rules_and_freezes.set_approval(state, command)
        case StartFreeze() as command:
            return rules_and_freezes.start_freeze(state, command, change.at, change.by, change.reason)
        case EndFreeze() as command:
            return rules_and_freezes.end_freeze(state, command, change.at)
        case RejectProposal() as command:
            return proposing.reject(state, command, change.by, change.at, change.reason)
        case WithdrawProposal() as command:
            return proposing.withdraw(state, command, change.by, change.at, change.reason)
        case Undo() as command:
            return undoing.undo(state, before, command, change.at, change.by)
        case Propose() | ApproveProposal():
            raise Conflict("cannot_propose", "a proposal cannot be proposed")


def _signed(before: AppState, after: AppState, change: Change) -> AppState:
    """With the author of every bundle newly offered on a channel. A channel that an undo restores keeps its own."""
    offered = {name: channel.bundle for name, channel in before.channels.items()}
    changed = {
        name: replace(channel, changed_by=change.by)
        for name, channel in after.channels.items()
        if channel.changed == change.at and channel.bundle != offered.get(name)
    }
    return replace(after, channels={**after.channels, **changed}) if changed else after
