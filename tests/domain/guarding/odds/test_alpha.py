"""The budget of false alarms, as one line of odds."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from edge.domain.guarding.odds.alpha import ALARM_LOG_ODDS, TEST_ALPHA, EpochOdds, log_weight, mixed_log_odds


def test_one_test_acts_at_a_thousand_to_one():
    assert math.exp(ALARM_LOG_ODDS) == pytest.approx(1_000)


def test_the_weights_of_the_epochs_add_up_to_one():
    assert sum(math.exp(log_weight(number)) for number in range(1, 5_001)) + 1 / 5_001 == pytest.approx(1)


def test_nothing_known_is_even_odds():
    assert mixed_log_odds(0.0, [EpochOdds(1, 0.0), EpochOdds(2, 0.0)], 2) == pytest.approx(0.0)


@given(some.floats(-50, 50), some.lists(some.floats(-50, 50), max_size=8))
def test_it_acts_wherever_one_part_reaches_its_own_share_of_the_alpha(whole, odds):
    epochs = [EpochOdds(number, each) for number, each in enumerate(odds, 1)]
    reached = math.exp(whole) >= 2 / TEST_ALPHA or any(
        math.exp(each.log_odds) >= 2 * each.number * (each.number + 1) / TEST_ALPHA for each in epochs
    )
    assert not reached or mixed_log_odds(whole, epochs, len(epochs)) >= ALARM_LOG_ODDS


@given(some.floats(-50, 50), some.lists(some.floats(-50, 50), max_size=8))
def test_it_never_says_more_than_its_strongest_part(whole, odds):
    epochs = [EpochOdds(number, each) for number, each in enumerate(odds, 1)]
    assert mixed_log_odds(whole, epochs, len(epochs)) <= max([whole, 0.0, *odds]) + 1e-9
