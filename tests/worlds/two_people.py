"""An app whose channel `production` two people stand behind, and what people do about it."""

from dataclasses import replace

import msgspec
from factories import NOW, a_bundle, a_change
from histories import ANYWHERE, COMMANDS, PUBLISHED, VERSIONS
from hypothesis import strategies as st

from edge.domain.app_parts.protection import APP_KINDS, CHOSEN_KINDS, WHOLE_APP
from edge.domain.approving.hands import is_person
from edge.domain.changes.apply import apply, apply_and_record, foresee_proposal
from edge.domain.changes.approving.approval_commands import (
    ApproveProposal,
    EndFreeze,
    Propose,
    RejectProposal,
    SetApproval,
    StartFreeze,
    WithdrawProposal,
)
from edge.domain.changes.commands import ChannelSettings, CreateApp, SetChannel, Undo, kind_of, target_of
from edge.domain.model import AppState

ANN, BOB, CAT = "ann@example.com", "bob@example.com", "cat@example.com"
PROTECT = SetApproval(channel="production", people=2)


class Team:
    """An app with several people at work on it; a change a minute."""

    def __init__(self, *commands, protect=PROTECT) -> None:
        self.states: list[AppState] = []
        self.now = NOW
        self.recorded = []
        for number, command in enumerate((CreateApp(app="com.example.app"), *PUBLISHED, *commands, protect)):
            self.do(command, change=f"opening-{number}")

    @property
    def state(self) -> AppState:
        return self.states[-1]

    def do(self, command, by: str = ANN, *, reason: str = "", change: str = "") -> AppState:
        if isinstance(command, Undo) and command.revision < 0:
            command = msgspec.structs.replace(command, revision=self.state.revision)
        made = a_change(command, at=self.now, by=by, reason=reason, **({"id": change} if change else {}))
        self.now += 60
        state = self.states[-1] if self.states else None
        after, recorded = apply_and_record(state, made, self.states[-2] if len(self.states) > 1 else None)
        if after is not state:
            self.states.append(after)
            self.recorded.append(recorded)
        return self.state

    def propose(self, command, by: str = ANN, **given) -> str:
        """The id of the proposal."""
        before = set(self.state.proposals)
        self.do(proposing(command, by), by, **given)
        (made,) = set(self.state.proposals) - before
        return made

    def effect(self, proposal: str) -> str:
        """The digest of what it would do now."""
        needed = foresee_proposal(self.state, self.state.proposals[proposal], self.now).needed
        return needed.effect.digest if needed is not None else ""

    def approve(self, proposal: str, by: str = BOB, *, effect: str | None = None, hands=None, **given) -> AppState:
        seen, gone = self.effect(proposal) if effect is None else effect, given.pop("gone", ())
        command = ApproveProposal(proposal=proposal, effect=seen, hands=hands or hands_of_one(by), gone=gone)
        return self.do(command, by, **given)

    def agree(self, command, by: str = ANN, approved_by: str = BOB) -> AppState:
        return self.approve(self.propose(command, by), approved_by)


def proposing(command, by: str, hands=None) -> Propose:
    said = msgspec.json.encode(command).decode()
    return Propose(command=said, what=kind_of(command), target=target_of(command), hands=hands or hands_of_one(by))


def hands_of_one(name: str) -> tuple[str, ...]:
    return (name,) if is_person(name) else (name, "?")


# --- random changes of an app with rules ---


def _evenly(*strategies):
    """One of them, each as often as another: `|` counts the parts of one that is such a union."""
    return st.sampled_from(strategies).flatmap(lambda chosen: chosen)


_people = st.sampled_from(((ANN,), (BOB,), ("phone", ANN), ("ci", "*"), ("bobs", BOB, CAT)))
_kinds = st.sampled_from((CHOSEN_KINDS, CHOSEN_KINDS[:1]))
_waits = st.builds(
    lambda version, again: SetChannel(
        name="production", settings=ChannelSettings(bundle=version), force=True, downgrade=True, again=again
    ),
    st.sampled_from((*VERSIONS, "builtin")),
    st.booleans(),
)
_proposals = st.builds(
    lambda command, hands: proposing(command, hands[0], hands), _evenly(_waits, _waits, _waits, COMMANDS), _people
)
_approvals = st.builds(ApproveProposal, proposal=st.just(ANYWHERE), effect=st.just(""), hands=_people)
_RULES = (
    st.builds(
        SetApproval,
        channel=st.sampled_from(("production", "production", "beta", "gone")),
        people=st.integers(1, 3),
        kinds=_kinds,
        expires_seconds=st.sampled_from((600, 2_500, 86_400)),  # some are over before the next change
    ),
    st.builds(SetApproval, channel=st.just(WHOLE_APP), people=st.integers(1, 2), kinds=st.just(APP_KINDS)),
    st.builds(
        StartFreeze,
        begins=st.just(0.0),
        ends=st.sampled_from((NOW + 20_000, NOW + 60_000)),
        channels=st.sampled_from(((), ("production",))),
        except_rollback=st.booleans(),
    ),
    st.builds(EndFreeze, freeze=st.just(ANYWHERE)),
)
_endings = (
    st.builds(RejectProposal, proposal=st.just(ANYWHERE)),
    st.builds(WithdrawProposal, proposal=st.just(ANYWHERE), hands=_people),
)
_talks = st.builds(
    lambda asked, said: [asked, *said],
    _proposals,
    st.lists(_evenly(_approvals, _approvals, _approvals, _approvals, *_endings, COMMANDS), min_size=1, max_size=5),
)
TEAM_STORIES = st.builds(
    lambda people, talks: [
        SetApproval(channel="production", people=people, expires_seconds=5_500),
        *(command for talk in talks for command in talk),
    ],
    st.integers(2, 3),
    st.lists(_evenly(_talks, _talks, st.one_of(*_RULES).map(lambda rule: [rule])), min_size=2, max_size=6),
)

__all__ = ["ANN", "BOB", "CAT", "PROTECT", "TEAM_STORIES", "Team", "a_bundle", "apply", "proposing", "replace"]
