"""What people do about approval and freezes, as values. `hands` are the names that may be its author's, as the node
finds them (approving.hands), `groups` the author's as a login provider stated them."""

import msgspec

from edge.domain.app_parts.protection import CHOSEN_KINDS, ChangeKind

PROPOSAL_EXPIRES_SECONDS = 7 * 86_400  # by default: a week has somebody at work in it


class SetApproval(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="set_approval"):
    """From now on `people` have to stand behind a change of one of `kinds` to the channel, or, where that is WHOLE_APP,
    to what is the app's; 1: its author alone."""

    channel: str
    people: int
    kinds: tuple[ChangeKind, ...] = CHOSEN_KINDS
    expires_seconds: int = PROPOSAL_EXPIRES_SECONDS


class StartFreeze(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="start_freeze"):
    """See `protection.Freeze`. Times are in seconds since the epoch; the change's reason is the freeze's."""

    begins: float
    ends: float
    channels: tuple[str, ...] = ()
    except_rollback: bool = False


class EndFreeze(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="end_freeze"):
    """Before its time; one that has not begun never does."""

    freeze: str


class Propose(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="propose"):
    """Have a change wait for approval: `command` is the command as JSON, `what` and `target` its kind and what it acts
    on; `asked` is the command that was requested, if it stands in for another. A bundle that it publishes is there at
    once, and offered to nobody."""

    command: str
    what: str
    target: str
    hands: tuple[str, ...]
    groups: tuple[str, ...] = ()
    asked: str = ""


class ApproveProposal(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="approve_proposal"):
    """`effect` is the digest of what the person has seen that it would do. The last approval that is needed carries the
    proposed change out. `gone` are those who approved it and may not any more, as the node finds them."""

    proposal: str
    effect: str
    hands: tuple[str, ...]
    groups: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


class RejectProposal(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="reject_proposal"):
    """It is not made. The change's reason is why."""

    proposal: str


class WithdrawProposal(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="withdraw_proposal"):
    """By its author."""

    proposal: str
    hands: tuple[str, ...]


ApprovalCommand = SetApproval | StartFreeze | EndFreeze | Propose | ApproveProposal | RejectProposal | WithdrawProposal
