"""The exact interval of a ratio of rates: published values, an oracle, and what it promises."""

from fractions import Fraction
from math import comb, inf, log

import pytest

from edge.domain.comparing.event_share import log_odds, rate_ratio, share_interval


@pytest.mark.parametrize(("n", "k", "share"), [(1, 0, 0.5), (10, 10, 0.3), (200, 100, 0.5), (900, 60, 0.01)])
def test_the_evidence_is_a_uniform_mixture_over_the_likelihood(n, k, share):
    exact = 1 / ((n + 1) * comb(n, k) * Fraction(share) ** k * (1 - Fraction(share)) ** (n - k))
    expected = log(exact.numerator) - log(exact.denominator)
    assert log_odds(n, k, share) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("rate", "devices", "low", "high"),
    [
        *((0.005, 5_000, 0.41, 2.42), (0.005, 20_000, 0.63, 1.60)),
        *((0.02, 5_000, 0.63, 1.60), (0.02, 20_000, 0.78, 1.28)),
        *((0.05, 5_000, 0.74, 1.36), (0.05, 20_000, 0.85, 1.18)),
        *((0.2, 5_000, 0.85, 1.18), (0.2, 20_000, 0.92, 1.09)),
    ],
)
def test_what_it_reads_when_nothing_differs(rate, devices, low, high):
    events = round(rate * devices)
    found = rate_ratio(events, events, 0.5, 0.05)
    assert (round(found.low, 2), round(found.high, 2)) == (low, high)


def test_an_arm_without_events_has_no_lower_end_and_all_events_no_upper_one():
    assert rate_ratio(0, 40, 0.5, 0.05).low == 0.0
    assert rate_ratio(40, 0, 0.5, 0.05).high is None
    assert rate_ratio(0, 0, 0.5, 0.05) == (0.0, None)
    assert rate_ratio(0, 40, 0.5, 0.05).high < 1 < rate_ratio(40, 0, 0.5, 0.05).low < inf


def test_every_share_inside_is_kept_and_the_ends_are_where_the_odds_reach_their_limit():
    low, high = share_interval(300, 120, 0.01)
    assert log_odds(300, 120, low) == pytest.approx(-log(0.01), abs=1e-6)
    assert log_odds(300, 120, high) == pytest.approx(-log(0.01), abs=1e-6)
    assert low < 0.4 < high


def test_weights_are_taken_out():
    """A tenth of the devices with a tenth of the events has as many as the others."""
    found = rate_ratio(200, 1_800, 0.1, 0.05)
    assert found.low < 1 < found.high
    assert found.low == pytest.approx(1 / rate_ratio(1_800, 200, 0.9, 0.05).high)
