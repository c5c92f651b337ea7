"""What people are told of changes that wait for approval, and of rollbacks that did not. Pure."""

from edge.control.shapes.approvals.approval_shapes import ProposalMadeAnswer
from edge.domain.changes.commands import Change, kind_of, target_of
from edge.domain.changes.features.feature_commands import SwitchFeature
from edge.domain.model import AppId
from edge.messages.notice import Notice, NoticeKind


def notice_of_proposal(change: Change, made: ProposalMadeAnswer) -> Notice:
    """Its id is the change's, so it is told once."""
    proposal = made.proposal
    reason = f" Why: {change.reason}" if change.reason else ""
    return Notice(
        id=f"proposed-{change.id}",
        kind=NoticeKind.CHANGE_PROPOSED,
        at=change.at,
        app=made.app,
        channel=proposal.channels[0] if proposal.channels else "",
        title=f"{made.app}: {proposal.by} asks for approval of {_words(proposal.kind, proposal.target)}",
        text=f"{proposal.people} people have to stand behind it.{reason} See `edge proposal show {made.app} "
        f"{proposal.id}`, then `edge proposal approve {made.app} {proposal.id}` or reject it.",
        figures={"proposal": proposal.id, "people": proposal.people},
    )


def notice_of_emergency(app: AppId, recorded: Change) -> Notice:
    """Of a change that passed although it would need approval."""
    channel = str(getattr(recorded.command, "channel", ""))
    kills = isinstance(recorded.command, SwitchFeature)
    did, what = ("killed a feature", "killing a feature") if kills else ("rolled back", "a rollback")
    reason = f" Why: {recorded.reason}" if recorded.reason else " No reason is given."
    return Notice(
        id=f"emergency-{recorded.id}",
        kind=NoticeKind.EMERGENCY_ROLLBACK,
        at=recorded.at,
        app=app,
        channel=channel,
        title=f"{f'{app} {channel}'.strip()}: {recorded.by} {did} without approval",
        text=f"{_words(kind_of(recorded.command), target_of(recorded.command))}: {what} passes at once, and "
        f"everybody is told.{reason} See `edge history {app}`.",
    )


def _words(kind: str, target: str) -> str:
    return f"{kind.replace('_', ' ')} {target}".strip()
