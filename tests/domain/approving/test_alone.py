"""Whatever one person does, and in whatever order: a protected channel offers what it did, or did before."""

from histories import COMMANDS
from hypothesis import example, given, settings
from hypothesis import strategies as st
from two_people import ANN, BOB, Team, proposing

from edge.domain.app_parts.protection import ChangeKind
from edge.domain.approving.offered import leads, offered
from edge.domain.changes.approving.approval_commands import ApproveProposal, EndFreeze, SetApproval, StartFreeze
from edge.domain.changes.commands import (
    ChannelSettings,
    CreateChannel,
    DeleteApp,
    MoveRollout,
    RollBack,
    SetChannel,
    StartRollout,
    Undo,
)
from edge.domain.changes.guard.guard_commands import GuardActs
from edge.domain.errors import EdgeError
from edge.domain.schedule.rollout import Move

_NOTHING = Undo(revision=999)
_own = st.sampled_from(
    (
        SetApproval(channel="production", people=1),
        SetApproval(channel="production", people=2, kinds=(ChangeKind.DELETE,)),
        SetApproval(channel="production", people=3),
        SetApproval(channel="beta", people=2),
        SetApproval(channel="beta", people=1),
        StartFreeze(begins=0.0, ends=1_700_000_600.0, channels=("production",)),
        EndFreeze(freeze="f13"),
        DeleteApp(app="com.example.app"),
        CreateChannel(name="production", settings=ChannelSettings(public=True)),
        "propose",
        "approve",
        "approve as another",
    )
)
_ROLLOUT = StartRollout(channel="production", bundle="1.0.3", steps=(1_000, 50_000), every_seconds=120)
_SET = SetChannel(name="production", settings=ChannelSettings(bundle="1.0.4"), force=True)
_openings = st.sampled_from(([], [_ROLLOUT], [_SET]))
_TOKENS = (("ann-phone", ANN), ("ci", ANN), ("ci-2", "ci", ANN))


def does(team: Team, command, wanted) -> None:
    """As ann, by whichever of her names."""
    match command:
        case "propose":
            team.do(proposing(wanted, ANN), ANN)
        case "approve" | "approve as another":
            hands = (ANN,) if command == "approve" else _TOKENS[team.state.revision % len(_TOKENS)]
            for id in team.state.proposals:
                team.do(ApproveProposal(proposal=id, effect=team.effect(id), hands=hands), hands[0])
        case MoveRollout(channel="?"):
            team.do(MoveRollout(channel="production", move=command.move))
        case _:
            team.do(command)


def is_way_back(before, after, earlier) -> bool:
    """In words of its own: all is as it was, but what all get is one of `earlier`, or what is on its way is over."""
    same = {"settings", "guard", "withdrawn"}
    return (
        all(before[part] == after[part] for part in same)
        and after["bundle"] in (before["bundle"], "builtin", *earlier)
        and after["rollout"] in (before["rollout"], None)
        and after["experiment"] in (before["experiment"], None)
    )


def stops(before, after) -> bool:
    """It is paused where it is, or its guard decides from now on; and its guard is stricter at most."""
    was, becomes = before["rollout"], after["rollout"]
    if (was is None) != (becomes is None):
        return False
    moved = was != becomes
    rests = {key for key in before if key not in ("rollout", "guard")}
    return all(before[key] == after[key] for key in rests) and (
        not moved or ((becomes["phase"] == "paused" or becomes["gated"]) and was["salt"] == becomes["salt"])
    )


@settings(max_examples=150)
@given(_openings, st.lists(st.tuples(COMMANDS | _own | _own, COMMANDS), max_size=20))
@example([_ROLLOUT], [(MoveRollout(channel="?", move=Move.PAUSE), _NOTHING), (Undo(revision=-1, force=True), _NOTHING)])
def test_one_person_alone_offers_nothing_new(opening, commands):
    team = Team(*opening)
    led = leads(team.state)
    for command, wanted in commands:
        if isinstance(command, GuardActs):
            continue  # the guard's own
        before = team.state
        known, earlier = offered(before, "production"), before.channels["production"].earlier
        try:
            does(team, command, wanted)
        except EdgeError:
            assert team.state is before or command in ("approve", "approve as another")
        now = offered(team.state, "production")
        back = isinstance(command, RollBack) or (isinstance(command, MoveRollout) and command.move is Move.ROLL_BACK)
        assert now == known or (back and is_way_back(known, now, earlier)) or stops(known, now)
        assert leads(team.state) == led
        assert team.state.approvals["production"].people >= 2
        assert all(each.approvals == () for each in team.state.proposals.values())


@settings(max_examples=60)
@given(_openings, st.lists(COMMANDS, max_size=10))
def test_what_two_agree_on_is_what_one_would_have_done_without_the_rule(opening, commands):
    ruled, free = Team(*opening), Team(*opening, protect=SetApproval(channel="production", people=1))
    for command in commands:
        if isinstance(command, Undo | GuardActs):
            continue
        said = f"change-{len(ruled.states)}-{ruled.now}"
        for team in (ruled, free):
            before = team.now
            try:
                team.do(command, change=said)
            except EdgeError as refused:
                if refused.code == "needs_approval":
                    team.now = before
                    proposal = team.propose(command, change=said)
                    team.now = before
                    team.approve(proposal, BOB)
            team.now = before + 60
        assert offered(ruled.state, "production") == offered(free.state, "production")
        assert leads(ruled.state) == leads(free.state)
