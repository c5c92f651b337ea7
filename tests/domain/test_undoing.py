"""Undo: the state before the last change, and what of it needs force."""

import pytest
from factories import NOW, a_bundle, a_change

from edge.domain.apply import apply
from edge.domain.commands import (
    ChannelSettings,
    CreateApp,
    CreateChannel,
    MoveRollout,
    PublishBundle,
    StartRollout,
    Undo,
)
from edge.domain.errors import Conflict
from edge.domain.model import AppState
from edge.domain.rollout import Move


class History:
    """An app's states, one a revision, with a change every hundred seconds."""

    def __init__(self, *commands) -> None:
        self.states: list[AppState] = []
        self.do(CreateApp(app="com.example.app"))
        self.do(*commands)

    def do(self, *commands) -> AppState:
        for command in commands:
            state = self.states[-1] if self.states else None
            before = self.states[-2] if len(self.states) > 1 else None
            after = apply(state, a_change(command, at=NOW + 100 * len(self.states)), before)
            if after is not state:
                self.states.append(after)
        return self.states[-1]

    def undo(self, *, force: bool = False) -> AppState:
        return self.do(Undo(revision=self.states[-1].revision, force=force))


PUBLISHED = (
    *(PublishBundle(bundle=a_bundle(version)) for version in ("1.0.1", "1.0.2", "1.0.3")),
    CreateChannel(name="production", settings=ChannelSettings(public=True, bundle="1.0.1")),
)
ROLLOUT = StartRollout(channel="production", bundle="1.0.2", steps=(1_000, 50_000), every_seconds=3_600)


def a_move(wanted: Move) -> MoveRollout:
    return MoveRollout(channel="production", move=wanted)


@pytest.mark.parametrize(
    ("before", "stop"),
    [((), Move.PAUSE), ((), Move.ROLL_BACK), ((Move.PAUSE,), Move.ROLL_BACK)],
)
def test_a_stop_of_a_rollout_is_not_undone_without_force(before, stop):
    history = History(*PUBLISHED, ROLLOUT, *map(a_move, (*before, stop)))
    with pytest.raises(Conflict, match="run again") as caught:
        history.undo()
    assert caught.value.code == "undoes_a_stop"
    assert history.undo(force=True).channels["production"].rollout.phase.is_active
