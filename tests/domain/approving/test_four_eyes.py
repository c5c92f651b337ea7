"""Two people stand behind what a protected channel offers: whatever the way, one alone changes nothing."""

from dataclasses import replace

import msgspec
import pytest
from factories import NOW, a_bundle, digest
from two_people import ANN, BOB, CAT, Team, proposing

from edge.domain.app_parts.protection import ChangeKind, ProposalEnd
from edge.domain.approving.effect import OVERRIDES_ALONE
from edge.domain.changes.approving.approval_commands import (
    EndFreeze,
    RejectProposal,
    SetApproval,
    StartFreeze,
    WithdrawProposal,
)
from edge.domain.changes.approving.proposing import OWN_LIMIT_BYTES, OWN_PROPOSALS_LIMIT
from edge.domain.changes.commands import (
    ChannelSettings,
    CreateApp,
    CreateChannel,
    DeleteApp,
    DeleteBundle,
    DeleteChannel,
    MoveRollout,
    NewArm,
    PruneBundles,
    PublishBundle,
    PutIdSet,
    RollBack,
    RolloutTerms,
    SegmentSettings,
    SetChannel,
    SetOverride,
    SetSegment,
    StartExperiment,
    StartRollout,
    StopExperiment,
    Undo,
    WithdrawBundle,
)
from edge.domain.changes.guard.guard_commands import GuardSettings, SetGuard
from edge.domain.errors import Conflict, EdgeError, Forbidden
from edge.domain.guard_policy import GuardAction, Guarded
from edge.domain.model import Phase, Policy
from edge.domain.schedule.rollout import Move

EVIL = a_bundle("6.6.6")
ROLLOUT = StartRollout(channel="production", bundle="1.0.3", steps=(10_000, 50_000), every_seconds=600)
EXPERIMENT = StartExperiment(
    channel="production",
    name="colours",
    arms=(NewArm(name="a", bundle="1.0.1", weight=50_000), NewArm(name="b", bundle="1.0.4", weight=50_000)),
)
SETTINGS = ChannelSettings


def set_production(**settings) -> SetChannel:
    return SetChannel(name="production", settings=SETTINGS(**settings), force=True, downgrade=True, again=True)


def segment(name: str, where: str, channel: str | None = None) -> SetSegment:
    return SetSegment(name=name, settings=SegmentSettings(where=where, channel=channel))


ALONE = {
    "publish": ([], PublishBundle(bundle=EVIL, channel="production")),
    "publish as a rollout": ([], PublishBundle(bundle=EVIL, channel="production", rollout=RolloutTerms(steps=(1,)))),
    "offer": ([], set_production(bundle="1.0.3")),
    "offer one that is older": ([], set_production(bundle="0.9.0")),
    "roll out": ([], ROLLOUT),
    "the next step": ([ROLLOUT], MoveRollout(channel="production", move=Move.ADVANCE)),
    "promote": ([ROLLOUT], MoveRollout(channel="production", move=Move.PROMOTE)),
    "resume": ([ROLLOUT, MoveRollout(channel="production", move=Move.PAUSE)],
               MoveRollout(channel="production", move=Move.RESUME)),
    "undo a pause": ([ROLLOUT, MoveRollout(channel="production", move=Move.PAUSE)], Undo(revision=-1, force=True)),
    "experiment": ([], EXPERIMENT),
    "keep an arm": ([EXPERIMENT], StopExperiment(channel="production", keep="b")),
    "end one with what it has": ([EXPERIMENT], StopExperiment(channel="production", keep="a")),
    "withdraw": ([], WithdrawBundle(version="1.0.1", reason="bad")),
    "withdraw what it offered before": (
        [set_production(bundle="1.0.3")], WithdrawBundle(version="1.0.1", reason="bad"),
    ),
    "delete the app": ([], DeleteApp(app="com.example.app")),
    "delete the channel": ([SetChannel(name="production", settings=SETTINGS(public=False))],
                           DeleteChannel(name="production")),
    "delete a fallback": (
        [set_production(bundle="1.0.3"), set_production(bundle="1.0.4")], DeleteBundle(version="1.0.1"),
    ),
    "settings": ([], set_production(policy=Policy.NONE)),
    "whom it serves": ([], set_production(emulator=False)),
    "another public channel": ([], SetChannel(name="beta", settings=SETTINGS(public=True), replace=True)),
    "a new public channel": ([], CreateChannel(name="evil", settings=SETTINGS(public=True), replace=True)),
    "a segment that leads away": ([], segment("all", "is_prod", "beta")),
    "a segment that leads to it": ([], segment("all", "is_prod", "production")),
    "a segment that leads, wider": ([segment("team", 'custom_id == "a"', "beta")], segment("team", "is_prod", "beta")),
    "the ids of one that leads": (
        [PutIdSet(name="vip", blob=digest("a"), ids=1), segment("team", 'in_set("vip")', "beta")],
        PutIdSet(name="vip", blob=digest("b"), ids=9),
    ),
    "a segment of a rollout, wider": (
        [msgspec.structs.replace(ROLLOUT, segments=("droids",))], segment("droids", "is_prod"),
    ),
    "a guard that allows more": ([], SetGuard(channel="production", settings=GuardSettings(max_failure=50_000))),
    "a guard that only tells": ([], SetGuard(channel="production", settings=GuardSettings(action=GuardAction.NOTIFY))),
    "no guard": ([], SetGuard(channel="production", settings=GuardSettings(guarded=Guarded.NOTHING))),
    "time in place of the guard": (
        [SetGuard(channel="production", settings=GuardSettings(auto_advance=True)), ROLLOUT],
        SetGuard(channel="production", settings=GuardSettings(auto_advance=False)),
    ),
    "no rule": ([], SetApproval(channel="production", people=1)),
    "fewer kinds": ([], SetApproval(channel="production", people=2, kinds=(ChangeKind.DELETE,))),
    "a rollback to what it never offered": ([], RollBack(channel="production", to="1.1.0")),
    "other patches of what it offers": ([], PublishBundle(bundle=a_bundle("1.0.1", patches=digest("evil")))),
}  # fmt: skip


def protected(*before) -> Team:
    return Team(*before)


@pytest.mark.parametrize("way", ALONE)
def test_one_person_alone_changes_nothing(way):
    before, command = ALONE[way]
    team = protected(*before)
    # The undo is of what was done last: the rule has to be older.
    if isinstance(command, Undo):
        team = Team(*before[:-1])
        team.do(before[-1])
    known = team.state
    with pytest.raises(Conflict) as refused:
        team.do(command)
    assert (refused.value.code, team.state) == ("needs_approval", known)


@pytest.mark.parametrize("way", [way for way, (_, command) in ALONE.items() if not isinstance(command, Undo)])
def test_with_another_person_it_is_one_revision_that_names_both(way):
    before, command = ALONE[way]
    team = protected(*before)
    proposal = team.propose(command, reason="why not")
    revision = team.state.revision
    team.approve(proposal)
    recorded = team.recorded[-1]
    assert (team.state.revision, team.state.proposals) == (revision + 1, {})
    assert (recorded.by, recorded.approved_by, recorded.reason) == (ANN, (BOB,), "why not")
    assert recorded.command == command
    assert [each.end for each in team.state.decided[-1:]] == [ProposalEnd.APPROVED]


def test_the_last_change_cannot_be_undone_by_one_person():
    team = protected()
    team.agree(set_production(bundle="1.0.3"))
    with pytest.raises(Conflict, match="stand behind"):
        team.do(Undo(revision=-1, force=True), BOB)


HARMLESS = {
    "a bundle that nobody gets": PublishBundle(bundle=EVIL),
    "another channel": PublishBundle(bundle=EVIL, channel="beta"),
    "prune": PruneBundles(keep=0),
    "a segment that leads nowhere": segment("other", "is_prod"),
    "one device": SetOverride(device="00000001-0000-4000-8000-000000000000", channel="beta"),
    "a stricter guard": SetGuard(
        channel="production", settings=GuardSettings(max_failure=1_000, guarded=Guarded.EVERYTHING, auto_advance=True)
    ),
    "a stricter rule": SetApproval(channel="production", people=3),
    "a freeze": StartFreeze(begins=NOW, ends=NOW + 86_400),
}


@pytest.mark.parametrize("way", HARMLESS)
def test_what_changes_nothing_for_its_devices_needs_nobody(way):
    team = protected()
    known = team.state
    assert team.do(HARMLESS[way]) is not known


def test_a_rollout_is_paused_and_gated_by_one_person():
    team = protected(ROLLOUT)
    team.do(SetGuard(channel="production", settings=GuardSettings(auto_advance=True)))
    team.do(MoveRollout(channel="production", move=Move.PAUSE))
    assert team.state.channels["production"].rollout.phase is Phase.PAUSED


@pytest.mark.parametrize(
    ("before", "command"),
    [
        ([set_production(bundle="1.0.3")], RollBack(channel="production")),
        ([set_production(bundle="1.0.3")], RollBack(channel="production", to="1.0.1")),
        ([], RollBack(channel="production", to="builtin")),
        ([ROLLOUT], RollBack(channel="production")),
        ([EXPERIMENT], RollBack(channel="production")),
        ([ROLLOUT], MoveRollout(channel="production", move=Move.ROLL_BACK)),
    ],
)
def test_a_rollback_passes_and_is_marked(before, command):
    team = protected(*before)
    team.do(command)
    assert team.recorded[-1].emergency is True


def test_a_rollback_of_another_channel_is_no_emergency():
    team = protected()
    team.do(RollBack(channel="beta", to="builtin"))
    assert team.recorded[-1].emergency is msgspec.UNSET


def test_a_rollback_cannot_be_undone_alone():
    team = protected(set_production(bundle="1.0.3"))
    team.do(RollBack(channel="production"))
    with pytest.raises(Conflict, match="stand behind"):
        team.do(Undo(revision=-1, force=True))


def test_many_devices_are_not_sent_elsewhere_one_by_one():
    team = protected()
    sent = [f"{n:08x}-0000-4000-8000-000000000000" for n in range(OVERRIDES_ALONE + 1)]
    for device in sent[:-1]:
        team.do(SetOverride(device=device, channel="beta"))
    with pytest.raises(Conflict, match="stand behind"):
        team.do(SetOverride(device=sent[-1], channel="beta"))
    team.do(SetOverride(device=sent[-1], channel="production"))


# --- who approves ---


@pytest.mark.parametrize(
    ("author", "approver", "code"),
    [
        ((ANN,), (ANN,), "own_change"),
        (("ci", ANN), (ANN,), "own_change"),  # made the token
        ((ANN,), ("phone", ANN), "own_change"),  # with a token that the author made
        (("ci", ANN), ("phone", ANN), "own_change"),  # two tokens of one maker
        (("a", "admin", "*"), ("b", "admin", "*"), "own_change"),
        (("admin", "*"), ("admin-2", "*"), "own_change"),  # both made by nodes
        (("ci", ANN), ("x", "?"), "unknown_maker"),
    ],
)
def test_nobody_approves_what_may_be_their_own(author, approver, code):
    team = protected()
    command = set_production(bundle="1.0.3")
    team.do(proposing(command, author[0], author), author[0])
    (proposal,) = team.state.proposals
    with pytest.raises(Forbidden) as refused:
        team.approve(proposal, approver[0], hands=approver)
    assert refused.value.code == code


def test_who_cannot_be_told_proposes_nothing():
    team = protected()
    with pytest.raises(Forbidden, match="create it again"):
        team.do(proposing(set_production(bundle="1.0.3"), "ci", ("ci", "?")), "ci")


def test_three_people_are_three():
    team = Team(protect=SetApproval(channel="production", people=3))
    proposal = team.propose(set_production(bundle="1.0.3"))
    team.approve(proposal, BOB)
    assert team.state.channels["production"].bundle == "1.0.1"
    with pytest.raises(Conflict, match="already"):
        team.approve(proposal, BOB)
    with pytest.raises(Forbidden, match="may be one person"):
        team.approve(proposal, "bobs", hands=("bobs", BOB))
    team.approve(proposal, CAT)
    assert team.state.channels["production"].bundle == "1.0.3"
    assert team.recorded[-1].approved_by == (BOB, CAT)


def test_the_approval_of_who_is_gone_does_not_count_and_another_one_does():
    """Also of the same name, if somebody came back; and a request that is sent again finds others gone."""
    team = Team(protect=SetApproval(channel="production", people=3))
    proposal = team.propose(set_production(bundle="1.0.3"))
    seen = team.effect(proposal)
    team.approve(proposal, BOB, change="first")
    team.approve(proposal, BOB, gone=(BOB,), change="again")
    revision = team.state.revision
    team.approve(proposal, BOB, effect=seen, change="again")
    assert team.state.revision == revision
    team.approve(proposal, CAT, gone=(BOB,))
    assert [each.by for each in team.state.proposals[proposal].approvals] == [CAT]
    team.approve(proposal, "bobs", hands=("bobs", BOB))
    assert team.recorded[-1].approved_by == (CAT, "bobs")


def test_an_approval_that_was_taken_back_does_not_come_back_by_undoing_that():
    team = Team(protect=SetApproval(channel="production", people=3))
    proposal = team.propose(set_production(bundle="1.0.3"))
    team.approve(proposal, BOB)
    team.do(Undo(revision=-1), BOB)
    team.do(Undo(revision=-1), ANN)
    assert team.state.proposals[proposal].approvals == ()


# --- what was seen ---


def test_what_does_not_matter_in_between_does_not_block():
    team = protected()
    proposal = team.propose(set_production(bundle="1.0.3"))
    seen = team.effect(proposal)
    team.do(PublishBundle(bundle=a_bundle("7.0.0"), channel="beta"), CAT)
    team.approve(proposal, effect=seen)
    assert team.state.channels["production"].bundle == "1.0.3"


def test_what_would_do_something_else_now_is_shown_again():
    team = protected(set_production(bundle="1.0.2"))
    proposal = team.propose(set_production(bundle="1.0.3"))
    seen = team.effect(proposal)
    team.do(RollBack(channel="production"), CAT)
    with pytest.raises(Conflict) as refused:
        team.approve(proposal, effect=seen)
    assert refused.value.code == "effect_changed"
    team.approve(proposal)
    assert team.state.channels["production"].bundle == "1.0.3"


def test_a_step_that_has_begun_meanwhile_is_not_another_one():
    team = protected(ROLLOUT)
    proposal = team.propose(MoveRollout(channel="production", move=Move.ADVANCE))
    seen = team.effect(proposal)
    team.now += 600
    with pytest.raises(EdgeError):
        team.approve(proposal, effect=seen)


def test_the_devices_of_a_rollout_are_those_that_were_seen():
    team = protected()
    proposal = team.propose(ROLLOUT, change="asked-for")
    team.approve(proposal)
    assert team.state.channels["production"].rollout.salt == "asked-for"


def test_a_rule_that_is_weaker_by_then_still_asks_for_the_author_and_one_more():
    team = protected()
    proposal = team.propose(set_production(bundle="1.0.3"))
    team.agree(SetApproval(channel="production", people=1))
    team.approve(proposal, CAT)
    assert team.recorded[-1].approved_by == (CAT,)


def test_a_rule_that_is_stricter_by_then_holds():
    team = protected()
    proposal = team.propose(set_production(bundle="1.0.3"))
    team.do(SetApproval(channel="production", people=3))
    team.approve(proposal)
    assert team.state.channels["production"].bundle == "1.0.1"


# --- what becomes of a proposal ---


def test_a_proposal_expires():
    team = protected()
    proposal = team.propose(set_production(bundle="1.0.3"))
    team.now += 7 * 86_400
    with pytest.raises(Conflict, match="in time"):
        team.approve(proposal, effect="")
    team.do(PublishBundle(bundle=EVIL))
    assert (team.state.proposals, team.state.decided[-1].end) == ({}, ProposalEnd.EXPIRED)


def test_it_is_rejected_or_withdrawn():
    team = protected()
    first, second = (team.propose(set_production(bundle=each)) for each in ("1.0.3", "1.0.4"))
    with pytest.raises(Forbidden, match="reject it"):
        team.do(WithdrawProposal(proposal=first, hands=(BOB,)), BOB)
    team.do(RejectProposal(proposal=first), BOB, reason="not on a Friday")
    team.do(WithdrawProposal(proposal=second, hands=(ANN,)), ANN)
    ends = [(each.id, each.end, each.decided_by, each.reason) for each in team.state.decided]
    assert ends == [
        (first, ProposalEnd.REJECTED, (BOB,), "not on a Friday"),
        (second, ProposalEnd.WITHDRAWN, (ANN,), ""),
    ]
    with pytest.raises(Conflict, match="was rejected by bob"):
        team.approve(first, CAT, effect="")


def test_the_undo_of_a_proposal_withdraws_it_and_that_of_a_rejection_brings_it_back():
    team = protected()
    proposal = team.propose(PublishBundle(bundle=EVIL, channel="production"))
    assert "6.6.6" in team.state.bundles
    team.do(RejectProposal(proposal=proposal), BOB)
    team.do(Undo(revision=-1), BOB)
    assert (list(team.state.proposals), team.state.decided) == ([proposal], ())
    other = protected()
    proposal = other.propose(PublishBundle(bundle=EVIL, channel="production"))
    other.do(Undo(revision=-1), ANN)
    assert (other.state.proposals, other.state.decided[-1].end) == ({}, ProposalEnd.WITHDRAWN)
    assert "6.6.6" not in other.state.bundles


def test_one_person_does_not_fill_the_proposals_of_all():
    """Neither in person nor with tokens."""
    team = protected()
    for number in range(OWN_PROPOSALS_LIMIT):
        team.do(proposing(set_production(bundle="1.0.3"), "ci", ("ci", ANN)), "ci", change=f"c{number}")
    with pytest.raises(Conflict, match="withdraw some") as refused:
        team.propose(set_production(bundle="1.0.3"), change="more")
    assert refused.value.code == "too_many_proposals"
    team.do(proposing(set_production(bundle="1.0.3"), BOB), BOB, change="another")


def test_one_persons_proposals_do_not_take_the_room_of_all():
    team = protected()
    first = team.propose(set_production(bundle="1.0.3"))
    large = replace(team.state.proposals[first], command="x" * OWN_LIMIT_BYTES)
    team.states.append(replace(team.state, proposals={first: large}))
    with pytest.raises(Conflict, match="your own proposals that wait are too large"):
        team.propose(set_production(bundle="1.0.3"), change="more")
    team.propose(set_production(bundle="1.0.3"), CAT, change="another")


def test_the_same_request_proposes_once():
    team = protected()
    command = set_production(bundle="1.0.3")
    team.propose(command, change="asked")
    revision = team.state.revision
    team.do(proposing(command, ANN), change="asked")
    assert team.state.revision == revision
    with pytest.raises(Conflict, match="waits for approval"):
        team.do(command, change="asked")


def test_a_protected_channel_that_is_gone_stays_protected():
    team = protected()
    team.agree(DeleteApp(app="com.example.app"))
    team.do(CreateApp(app="com.example.app"))
    with pytest.raises(Conflict, match="stand behind"):
        team.do(CreateChannel(name="production", settings=SETTINGS(public=True)))


def test_an_app_that_two_deleted_is_restored_by_one():
    team = protected()
    team.agree(DeleteApp(app="com.example.app"))
    team.do(Undo(revision=-1, force=True))
    assert (team.state.channels["production"].bundle, team.recorded[-1].emergency) == ("1.0.1", True)


def test_a_freeze_of_a_protected_channel_is_ended_by_two():
    team = protected()
    team.do(StartFreeze(begins=team.now, ends=team.now + 86_400))
    (freeze,) = team.state.freezes
    with pytest.raises(Conflict, match="stand behind"):
        team.do(EndFreeze(freeze=freeze.id))
    team.agree(EndFreeze(freeze=freeze.id))
    assert team.state.freezes == ()
