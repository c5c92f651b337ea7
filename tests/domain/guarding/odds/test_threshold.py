"""The threshold test: its check values, its limits, and that it holds at every look."""

import math
from fractions import Fraction

import pytest

from edge.domain.guarding.odds.threshold import is_enough, log_odds

ATTEMPTS = (5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 20_000, 50_000)
LEAST = {
    0.01: (3, 4, 4, 6, 9, 13, 23, 38, 65, 139, 509, 1_249),
    0.001: (4, 4, 5, 8, 10, 15, 26, 41, 69, 145, 515, 1_255),
}


def least_failures(attempts: int, limit: float, alarm: float) -> int:
    return next(failed for failed in range(attempts + 1) if log_odds(attempts, failed, limit) >= alarm)


@pytest.mark.parametrize(("alpha", "least"), LEAST.items())
def test_the_fewest_failures_that_alarm_at_a_limit_of_two_percent(alpha, least):
    assert tuple(least_failures(attempts, 0.02, -math.log(alpha)) for attempts in ATTEMPTS) == least


def exact_odds(attempts: int, failed: int, limit: Fraction) -> Fraction:
    """The mixture from its definition, without logarithms."""
    rates = [rate for factor in ("3/2", 2, 3, 5, 10, 25) if (rate := Fraction(factor) * limit) < Fraction(9, 10)]
    ratios = [(rate / limit) ** failed * ((1 - rate) / (1 - limit)) ** (attempts - failed) for rate in rates]
    return sum(ratios, Fraction(0)) / len(ratios)


@pytest.mark.parametrize("limit", ["1/1000", "1/50", "1/20", "1/10", "1/2"])
def test_the_odds_are_those_of_exact_arithmetic(limit):
    for attempts, failed in ((1, 0), (1, 1), (20, 5), (96, 14), (300, 0), (90, 90)):
        exact = exact_odds(attempts, failed, Fraction(limit))
        assert math.isclose(
            log_odds(attempts, failed, float(Fraction(limit))),
            math.log(exact.numerator) - math.log(exact.denominator),
            rel_tol=1e-9,
            abs_tol=1e-9,
        )


@pytest.mark.parametrize("limit", [0.001, 0.02, 0.3])
def test_the_expected_odds_stay_one_for_a_release_at_its_limit(limit):
    # What makes it hold at every look: whatever came before, the next attempt changes nothing on average.
    for attempts, failed in ((0, 0), (7, 3), (200, 1), (500, 40)):
        now = math.exp(log_odds(attempts, failed, limit))
        worse = math.exp(log_odds(attempts + 1, failed + 1, limit))
        better = math.exp(log_odds(attempts + 1, failed, limit))
        assert math.isclose(limit * worse + (1 - limit) * better, now, rel_tol=1e-9)


@pytest.mark.parametrize("limit", [0.0, 0.61, 0.9, 1.0])
def test_a_limit_without_an_alternative_never_alarms(limit):
    assert log_odds(1_000, 1_000, limit) == 0.0


def test_huge_counts_stay_finite():
    assert math.isfinite(log_odds(10**9, 10**9, 0.02)) and math.isfinite(log_odds(10**9, 0, 0.02))


@pytest.mark.parametrize(("attempts", "failed", "enough"), [(19, 19, False), (20, 4, False), (20, 5, True)])
def test_an_alarm_needs_twenty_attempts_and_five_failures(attempts, failed, enough):
    assert is_enough(attempts, failed) is enough
