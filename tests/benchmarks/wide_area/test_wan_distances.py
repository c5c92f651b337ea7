"""Means over published distributions of round trips."""

import pytest

from benchmarks.wide_area.distances import PUBLISHED, Distances, interpolate, mean_over, share_within

POINTS = [(1.0, 10.0), (2.0, 30.0), (4.0, 40.0)]
EVEN = Distances("even", ((0.0, 0.0), (1.0, 0.2)), "made up")


@pytest.mark.parametrize(("at", "value"), [(0, 10), (1, 10), (1.5, 20), (2, 30), (3, 35), (4, 40), (9, 40)])
def test_straight_lines_between_points_and_their_ends_beyond(at, value):
    assert interpolate(POINTS, at) == pytest.approx(value)


def test_the_mean_of_an_even_distribution_is_its_middle():
    assert mean_over(EVEN, lambda round_trip: round_trip) == pytest.approx(0.1)


def test_a_mean_is_of_times_not_of_round_trips():
    assert mean_over(EVEN, lambda round_trip: round_trip**2) == pytest.approx(0.04 / 3, rel=1e-4)


def test_beyond_the_outermost_quantile_the_nearest_counts():
    tails = Distances("tails", ((0.25, 1.0), (0.75, 2.0)), "made up")

    assert mean_over(tails, lambda round_trip: round_trip) == pytest.approx(0.25 * 1 + 0.5 * 1.5 + 0.25 * 2)


@pytest.mark.parametrize(("limit", "share"), [(0, 0), (0.05, 0.25), (0.2, 1)])
def test_the_share_within_a_limit(limit, share):
    assert share_within(EVEN, limit, lambda round_trip: round_trip) == pytest.approx(share, abs=0.001)


@pytest.mark.parametrize("places", PUBLISHED, ids=lambda places: places.name)
def test_published_quantiles_ascend_and_name_their_source(places):
    shares = [share for share, _ in places.quantiles]
    round_trips = [round_trip for _, round_trip in places.quantiles]

    assert shares == sorted(set(shares))
    assert round_trips == sorted(set(round_trips))
    assert all(0 < share < 1 for share in shares)
    assert "https://" in places.source
