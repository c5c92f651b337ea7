"""How the guard says numbers."""

import math

import pytest

from edge.domain.guard_policy import GuardMetric
from edge.domain.guarding.sentences import failures_said, odds_said, percent


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (0.0, "0 %"),
        (0.00034, "0.034 %"),
        (0.0057, "0.57 %"),
        (0.02, "2 %"),
        (0.0548, "5.5 %"),
        (0.0996, "10 %"),
        (0.288, "29 %"),
        (1.0, "100 %"),
    ],
)
def test_a_rate_has_two_digits(rate, said):
    assert percent(rate) == said


@pytest.mark.parametrize(
    ("attempts", "failed", "said"),
    [
        (0, 0, "no installs yet"),
        (1_894, 0, "0 of 1,894 installs failed, at most 0.56 %"),
        (96, 14, "14 of 96 installs failed, 5.5 to 29 %"),
    ],
)
def test_failures_are_said_with_their_interval(attempts, failed, said):
    assert failures_said(attempts, failed) == said


def test_an_install_that_failed_is_called_one():
    assert failures_said(96, 14, GuardMetric.INSTALL_FAIL) == "14 of 96 updates could not be installed, 5.5 to 29 %"


@pytest.mark.parametrize(
    ("odds", "said"),
    [
        (0.3, "less than 1 to 1"),
        (1, "1 to 1"),
        (9.96, "10 to 1"),
        (2_791, "2,800 to 1"),
        (3e6, "more than a million to 1"),
    ],
)
def test_odds_are_said_in_words(odds, said):
    assert odds_said(math.log(odds)) == said
