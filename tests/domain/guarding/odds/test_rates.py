"""Intervals of rates, and which group stands out."""

import math
import random
from fractions import Fraction

import pytest

from edge.domain.guarding.odds.rates import GroupCount, rate_interval, stands_out


@pytest.mark.parametrize(
    ("attempts", "failed", "low", "high"),
    [
        (96, 14, 0.055, 0.288),
        (88, 10, 0.033, 0.255),
        (6_810, 15, 0.00055, 0.00569),
        (0, 0, 0.0, 1.0),
        (1, 0, 0.0, 0.975),
        (20, 20, 0.7393, 1.0),
    ],
)
def test_an_interval_of_a_rate(attempts, failed, low, high):
    assert rate_interval(attempts, failed) == pytest.approx((low, high), abs=6e-4)


def test_where_all_but_one_of_very_many_fail_it_ends_at_the_whole():
    low, high = rate_interval(10**9, 10**9 - 1)
    assert 0.999_999 < low < high <= 1.0


def test_its_ends_are_where_the_odds_against_the_rate_are_twenty():
    attempts, failed = 96, 14
    beta = Fraction(math.factorial(failed) * math.factorial(attempts - failed), math.factorial(attempts + 1))
    for end in rate_interval(attempts, failed):
        rate = Fraction(end)
        assert float(beta / (rate**failed * (1 - rate) ** (attempts - failed))) == pytest.approx(20, rel=1e-6)


def test_the_true_rate_is_seldom_outside_at_any_look():
    draw, outside = random.Random(7), 0
    for _ in range(200):
        failed = 0
        for attempts in range(1, 201):
            failed += draw.random() < 0.1
            low, high = rate_interval(attempts, failed)
            if not low <= 0.1 <= high:
                outside += 1
                break
    assert outside <= 10  # 5 % of the rounds, and in fact half of that


def test_a_group_that_fails_far_more_stands_out():
    android, old, ios = GroupCount(4_000, 12), GroupCount(300, 60), GroupCount(5_000, 15)
    assert stands_out([android, old, ios]) == (False, True, False)


@pytest.mark.parametrize(
    "groups",
    [[], [GroupCount(100, 50)], [GroupCount(100, 5), GroupCount(0, 0)], [GroupCount(40, 3), GroupCount(60, 3)]],
    ids=["none", "alone", "an empty one", "much alike"],
)
def test_nothing_stands_out_where_there_is_nothing_to_compare(groups):
    assert not any(stands_out(groups))
