"""Undo: the state before the last change, and what of it needs force."""

import pytest
from histories import PUBLISHED, History

from edge.domain.commands import (
    MoveRollout,
    StartRollout,
)
from edge.domain.errors import Conflict
from edge.domain.rollout import Move

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
