"""A change that needs approval becomes a proposal, and what is told of proposals."""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import cache
from typing import ClassVar

import msgspec

from edge.control.access.grants import Grant
from edge.control.access.judging.approvers import Approvers, approvers_in, shortage
from edge.control.access.judging.makers import hands_in, with_inviters
from edge.control.login.credential_document import credentials_of
from edge.control.ports import ControlPorts
from edge.control.shapes.approvals.approval_shapes import (
    ApprovalRuleView,
    EndorsementView,
    ProposalMadeAnswer,
    ProposalSummary,
)
from edge.domain.app_parts.protection import WHOLE_APP, ApprovalRule, DecidedProposal, Proposal
from edge.domain.changes.apply import foresee_proposal
from edge.domain.changes.approving.approval_commands import Propose
from edge.domain.changes.approving.proposing import ForeseenProposal
from edge.domain.changes.commands import Change, Command, kind_of, target_of
from edge.domain.errors import EdgeError, NotFound
from edge.domain.model import AppState
from edge.store.stored_document import Untrusted

WAITING = "waiting"
FRESH_SECONDS = 7 * 86_400  # a person who was invited is taken for the inviter: somebody else looks in within a week
GROUPS_KEPT = 20  # of who asks or approves: they are in every revision while the proposal waits


class ProposalMade(EdgeError):
    """The change waits for approval, as `answer` says."""

    status: ClassVar[int] = 202

    def __init__(self, answer: ProposalMadeAnswer) -> None:
        super().__init__(answer.error, answer.message)
        self.answer = answer


async def proposing(ports: ControlPorts, grant: Grant, change: Change, waits: Command) -> Change:
    """The change that proposes `waits` for `change`, under its id."""
    command = Propose(
        command=msgspec.json.encode(waits).decode(),
        what=kind_of(waits),
        target=target_of(waits)[:200],
        hands=await hands_behind(ports, grant.name),
        groups=grant.groups[:GROUPS_KEPT],
        asked="" if waits is change.command else msgspec.json.encode(change.command).decode(),
    )
    return msgspec.structs.replace(change, command=command)


async def hands_behind(ports: ControlPorts, name: str) -> tuple[str, ...]:
    """Of who asks (domain.approving.hands)."""
    return await asyncio.to_thread(lambda: with_inviters(hands_in(ports.tokens.records(), name), _inviters(ports)))


def approvers(ports: ControlPorts) -> Approvers:
    """Who may approve changes now. Blocks."""
    document, records = ports.people.last_good(), ports.tokens.records()
    return approvers_in(document, records, _inviters(ports), ports.clock.now())


def _inviters(ports: ControlPorts) -> Callable[[str], tuple[str, ...]]:
    """By whom a person was invited lately, as of one reading of the credentials."""
    now, read = ports.clock.now(), cache(ports.login.accounts.read) if ports.login is not None else None

    def invited_lately_by(mail: str) -> tuple[str, ...]:
        held = credentials_of(read(), mail) if read is not None else None
        return held.begun_by if held is not None and now < held.begun_at + FRESH_SECONDS else ()

    return invited_lately_by


def proposal_made(state: AppState, change: Change, at: float) -> ProposalMade:
    """Of the proposal that the change has made, or that an earlier request under its id did."""
    waiting = next((each for each in state.proposals.values() if each.change == change.id), None)
    decided = next((each for each in state.decided if each.change == change.id), None)
    if waiting is not None:
        view = view_waiting(state, waiting, at)
        words = f"this change waits for approval as proposal {view.id}: {view.people} people have to stand behind it"
    elif decided is not None:
        view = view_decided(decided)
        words = f"this change was proposed as {view.id}, which was {view.state}"
    else:
        raise NotFound("unknown_proposal", "what became of this proposal is not known any more")
    return ProposalMade(
        ProposalMadeAnswer(error="needs_approval", message=words, app=state.app, revision=state.revision, proposal=view)
    )


def foreseen_of(state: AppState, proposal: Proposal, at: float) -> ForeseenProposal | EdgeError:
    """What it would do at `at`, in seconds since the epoch, or why it could not be done."""
    try:
        return foresee_proposal(state, proposal, at)
    except EdgeError as error:
        return error


def effect_of_proposal(foreseen: ForeseenProposal | EdgeError) -> str:
    """The digest that an approval names; "" where it does nothing that needs one."""
    needed = None if isinstance(foreseen, EdgeError) else foreseen.needed
    return needed.effect.digest if needed is not None else ""


def view_waiting(
    state: AppState,
    proposal: Proposal,
    at: float,
    foreseen: ForeseenProposal | EdgeError | None = None,
    gone: Collection[str] = (),
) -> ProposalSummary:
    """`foreseen` is `foreseen_of` it, if that is known already; `gone` are those whose approval does not count."""
    foreseen = foreseen or foreseen_of(state, proposal, at)
    needed = None if isinstance(foreseen, EdgeError) else foreseen.needed
    effect = effect_of_proposal(foreseen)
    return ProposalSummary(
        id=proposal.id,
        state=WAITING if at < proposal.expires else "expired",
        by=proposal.by,
        kind=proposal.kind,
        target=proposal.target,
        at=proposal.at,
        expires=proposal.expires,
        reason=proposal.reason,
        people=needed.people if needed is not None else 2,
        channels=[name for name in needed.channels if name != WHOLE_APP] if needed is not None else [],
        kinds=list(needed.kinds) if needed is not None else [],
        approvals=[
            EndorsementView(by=e.by, at=e.at, counts=e.effect == effect and e.by not in gone, gone=e.by in gone)
            for e in proposal.approvals
        ],
        refused=f"{foreseen.message} [{foreseen.code}]" if isinstance(foreseen, EdgeError) else "",
        decided_by=[],
        decided_at=None,
        revision=None,
        decision="",
    )


def view_decided(decided: DecidedProposal) -> ProposalSummary:
    return ProposalSummary(
        id=decided.id,
        state=decided.end.value,
        by=decided.by,
        kind=decided.kind,
        target=decided.target,
        at=None,
        expires=None,
        reason="",
        people=0,
        channels=[],
        kinds=[],
        approvals=[],
        refused="",
        decided_by=list(decided.decided_by),
        decided_at=decided.at,
        revision=decided.revision,
        decision=decided.reason,
    )


def view_rules(state: AppState, found: Callable[[], Approvers]) -> list[ApprovalRuleView]:
    """The app's rules, with whether there are people enough for each; only an app with rules has `found` asked. Nobody
    is counted while the documents that say who may what are damaged, which is told elsewhere."""
    everybody = None
    with suppress(Untrusted):
        everybody = found() if state.approvals else None
    return [_view_rule(state.app, name, rule, everybody) for name, rule in sorted(state.approvals.items())]


def _view_rule(app: str, name: str, rule: ApprovalRule, everybody: Approvers | None) -> ApprovalRuleView:
    counted = everybody.counted(app, name or None) if everybody is not None else None
    return ApprovalRuleView(
        channel=name or None,
        people=rule.people,
        kinds=list(rule.kinds),
        expires_seconds=rule.expires_seconds,
        approvers=counted,
        warning=shortage(rule.people, counted, name or "the app"),
    )


def approval_warnings(state: AppState, found: Callable[[], Approvers]) -> tuple[str, ...]:
    """Of rules that too few people could fulfil; see `view_rules`."""
    return tuple(each.warning for each in view_rules(state, found) if each.warning)
