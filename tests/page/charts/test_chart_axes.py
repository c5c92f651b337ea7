"""Axes of charts: what they span, and their round ticks."""

import pytest

from edge.page.charts.axes import hours_axis, odds_axis, rate_axis, ratio_axis, share_axis, time_axis

NOW = 1_795_789_925.0  # 2026-11-27 14:32:05 UTC
HOUR, DAY = 3600.0, 86_400.0


def words(axis):
    return [tick.words.replace("\u202f", " ") for tick in axis.ticks]


def test_shares_span_0_to_100_percent_whatever_the_values():
    assert words(share_axis()) == ["0 %", "25 %", "50 %", "75 %", "100 %"]


@pytest.mark.parametrize(
    ("limit", "highest", "expected"),
    [
        (0.02, 0.002, ["0 %", "2 %", "4 %", "6 %"]),
        (0.02, 0.5, ["0 %", "20 %", "40 %", "60 %"]),
        (0.02, 1.0, ["0 %", "50 %", "100 %"]),
        (0.001, 0.0, ["0 %", "0.1 %", "0.2 %", "0.3 %"]),
        (0.5, 0.1, ["0 %", "50 %", "100 %"]),
    ],
)
def test_failures_span_at_least_three_times_the_limit(limit, highest, expected):
    axis = rate_axis(limit, highest)
    assert words(axis) == expected
    assert axis.high >= min(1, 3 * limit) - 1e-9 and axis.high >= min(1.0, highest) - 1e-9


def test_odds_span_1_to_10_until_10000_to_1():
    axis = odds_axis()
    assert words(axis) == ["1:10", "1:1", "10:1", "100:1", "1,000:1", "10⁴:1"]
    assert [axis.place(at) for at in (-7, -1, 4, 90)] == [0, 0, 1, 1]


def test_ratios_have_1_in_the_middle():
    axis = ratio_axis()
    assert words(axis) == ["0", "0.5", "1", "1.5", "2"] and axis.place(1) == 0.5


def test_hours_are_round_and_every_second_gives_way_on_a_phone():
    axis = hours_axis(72)
    assert words(axis) == ["0 h", "12", "24 h", "36", "48 h", "60", "72 h"]
    assert [tick.minor for tick in axis.ticks] == [False, True] * 3 + [False]
    assert hours_axis(0.2).high == HOUR and hours_axis(3000).high >= 3000 * HOUR


def test_moments_have_round_ticks_and_midnight_is_a_date():
    assert words(time_axis(NOW - 1800, NOW, NOW)) == ["14:10", "14:20", "14:30"]
    assert words(time_axis(NOW - 20 * HOUR, NOW, NOW)) == ["27 Nov", "06:00", "12:00"]
    assert words(time_axis(NOW - 14 * DAY, NOW, NOW)) == ["15 Nov", "18 Nov", "21 Nov", "24 Nov", "27 Nov"]


def test_an_axis_of_no_time_still_has_a_width():
    axis = time_axis(NOW, NOW, NOW)
    assert axis.high > axis.low and axis.place(NOW) == 0


def test_an_axis_has_few_ticks_whatever_it_spans():
    for span in (60, 300, 3599, 7200, DAY, 3 * DAY, 40 * DAY, 900 * DAY):
        assert 1 <= len(time_axis(NOW - span, NOW, NOW).ticks) <= 6
