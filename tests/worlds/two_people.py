"""An app whose channel `production` two people stand behind, and what people do about it."""

from dataclasses import replace

import msgspec
from factories import NOW, a_bundle, a_change
from histories import PUBLISHED

from edge.domain.approving.hands import is_person
from edge.domain.changes.apply import apply, apply_and_record, foresee_proposal
from edge.domain.changes.approving.approval_commands import ApproveProposal, Propose, SetApproval
from edge.domain.changes.commands import CreateApp, Undo, kind_of, target_of
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


__all__ = ["ANN", "BOB", "CAT", "PROTECT", "Team", "a_bundle", "apply", "proposing", "replace"]
