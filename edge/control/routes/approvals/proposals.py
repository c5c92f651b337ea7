"""Rules of approval, and proposals: list, show, approve, reject, withdraw."""

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any

from edge.control.access.roles import CHANGES, Permission
from edge.control.access.standing import check_may_decide, check_standing, gone_approvers
from edge.control.calls import Call, commit, load_app
from edge.control.operations import Operation
from edge.control.proposing import (
    GROUPS_KEPT,
    approvers,
    effect_of_proposal,
    foreseen_of,
    hands_behind,
    view_decided,
    view_rules,
    view_waiting,
)
from edge.control.routes.messages import check_expected, preview_proposed, view_preview
from edge.control.shapes.approvals.approval_shapes import (
    AppApprovalRequest,
    ApprovalChanged,
    ApprovalRequest,
    ApprovalRuleView,
    ApproveRequest,
    ProposalDecided,
    ProposalDetail,
    ProposalSummary,
)
from edge.control.shapes.apps import AlteredView
from edge.control.shapes.messages import MessagePreview
from edge.domain.app_parts.protection import WHOLE_APP, Proposal
from edge.domain.changes.approving.approval_commands import (
    ApproveProposal,
    RejectProposal,
    SetApproval,
    WithdrawProposal,
)
from edge.domain.changes.approving.proposing import ForeseenProposal
from edge.domain.decision.foresight.differences import BundleSize, ComparedParts, differences
from edge.domain.errors import EdgeError, NotFound, Unavailable
from edge.domain.model import AppState
from edge.store.releases import Rehearsed

COUNTING_SECONDS = 10.0  # of who would get a message, for whoever looks: a page waits for 20
_PROPOSAL = "/v1/apps/{app}/proposals/{proposal}"


async def handle_set(call: Call[ApprovalRequest]) -> ApprovalChanged:
    return await _set_rule(call, call.part("name"), call.body)


async def handle_set_app(call: Call[AppApprovalRequest]) -> ApprovalChanged:
    return await _set_rule(call, WHOLE_APP, call.body)


async def _set_rule(call: Call[Any], channel: str, body: ApprovalRequest | AppApprovalRequest) -> ApprovalChanged:
    command = SetApproval(
        channel=channel, people=body.people, kinds=tuple(body.kinds), expires_seconds=body.expires_seconds
    )
    done = await commit(call, call.app, command)
    return ApprovalChanged(
        app=call.app, revision=done.state.revision, changed=done.changed, approvals=await _rules(call, done.state)
    )


async def handle_rules(call: Call[None]) -> list[ApprovalRuleView]:
    return await _rules(call, await load_app(call))


async def _rules(call: Call[Any], state: AppState) -> list[ApprovalRuleView]:
    return await asyncio.to_thread(view_rules, state, partial(approvers, call.ports))


async def handle_list(call: Call[None]) -> list[ProposalSummary]:
    """Those that wait, the newest first; then what became of the latest others."""
    state, now = await load_app(call), call.ports.clock.now()

    def listed() -> list[ProposalSummary]:
        waiting = sorted(state.proposals.values(), key=lambda each: each.at, reverse=True)
        return [
            *(_standing_view(call, state, each, now) for each in waiting),
            *map(view_decided, reversed(state.decided)),
        ]

    return await asyncio.to_thread(listed)


async def handle_show(call: Call[None]) -> ProposalDetail:
    """Raises NotFound `unknown_proposal`."""
    state, now, id = await load_app(call), call.ports.clock.now(), call.part("proposal")
    proposal = state.proposals.get(id)
    if proposal is None:
        return _detail(state.app, _decided(state, id), "", None, None)
    foreseen = await asyncio.to_thread(foreseen_of, state, proposal, now)
    summary = await asyncio.to_thread(_standing_view, call, state, proposal, now, foreseen)
    if isinstance(foreseen, EdgeError):
        return _detail(state.app, summary, "", None, None)
    impact = await call.ports.known_devices.weigh(Rehearsed(state, foreseen.after))
    changes = [AlteredView(**each._asdict()) for each in differences(_parts(state), _parts(foreseen.after))]
    return _detail(
        state.app, summary, effect_of_proposal(foreseen), changes, impact, await _message(call, state, proposal)
    )


def _standing_view(
    call: Call[Any],
    state: AppState,
    proposal: Proposal,
    now: float,
    foreseen: ForeseenProposal | EdgeError | None = None,
) -> ProposalSummary:
    """Of one that waits, with whose approvals count now. Blocks."""
    foreseen = foreseen or foreseen_of(state, proposal, now)
    gone = gone_approvers(call.ports.tokens, state, proposal, foreseen, now) if proposal.approvals else ()
    return view_waiting(state, proposal, now, foreseen, gone)


async def _message(call: Call[None], state: AppState, proposal: Proposal) -> MessagePreview | None:
    """Counting takes its time, so it is done for those whom it concerns."""
    if not any(call.grant.may(each, state.app) for each in (Permission.APPROVE_CHANGES, Permission.SEND_MESSAGES)):
        return None
    with suppress(Unavailable, NotFound, TimeoutError):
        async with asyncio.timeout(COUNTING_SECONDS):
            found = await preview_proposed(call, proposal)
        return view_preview(state.app, proposal.change, found[0]) if found is not None else None
    return None


async def handle_approve(call: Call[ApproveRequest]) -> ProposalDecided:
    """Raises Conflict `preview_differs`, `above_daily_cap` where the message of a proposal has another audience now."""
    state, now = await load_app(call), call.ports.clock.now()
    proposal = state.proposals.get(call.part("proposal"))
    message = await preview_proposed(call, proposal) if proposal is not None else None
    if message is not None:
        check_expected(*message)
    gone: tuple[str, ...] = ()
    if proposal is not None and proposal.approvals:
        foreseen = await asyncio.to_thread(foreseen_of, state, proposal, now)
        gone = await asyncio.to_thread(gone_approvers, call.ports.tokens, state, proposal, foreseen, now)
    command = ApproveProposal(
        proposal=call.part("proposal"),
        effect=call.body.effect,
        hands=await hands_behind(call.ports, call.grant.name),
        groups=call.grant.groups[:GROUPS_KEPT],
        gone=gone,
    )
    return await _decide(call, command)


async def handle_reject(call: Call[None]) -> ProposalDecided:
    return await _decide(call, RejectProposal(proposal=call.part("proposal")))


async def handle_withdraw(call: Call[None]) -> ProposalDecided:
    hands = await hands_behind(call.ports, call.grant.name)
    return await _decide(call, WithdrawProposal(proposal=call.part("proposal"), hands=hands))


async def _decide(call: Call[Any], command: ApproveProposal | RejectProposal | WithdrawProposal) -> ProposalDecided:
    now, id = call.ports.clock.now(), command.proposal

    def permit(before: AppState | None, after: AppState) -> None:
        if before is None or id not in before.proposals or isinstance(command, WithdrawProposal):
            return
        foreseen = foreseen_of(before, before.proposals[id], now)
        check_may_decide(call.grant, before, foreseen)
        if isinstance(command, ApproveProposal):
            check_standing(call.ports.tokens, before, before.proposals[id], foreseen, now, command.gone)

    done = await commit(call, call.app, command, permit)
    waiting = done.state.proposals.get(id)
    view = view_waiting(done.state, waiting, now) if waiting is not None else _decided(done.state, id)
    return ProposalDecided(
        app=call.app,
        revision=done.state.revision,
        changed=done.changed,
        proposal=view,
        made=view.state == "approved",
    )


def _decided(state: AppState, id: str) -> ProposalSummary:
    found = next((each for each in state.decided if each.id == id), None)
    if found is None:
        raise NotFound("unknown_proposal", f"app {state.app!r} has no proposal {id[:32]!r}")
    return view_decided(found)


def _detail(
    app: str,
    summary: ProposalSummary,
    effect: str,
    changes: list[AlteredView] | None,
    impact: Any,
    message: MessagePreview | None = None,
) -> ProposalDetail:
    told = {name: getattr(summary, name) for name in ProposalSummary.__struct_fields__}
    return ProposalDetail(**told, app=app, effect=effect, changes=changes, impact=impact, message=message)


def _parts(state: AppState) -> ComparedParts:
    sizes = {name: BundleSize(each.zip_bytes, each.files, each.withdrawn) for name, each in state.bundles.items()}
    return ComparedParts(
        channels=state.channels,
        segments=state.segments,
        bundles=sizes,
        features=state.features,
        messages=state.messages,
        approvals=state.approvals,
        freezes={each.id: each for each in state.freezes},
    )


OPERATIONS = (
    Operation(
        name="list_approval_rules",
        method="GET",
        path="/v1/apps/{app}/approvals",
        summary="List what several people have to stand behind",
        permission=Permission.READ_APP,
        handle=handle_rules,
        answer=list[ApprovalRuleView],
    ),
    Operation(
        name="set_approval",
        method="PUT",
        path="/v1/apps/{app}/channels/{name}/approval",
        summary="Set how many people stand behind a change of the channel; asking for fewer needs their approval",
        permission=Permission.SET_RULES,
        handle=handle_set,
        answer=ApprovalChanged,
        body=ApprovalRequest,
        changes=True,
    ),
    Operation(
        name="set_app_approval",
        method="PUT",
        path="/v1/apps/{app}/approval",
        summary="Set how many people stand behind a change of the app's features, or a message",
        permission=Permission.SET_RULES,
        handle=handle_set_app,
        answer=ApprovalChanged,
        body=AppApprovalRequest,
        changes=True,
    ),
    Operation(
        name="list_proposals",
        method="GET",
        path="/v1/apps/{app}/proposals",
        summary="List the changes that wait for approval, and what became of the latest others",
        permission=Permission.READ_APP,
        handle=handle_list,
        answer=list[ProposalSummary],
    ),
    Operation(
        name="show_proposal",
        method="GET",
        path=_PROPOSAL,
        summary="Show a proposal with what it would do now",
        permission=Permission.READ_APP,
        handle=handle_show,
        answer=ProposalDetail,
    ),
    Operation(
        name="approve_proposal",
        method="POST",
        path=f"{_PROPOSAL}/approve",
        summary="Approve what a proposal would do; with the last approval that is needed, it is made",
        permission=Permission.APPROVE_CHANGES,
        handle=handle_approve,
        answer=ProposalDecided,
        body=ApproveRequest,
        takes_id=True,
    ),
    Operation(
        name="reject_proposal",
        method="POST",
        path=f"{_PROPOSAL}/reject",
        summary="Reject a proposal; the reason is kept",
        permission=Permission.APPROVE_CHANGES,
        handle=handle_reject,
        answer=ProposalDecided,
        takes_id=True,
    ),
    Operation(
        name="withdraw_proposal",
        method="POST",
        path=f"{_PROPOSAL}/withdraw",
        summary="Withdraw one's own proposal",
        permission=Permission.CHANGE_CHANNELS,
        or_else=CHANGES,
        handle=handle_withdraw,
        answer=ProposalDecided,
        takes_id=True,
    ),
)
