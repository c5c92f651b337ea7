"""When the guard is blind, and who is told."""

import logging

import pytest

from edge.assembly.counting.messages import FoldCondition
from edge.assembly.guarding.sight import BLIND_SECONDS, blindness_of
from edge.assembly.guarding.telling_sight import TellingSight

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("age", "is_up", "watched", "failing", "says"),
    [
        (1.0, True, 1, "", ""),
        (BLIND_SECONDS + 1, True, 1, "", "events were last counted 91 s ago"),
        (BLIND_SECONDS + 1, True, 0, "", ""),
        (1.0, False, 1, "", "events are not counted: the process that counts them is not running"),
        (1.0, False, 1, "the disk is full", "events are not counted: the disk is full"),
        (1.0, False, 0, "the disk is full", ""),
    ],
)
def test_the_guard_is_blind_while_counting_stands_still(age, is_up, watched, failing, says):
    condition = FoldCondition(NOW - age, 0, 0, {}, failing=failing)
    assert blindness_of(condition, is_up=is_up, watched=watched, now=NOW) == says


def test_each_change_is_one_line_and_workers_hear_it_again_while_it_lasts(caplog):
    said = iter(["", "no process", "no process", "", ""])
    told = []
    sight = TellingSight(lambda: next(said), told.append)
    with caplog.at_level(logging.WARNING, "edge.guard"):
        for _ in range(5):
            sight.look()
    assert told == [True, True, False]
    assert [record.message.partition(",")[0] for record in caplog.records] == [
        "the guard is blind",
        "the guard sees again",
    ]
