"""Medians of what was counted, and the list of links that they revise."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.forms.choice import LINKS_LIMIT, LinkSince
from edge.domain.forms.link_model import USUAL_LINK, LinkSpeed
from edge.domain.forms.observed import (
    DIFFERS,
    FASTEST_BPS,
    LEAST_SAMPLES,
    NOTHING_OBSERVED,
    SHORTEST_SECONDS,
    LinkCounts,
    added,
    is_believable,
    median_of,
    newly,
    revised,
    step_of,
)

FIRST = (LinkSince(0.0, USUAL_LINK),)
STEPS = st.dictionaries(st.integers(0, 160), st.integers(1, 1_000), max_size=5)
OBSERVED = st.builds(LinkCounts, STEPS, STEPS)


def a_day(round_trip_seconds: float, rate_bps: float, samples: int = LEAST_SAMPLES) -> LinkCounts:
    return LinkCounts({step_of(round_trip_seconds * 1e6): samples}, {step_of(rate_bps): samples})


@given(st.lists(st.floats(1, 1e12), min_size=1, max_size=50))
def test_a_median_is_off_by_a_tenth_at_most(values):
    steps: dict[int, int] = {}
    for value in values:
        steps[step_of(value)] = steps.get(step_of(value), 0) + 1
    assert median_of(steps) == pytest.approx(statistics.median_low(values), rel=0.1)


@given(OBSERVED, OBSERVED)
def test_what_was_counted_since_is_what_was_added(before, more):
    after = added(before, more)
    assert added(before, newly(before, after)) == after
    assert newly(NOTHING_OBSERVED, after) == after


def test_counters_that_began_again_count_whole():
    assert newly(a_day(0.04, 1e6, 10), a_day(0.04, 1e6, 3)) == a_day(0.04, 1e6, 3)


@pytest.mark.parametrize(
    "day",
    [
        NOTHING_OBSERVED,
        a_day(0.2, 5e6, LEAST_SAMPLES - 1),
        a_day(USUAL_LINK.round_trip_seconds, USUAL_LINK.rate_bps),  # nothing new
        LinkCounts(a_day(0.2, 5e6).round_trips, {}),
    ],
)
def test_a_day_that_tells_nothing_new_revises_nothing(day):
    assert revised(FIRST, day, 9.0) == FIRST


def test_another_link_is_added():
    links = revised(FIRST, a_day(0.2, 5e6), 9.0)
    assert links[:-1] == FIRST
    assert links[-1].since == 9.0
    assert links[-1].link == (pytest.approx(0.2, rel=0.1), pytest.approx(5e6, rel=0.1))


@given(st.lists(st.builds(a_day, st.floats(1e-6, 1_000), st.floats(1, 1e14)), max_size=60))
def test_the_list_is_bounded_believable_and_moves_in_strides(days):
    links = FIRST
    for number, day in enumerate(days):
        before, links = links, revised(links, day, float(number))
        if links != before:
            one, other = before[-1].link, links[-1].link
            assert max(max(a / b, b / a) for a, b in zip(one, other, strict=True)) >= DIFFERS
    assert 0 < len(links) <= LINKS_LIMIT
    assert all(is_believable(link) for _, link in links)


@pytest.mark.parametrize(
    ("link", "believed"),
    [
        (USUAL_LINK, True),
        (LinkSpeed(SHORTEST_SECONDS, FASTEST_BPS), True),
        (LinkSpeed(0.0, 1e6), False),
        (LinkSpeed(0.1, float("inf")), False),
        (LinkSpeed(float("nan"), 1e6), False),
    ],
)
def test_what_cannot_be_is_not_believed(link, believed):
    assert is_believable(link) is believed
