"""What people are told of changes that wait, and of rollbacks that did not."""

from edge.control.proposal_notices import notice_of_emergency, notice_of_proposal
from edge.control.shapes.approvals.approval_shapes import ProposalMadeAnswer, ProposalSummary
from edge.domain.changes.commands import Change, RollBack
from edge.messages.notice import NoticeKind, within_limits

APP = "com.acme.app"


def test_a_rollback_without_approval_is_loud():
    change = Change(
        id="c1", at=5.0, by="ann@example.com", command=RollBack(channel="production"), reason="white screen"
    )
    told = within_limits(notice_of_emergency(APP, change))
    assert (told.kind, told.app, told.channel, told.id) == (
        *(NoticeKind.EMERGENCY_ROLLBACK, APP, "production"),
        "emergency-c1",
    )
    assert "ann@example.com rolled back without approval" in told.title and "white screen" in told.text


def test_a_proposal_is_told_with_what_to_do():
    change = Change(id="c2", at=5.0, by="ann@example.com", command=RollBack(channel="production", to="1.0.0"))
    proposal = ProposalSummary(
        id="p7",
        state="waiting",
        by="ann@example.com",
        kind="set_channel",
        target="production",
        at=5.0,
        expires=9.0,
        reason="",
        people=3,
        channels=["production"],
        kinds=[],
        approvals=[],
        refused="",
        decided_by=[],
        decided_at=None,
        revision=None,
        decision="",
    )
    made = ProposalMadeAnswer(error="needs_approval", message="it waits", app=APP, revision=7, proposal=proposal)
    told = notice_of_proposal(change, made)
    assert (told.kind, told.channel) == (NoticeKind.CHANGE_PROPOSED, "production")
    assert "set channel production" in told.title and "edge proposal approve com.acme.app p7" in told.text
