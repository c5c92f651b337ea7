"""Acts on a proposal: approve what it would do, reject it, withdraw one's own. Pure."""

import shlex
from collections.abc import Callable, Mapping
from urllib.parse import quote

from edge.control.shapes.approvals.approval_shapes import ApproveRequest, ProposalDetail
from edge.page.acts.buttons import ActButton
from edge.page.acts.confirmation import Caution, Touch
from edge.page.acts.moves import Act, foreign_words
from edge.page.acts.plans import ActPlan
from edge.page.acts.touching import touches_of
from edge.page.words.numbers import count, named, things

APPROVE = Act("approve", "approve_proposal", "Approve", "Approving")
REJECT = Act("reject", "reject_proposal", "Reject", "Rejecting", danger=True, apart=True)
TAKE_BACK = Act("take-back", "withdraw_proposal", "Withdraw the proposal", "Withdrawing", apart=True)
DECISIONS = {each.name: each for each in (APPROVE, REJECT, TAKE_BACK)}
_VERBS = {"create_message": "send a message to"}
EFFECT = "effect"  # the field that says what was shown


def proposal_href(app: str, proposal: str = "") -> str:
    base = f"/apps/{quote(app, safe='')}/proposals"
    return f"{base}/{quote(proposal, safe='')}" if proposal else base


def plan_decision(name: str, found: ProposalDetail, fields: Mapping[str, str]) -> ActPlan:
    """`fields` has what was shown when the form was made; else it is what the proposal would do now."""
    act, what = DECISIONS[name], change_words(found.kind, found.target)
    effect = fields.get(EFFECT, found.effect)
    questions = {
        APPROVE: f"Approve: {what}?",
        REJECT: f"Reject: {what}?",
        TAKE_BACK: f"Withdraw the proposal to {what}?",
    }
    done = {APPROVE: "approved", REJECT: "rejected", TAKE_BACK: "withdrawn"}
    shown = touches_of_proposal(found) if act is APPROVE else [Touch("0 devices", "get anything else by this.")]
    refused = (Caution("It cannot be made now.", found.refused),) if found.refused and act is APPROVE else ()
    verb = "withdraw" if act is TAKE_BACK else act.name
    return ActPlan(
        act=act,
        parts={"app": found.app, "proposal": found.id},
        question=questions[act],
        verb=act.verb,
        command=shlex.join(["edge", "proposal", verb, found.app, found.id]),
        done=f"proposal {found.id} {done[act]}",
        body=ApproveRequest(effect=effect) if act is APPROVE else None,
        fields={"proposal": found.id, **({EFFECT: effect} if act is APPROVE else {})},
        touches=shown,
        cautions=refused,
        undoable=False,
    )


def decision_buttons(found: ProposalDetail, me: str, allows: Callable[[str], bool], roles: str) -> list[ActButton]:
    """For a proposal that waits."""
    base = f"/apps/{quote(found.app, safe='')}/acts"
    own = "You asked for it: somebody else approves it." if found.by == me else ""
    had = "You have approved it." if any(each.by == me and each.counts for each in found.approvals) else ""
    refused = own or had or ("It cannot be made now." if found.refused else "")
    acts = [(APPROVE, refused), (TAKE_BACK if found.by == me else REJECT, "")]
    return [
        ActButton(
            id=act.name,
            name=act.name,
            verb=act.verb,
            href=f"{base}/{act.name}?proposal={quote(found.id, safe='')}",
            danger=act.danger,
            apart=act.apart,
            refused=words,
            foreign=foreign_words(allows(act.operation), roles),
        )
        for act, words in acts
    ]


def touches_of_proposal(found: ProposalDetail) -> list[Touch]:
    """Which devices it would touch now: by a message, those that it would be sent to."""
    if found.message is not None:
        counted = found.message
        touches = [Touch(things(counted.planned, "device"), f"get it, of {count(counted.registered)} registered.")]
        return touches + ([Touch(things(counted.held_out, "device"), "are held out.")] if counted.held_out else [])
    return touches_of({"impact": found.impact}) if found.impact is not None else []


def change_words(kind: str, target: str) -> str:
    """`publish bundle 1.2.0`, `change feature checkout`."""
    verb = _VERBS.get(kind) or kind.removeprefix("set_").replace("_", " ")
    verb = f"change {verb}" if kind.startswith("set_") else verb
    return f"{verb} {named(target)}".strip()
