"""The adoption curve and the times at which it passes shares, to the minute."""

import pytest

from edge.domain.statistics.curves import (
    POINTS_LIMIT,
    AdoptionChange,
    build_adoption,
    curve,
    minute_of_share,
    most_at_once,
)

FIRST = 1000
# 10 devices: 5 at once, 4 an hour later, one of the first leaves after two hours.
CHANGES = [AdoptionChange(FIRST, 5, 0), AdoptionChange(FIRST + 60, 4, 0), AdoptionChange(FIRST + 120, 0, 1)]


def test_a_point_has_those_that_began_and_have_not_ended():
    points = curve(CHANGES, [FIRST - 1, FIRST, FIRST + 59, FIRST + 60, FIRST + 119, FIRST + 120], 10)
    assert [each.devices for each in points] == [0, 5, 5, 9, 9, 8]
    assert points[3].share == 0.9 and points[3].at == (FIRST + 60) * 60


@pytest.mark.parametrize(("mark", "minute"), [(0.5, FIRST), (0.51, FIRST + 60), (0.9, FIRST + 60), (0.95, None)])
def test_a_share_is_reached_at_its_first_minute_or_never(mark, minute):
    assert minute_of_share(CHANGES, mark, FIRST + 500, 10) == minute


def test_what_comes_after_the_end_does_not_count():
    assert minute_of_share(CHANGES, 0.9, FIRST + 59, 10) is None


def test_nobody_reaches_nothing():
    assert minute_of_share(CHANGES, 0.5, FIRST + 500, 0) is None


def test_adoption_has_one_denominator_for_the_whole_curve():
    made = build_adoption(CHANGES, FIRST, FIRST + 180, 10, 4)
    assert (made.now.value, made.now.of, made.running.value) == (0.8, 10, 8)
    assert [(each.share, each.time.value) for each in made.marks] == [(0.5, 0), (0.9, 3600), (0.95, None)]
    assert [each.at // 60 for each in made.curve] == [FIRST, FIRST + 60, FIRST + 120, FIRST + 180]
    assert made.after_24_hours.value is None and "24 hours" in made.after_24_hours.unknown


def test_the_mark_at_24_hours():
    made = build_adoption([*CHANGES, AdoptionChange(FIRST + 1441, 1, 0)], FIRST, FIRST + 5000, 10, 2)
    assert (made.after_24_hours.value, made.now.value) == (0.8, 0.9)


def test_without_an_offer_there_is_no_share_but_there_are_devices():
    made = build_adoption(CHANGES, None, FIRST + 180, 0, 60)
    assert made.first_offer is None and made.running.value == 8 and made.curve == []
    assert made.now.value is None and all(mark.time.value is None for mark in made.marks)


def test_a_curve_has_at_most_so_many_points_and_both_ends():
    made = build_adoption(CHANGES, FIRST, FIRST + 100_000, 10, 10_000)
    assert len(made.curve) == POINTS_LIMIT
    assert (made.curve[0].at, made.curve[-1].at) == (FIRST * 60, (FIRST + 100_000) * 60)
    assert len(build_adoption(CHANGES, FIRST, FIRST, 10, 60).curve) == 1


def test_the_most_at_once_are_those_of_the_fullest_minute():
    assert most_at_once(CHANGES, FIRST + 500) == 9 and most_at_once(CHANGES, FIRST + 59) == 5
    assert most_at_once([AdoptionChange(FIRST, 3, 3)], FIRST) == 0 == most_at_once([], FIRST)
