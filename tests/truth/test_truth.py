"""A small fleet with a diary: every figure of its node is what the diary says. `tests.drills.truth` has a large one."""

import asyncio

import pytest
import uvloop

from tests.truth.judging import judge

DEVICES, DAYS, SEED = 300, 5, 1


@pytest.mark.long
def test_every_figure_is_what_the_diary_of_a_fleet_says(tmp_path):
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        judged = runner.run(judge(tmp_path, devices=DEVICES, days=DAYS, seed=SEED))
    assert judged.diary.refused == 0
    assert [(each.figure, each.wrong[:3]) for each in judged.wrong] == []
    empty = [each.figure for each in judged.compared if not each.total]
    assert [figure for figure in empty if not figure.endswith(": causes")] == []  # a bundle may fail nowhere
