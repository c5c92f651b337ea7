"""A real node with simulated devices, in short: `tests.drills.guard_on_a_node` has more of them, and more kills."""

import pytest

from tests.drills import guard_on_a_node

pytestmark = pytest.mark.long


def test_a_bad_release_is_paused_and_a_good_one_is_not(capsys):
    guard_on_a_node.broken.clear()
    guard_on_a_node.play(devices=240, kills=1, workers=1, count=2, with_steps=False)
    assert guard_on_a_node.broken == [], capsys.readouterr().out
