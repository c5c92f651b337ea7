"""Request bodies and answers about approval and freezes. Moments are in seconds since the epoch."""

from typing import Annotated

import msgspec

from edge.control.shapes.apps import AlteredView
from edge.control.shapes.common import AnswerBody, ChangeAnswer, RequestBody
from edge.control.shapes.impact import ImpactView
from edge.control.shapes.messages import MessagePreview
from edge.domain.app_parts.protection import APP_KINDS, CHOSEN_KINDS, ChangeKind
from edge.domain.changes.approving.approval_commands import PROPOSAL_EXPIRES_SECONDS

FreezeMoment = Annotated[float, msgspec.Meta(ge=0, le=32_503_680_000)]  # to the year 3000


class ApprovalRequest(RequestBody, frozen=True, kw_only=True):
    """From now on `people` have to stand behind a change of one of `kinds`, its author among them; 1: the author
    alone. A proposal waits for at most `expires_seconds`."""

    people: int
    kinds: tuple[ChangeKind, ...] = CHOSEN_KINDS
    expires_seconds: int = PROPOSAL_EXPIRES_SECONDS


class AppApprovalRequest(RequestBody, frozen=True, kw_only=True):
    """As of a channel, of what is the app's: `feature` is what its features give to devices, `message` one to them."""

    people: int
    kinds: tuple[ChangeKind, ...] = APP_KINDS
    expires_seconds: int = PROPOSAL_EXPIRES_SECONDS


class ApprovalRuleView(AnswerBody, frozen=True, kw_only=True):
    """Of one channel, or with `channel` null of the app's features and messages. `approvers` are how many different
    people may approve such changes, null where that cannot be counted, since members of a login provider's groups may;
    `warning` says so in words if they are too few, "" if not."""

    channel: str | None
    people: int
    kinds: list[ChangeKind]
    expires_seconds: int
    approvers: int | None = None
    warning: str = ""


class ApprovalChanged(ChangeAnswer, frozen=True, kw_only=True):
    """`approvals` are the app's rules now."""

    approvals: list[ApprovalRuleView]


class EndorsementView(AnswerBody, frozen=True, kw_only=True):
    """`counts` is false if the proposal would do something else now than what this person approved, or if the person is
    `gone`: removed since, or without the right to approve it."""

    by: str
    at: float
    counts: bool
    gone: bool = False


class ProposalSummary(AnswerBody, frozen=True, kw_only=True):
    """A proposal in a list. `state` is `waiting`, `approved`, `rejected`, `withdrawn` or `expired`. `kind` and `target`
    say what the change is, `reason` why it is made. It needs `people` in all, because of these `channels` and `kinds`,
    without a channel where only features or messages change; empty where it could not be made now (`refused`, with the
    code), or is decided. `decided_by` are those who decided, in `revision`, with `decision` as their reason."""

    id: str
    state: str
    by: str
    kind: str
    target: str
    at: float | None
    expires: float | None
    reason: str
    people: int
    channels: list[str]
    kinds: list[ChangeKind]
    approvals: list[EndorsementView]
    refused: str
    decided_by: list[str]
    decided_at: float | None
    revision: int | None
    decision: str


class ProposalDetail(ProposalSummary, frozen=True, kw_only=True):
    """`effect` is the digest of what it would do now to protected channels: an approval names it, and is refused if
    that differs by then. `changes` and `impact` are what it would do now, null where it could not be made; `message` is
    the preview of a message now, for whoever may approve or send it."""

    app: str
    effect: str
    changes: list[AlteredView] | None
    impact: ImpactView | None
    message: MessagePreview | None = None


class ProposalMadeAnswer(AnswerBody, frozen=True, kw_only=True):
    """With status 202: the change was not made, and waits for approval. `error` is `needs_approval`."""

    error: str
    message: str
    app: str
    revision: int
    proposal: ProposalSummary


class ApproveRequest(RequestBody, frozen=True, kw_only=True):
    """`effect` is that of the proposal as it was shown."""

    effect: str


class ProposalDecided(ChangeAnswer, frozen=True, kw_only=True):
    """`made`: the proposed change is made with this."""

    proposal: ProposalSummary
    made: bool


class FreezeRequest(RequestBody, frozen=True, kw_only=True):
    """`begins` null: now. Without `channels`: the whole app."""

    begins: FreezeMoment | None = None
    ends: FreezeMoment
    channels: tuple[str, ...] = ()
    except_rollback: bool = False


class FreezeView(AnswerBody, frozen=True, kw_only=True):
    """`on`: it has begun and is not over. Without `channels`: the whole app."""

    id: str
    begins: float
    ends: float
    on: bool
    channels: list[str]
    except_rollback: bool
    reason: str
    by: str


class FreezesChanged(ChangeAnswer, frozen=True, kw_only=True):
    """`freezes` are those that are on or to come."""

    freezes: list[FreezeView]
