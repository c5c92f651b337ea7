"""When the next step may begin by itself."""

import pytest

from edge.domain.guarding.advancing import enough_known


@pytest.mark.parametrize(
    ("attempts", "failed", "step_attempts", "is_known"),
    [
        (0, 0, 0, False),
        (300, 0, 300, False),  # 2.8 % is not ruled out
        (600, 0, 300, True),
        (600, 0, 299, False),
        (6_810, 15, 900, True),
        (6_810, 136, 900, False),
    ],
)
def test_a_step_ends_when_enough_is_known(attempts, failed, step_attempts, is_known):
    enough = enough_known(attempts, failed, step_attempts, 0.02)
    assert enough.is_known is is_known and enough.why.startswith("waits") is not is_known


def test_what_is_known_is_said():
    assert enough_known(6_810, 15, 900, 0.02).why == "15 of 6,810 attempts failed, at most 0.57 %; the limit is 2 %"
