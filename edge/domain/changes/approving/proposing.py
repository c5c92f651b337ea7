"""Proposals in the state: made, approved, decided, and gone when their time is over. Pure.

What a proposal would do is found by `apply`, which alone carries commands out.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from edge.domain.app_parts.protection import DecidedProposal, Endorsement, Proposal, ProposalEnd
from edge.domain.approving.hands import is_known, may_be_one
from edge.domain.approving.judging import Needed, needed_for
from edge.domain.changes.approving.approval_commands import (
    ApproveProposal,
    Propose,
    RejectProposal,
    WithdrawProposal,
)
from edge.domain.errors import Conflict, Forbidden, NotFound
from edge.domain.model import AppState
from edge.domain.schedule.durations import format_moment
from edge.domain.states import with_entry, without_entry

PROPOSALS_LIMIT = 50  # that wait, an app: more than anybody reads
OWN_PROPOSALS_LIMIT = 25  # of those, one person's: nobody keeps everybody else from asking
PROPOSALS_LIMIT_BYTES = 512 * 1024  # of all their commands: every node reads them with each revision
OWN_LIMIT_BYTES = PROPOSALS_LIMIT_BYTES // 2  # of those, one person's; room for the largest feature there can be
DECIDED_LIMIT = 50  # remembered: who waits for a decision asks every few seconds
FOREIGN = "a person cannot approve their own change"


class ForeseenProposal(NamedTuple):
    """What a proposal would do now: the state after it, and what it needs; None if one person is enough."""

    after: AppState
    needed: Needed | None


def proposal_of(state: AppState, id: str, at: float) -> Proposal:
    """One that waits. Raises NotFound `unknown_proposal`, Conflict `proposal_decided`, `proposal_expired`."""
    found = state.proposals.get(id)
    if found is not None and at < found.expires:
        return found
    decided = next((each for each in state.decided if each.id == id), None)
    if decided is not None and decided.end is not ProposalEnd.EXPIRED:
        who = f" by {', '.join(decided.decided_by)}" if decided.decided_by else ""
        raise Conflict("proposal_decided", f"proposal {id} was {decided.end.value}{who} at {format_moment(decided.at)}")
    if found is not None or decided is not None:
        raise Conflict("proposal_expired", f"nobody decided on proposal {id} in time: make the change again")
    raise NotFound("unknown_proposal", f"app {state.app!r} has no proposal {id[:32]!r}")


def propose(
    state: AppState, base: AppState, tried: AppState, command: Propose, *, id: str, by: str, at: float, reason: str
) -> AppState:
    """`base` is the state with what the proposal brings at once, `tried` as if it were approved now. Raises Conflict
    `needs_no_approval`, `too_many_proposals`, and Forbidden `unknown_maker`."""
    needed = needed_for(state, tried, at)
    if needed is None:
        raise Conflict("needs_no_approval", "nobody has to approve this change: make it")
    if not is_known(command.hands):
        raise Forbidden(
            "unknown_maker",
            f"who made token {by!r} was revoked or replaced, so nobody can tell whose it is and who may approve its "
            "changes: create it again",
        )
    _check_room(state, [each for each in state.proposals.values() if each.expires > at], command)
    made = Proposal(
        id=f"p{state.revision + 1}",
        by=by,
        hands=command.hands,
        at=at,
        expires=at + needed.expires_seconds,
        change=id,
        kind=command.what,
        target=command.target,
        command=command.command,
        reason=reason,
        groups=command.groups,
    )
    return replace(base, proposals=with_entry(base.proposals, made.id, made))


def _check_room(state: AppState, waiting: Sequence[Proposal], command: Propose) -> None:
    """Raises Conflict `too_many_proposals`."""
    if len(waiting) >= PROPOSALS_LIMIT:
        raise Conflict("too_many_proposals", f"app {state.app!r} has {len(waiting)} proposals: decide on some first")
    own = [each for each in waiting if may_be_one(each.hands, command.hands)]
    if len(own) >= OWN_PROPOSALS_LIMIT:
        raise Conflict("too_many_proposals", f"{len(own)} of your own proposals wait already: withdraw some first")
    if _bytes_with(own, command) > OWN_LIMIT_BYTES:
        raise Conflict("too_many_proposals", "your own proposals that wait are too large: withdraw some first")
    if _bytes_with(waiting, command) > PROPOSALS_LIMIT_BYTES:
        raise Conflict("too_many_proposals", f"the proposals of app {state.app!r} are too large: decide on some first")


def _bytes_with(waiting: Iterable[Proposal], command: Propose) -> int:
    return sum(len(each.command.encode()) for each in waiting) + len(command.command.encode())


def standing(proposal: Proposal, gone: Collection[str]) -> Proposal:
    """Without the approvals of those who are gone."""
    return replace(proposal, approvals=tuple(each for each in proposal.approvals if each.by not in gone))


def check_approver(proposal: Proposal, name: str, hands: tuple[str, ...]) -> None:
    """Raises Forbidden `own_change`, `unknown_maker`, Conflict `already_approved`."""
    if not is_known(hands):
        raise Forbidden(
            "unknown_maker",
            f"who made token {name!r} was revoked or replaced, so nobody can tell whose it is: it approves nothing",
        )
    if may_be_one(proposal.hands, hands):
        shared = next((hand for hand in hands if hand in proposal.hands), proposal.by)
        through = (
            "" if shared in (name, proposal.by) and name == proposal.by else f": both are in the hands of {shared!r}"
        )
        raise Forbidden(
            "own_change", f"{name!r} cannot approve proposal {proposal.id} of {proposal.by!r}: {FOREIGN}{through}"
        )
    if any(may_be_one(each.hands, hands) and each.by != name for each in proposal.approvals):
        other = next(each.by for each in proposal.approvals if may_be_one(each.hands, hands))
        raise Forbidden("own_change", f"{name!r} and {other!r}, who approved it, may be one person")


def endorsed(
    proposal: Proposal, foreseen: ForeseenProposal, command: ApproveProposal, name: str, at: float
) -> tuple[Endorsement, ...]:
    """The approvals of what the proposal would do now, with this one. Raises Conflict `effect_changed`,
    `already_approved`."""
    effect = foreseen.needed.effect.digest if foreseen.needed is not None else ""
    if effect != command.effect:
        raise Conflict(
            "effect_changed",
            f"proposal {proposal.id} would not do now what you have seen: look at it again, then decide",
        )
    same = [each for each in proposal.approvals if each.effect == effect]
    if any(each.by == name for each in same):
        raise Conflict("already_approved", f"{name!r} has approved proposal {proposal.id} already")
    return (*same, Endorsement(by=name, hands=command.hands, at=at, effect=effect, groups=command.groups))


def decided(
    state: AppState, proposal: Proposal, end: ProposalEnd, by: tuple[str, ...], at: float, reason: str = ""
) -> AppState:
    """The state without the proposal, remembering what became of it."""
    told = DecidedProposal(
        id=proposal.id,
        by=proposal.by,
        change=proposal.change,
        kind=proposal.kind,
        target=proposal.target,
        end=end,
        decided_by=by,
        at=at,
        revision=state.revision + 1,
        reason=reason,
    )
    return replace(
        state,
        proposals=without_entry(state.proposals, proposal.id),
        decided=(*state.decided, told)[-DECIDED_LIMIT:],
    )


def reject(state: AppState, command: RejectProposal, by: str, at: float, reason: str) -> AppState:
    return decided(state, proposal_of(state, command.proposal, at), ProposalEnd.REJECTED, (by,), at, reason)


def withdraw(state: AppState, command: WithdrawProposal, by: str, at: float, reason: str) -> AppState:
    """Raises Forbidden `not_yours`."""
    proposal = proposal_of(state, command.proposal, at)
    if not set(proposal.hands) & set(command.hands):
        raise Forbidden("not_yours", f"proposal {proposal.id} is {proposal.by!r}'s: reject it instead")
    return decided(state, proposal, ProposalEnd.WITHDRAWN, (by,), at, reason)


def without_expired(state: AppState, at: float) -> AppState:
    """The state without the proposals whose time is over, and the freezes."""
    for proposal in [each for each in state.proposals.values() if each.expires <= at]:
        state = decided(state, proposal, ProposalEnd.EXPIRED, (), at)
    if any(freeze.ends <= at for freeze in state.freezes):
        state = replace(state, freezes=tuple(each for each in state.freezes if each.ends > at))
    return state


def after_undo(state: AppState, before: AppState, by: str, at: float) -> AppState:
    """`before` as an undo `by` somebody brings it back from `state`: no approval comes back, and no proposal that was
    carried out or is over; one that was rejected or withdrawn waits again, unapproved, and one that is undone is
    withdrawn."""
    over = {each.id for each in state.decided if each.end in (ProposalEnd.APPROVED, ProposalEnd.EXPIRED)}
    kept = {
        id: replace(proposal, approvals=_still(proposal, state.proposals.get(id)))
        for id, proposal in before.proposals.items()
        if id not in over
    }
    told = replace(state, decided=tuple(each for each in state.decided if each.id not in kept))
    for id, proposal in state.proposals.items():
        if id not in kept:
            told = decided(told, proposal, ProposalEnd.WITHDRAWN, (by,), at)
    return replace(before, proposals=kept, decided=told.decided)


def _still(proposal: Proposal, now: Proposal | None) -> tuple[Endorsement, ...]:
    held = now.approvals if now is not None else ()
    return tuple(each for each in proposal.approvals if each in held)
