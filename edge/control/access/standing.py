"""Whether those who asked for a change, or approved it, still may: an approval counts when the change is made. Pure of
time: what anybody holds is looked up as it is now.

What somebody holds by groups counts for as long as the groups give it, since the node hears of them at sign-in alone. A
token that has expired counts: it ended as was planned, and nobody took anything away.
"""

from collections.abc import Collection, Iterable
from contextlib import suppress

from edge.control.access.effects import check_change
from edge.control.access.grants import Grant, refusal
from edge.control.access.roles import Permission
from edge.control.access.tokens import Tokens
from edge.domain.app_parts.protection import WHOLE_APP, Endorsement, Proposal
from edge.domain.approving.hands import is_person
from edge.domain.changes.approving.proposing import ForeseenProposal
from edge.domain.changes.command_ids import proposed_command
from edge.domain.errors import Conflict, EdgeError, Forbidden
from edge.domain.model import AppState


def check_may_decide(grant: Grant, state: AppState, foreseen: ForeseenProposal | EdgeError) -> None:
    """On the channels that the proposal touches, or on all of the app if it cannot be told which. Raises Forbidden
    `forbidden`."""
    for channel in _touched(foreseen):
        if not grant.may(Permission.APPROVE_CHANGES, state.app, channel):
            raise Forbidden("forbidden", refusal(grant, Permission.APPROVE_CHANGES, state.app, channel))


def check_standing(
    tokens: Tokens,
    state: AppState,
    proposal: Proposal,
    foreseen: ForeseenProposal | EdgeError,
    now: float,
    gone: Collection[str] = (),
) -> None:
    """What somebody asked for or approved who was removed since, whose name another one has taken, or who may not do it
    any more, is nobody's wish. The approvals of those who are `gone` do not count. Raises Conflict `author_gone`, and
    `approver_gone` where somebody has left a moment ago."""
    if lost := _lost_author(tokens, state, proposal, foreseen, now):
        raise Conflict(
            "author_gone",
            f"who made proposal {proposal.id} does not stand behind it any more ({lost}): reject it, and make the "
            "change again if somebody still wants it",
        )
    if left := [each for each in gone_approvers(tokens, state, proposal, foreseen, now) if each not in gone]:
        raise Conflict(
            "approver_gone",
            f"{', '.join(left)} approved proposal {proposal.id}, and may not any more since a moment ago: look at it "
            "again, then approve it",
        )


def gone_approvers(
    tokens: Tokens, state: AppState, proposal: Proposal, foreseen: ForeseenProposal | EdgeError, now: float
) -> tuple[str, ...]:
    """Those who approved it, and are not there any more or may not approve it."""

    def stands(each: Endorsement) -> bool:
        grant = _grant_since(tokens, each.by, each.at, each.groups, now)
        if grant is None or isinstance(foreseen, EdgeError):  # nobody knows now what it would touch
            return grant is not None
        with suppress(Forbidden):
            check_may_decide(grant, state, foreseen)
            return True
        return False

    return tuple(each.by for each in proposal.approvals if not stands(each))


def _lost_author(
    tokens: Tokens, state: AppState, proposal: Proposal, foreseen: ForeseenProposal | EdgeError, now: float
) -> str:
    """What its author may not do any more, in words; "" if nothing."""
    grant = _grant_since(tokens, proposal.by, proposal.at, proposal.groups, now)
    if grant is None:
        return f"{proposal.by} was removed"
    try:
        if not isinstance(foreseen, EdgeError):
            check_change(grant, None, proposed_command(proposal.command), state, foreseen.after)
    except Forbidden as lost:
        return lost.message
    return ""


def _grant_since(tokens: Tokens, name: str, at: float, groups: Iterable[str], now: float) -> Grant | None:
    """What somebody holds who was there `at`; None for who was removed since."""
    record = tokens.people.find(name) if is_person(name) else tokens.records().get(name)
    if record is None or record.created > at:
        return None
    held = tokens.people.grant_of(name, now, groups) if is_person(name) else tokens.grant_of(name)
    return held or Grant(name, ())


def _touched(foreseen: ForeseenProposal | EdgeError) -> Iterable[str | None]:
    needed = None if isinstance(foreseen, EdgeError) else foreseen.needed
    return [name if name != WHOLE_APP else None for name in needed.channels] if needed is not None else (None,)
