"""Moments as the page writes them."""

import pytest

from edge.page.words.times import age, clock, day, moment, stamp, time_tag, weekday, with_age

NOW = 1_795_789_925.0  # 2026-11-27 14:32:05 UTC, a Friday
HOUR, DAY = 3600.0, 86_400.0


def spaced(text: str) -> str:
    return text.replace("\u202f", "_")


def test_today_is_a_clock_and_another_day_has_its_date():
    assert moment(NOW - 625, NOW) == "14:21:40"
    assert moment(NOW - 625, NOW, to_minute=True) == "14:21"
    assert moment(NOW - 15 * DAY - 5 * HOUR, NOW) == "12 Nov, 09:32"
    assert moment(NOW - 365 * DAY, NOW) == "27 Nov 2025, 14:32"
    assert moment(NOW + 12 * HOUR, NOW) == "28 Nov, 02:32"
    assert moment(None, NOW) == "–"


def test_the_day_ends_at_midnight_utc():
    midnight = NOW - (NOW % DAY)
    assert moment(midnight, NOW) == "00:00:00"
    assert moment(midnight - 1, NOW) == "26 Nov, 23:59"


def test_a_machine_can_read_it():
    assert time_tag(NOW, NOW) == '<time datetime="2026-11-27T14:32:05Z">14:32:05</time>'
    assert time_tag(NOW, NOW, to_minute=True) == '<time datetime="2026-11-27T14:32:05Z">14:32</time>'
    assert time_tag(None, NOW) == "–"
    assert stamp(0) == "1970-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("apart", "text"),
    [
        *((0, "now"), (0.4, "now"), (3.9, "3_s ago"), (660, "11_min ago"), (-10_080, "in 2_h 48_min")),
        (14 * DAY, "14_days ago"),
    ],
)
def test_ages(apart, text):
    assert spaced(age(NOW - apart, NOW)) == text


def test_an_age_stands_beside_its_moment():
    assert spaced(with_age(NOW - 840, NOW)) == "14:18, 14_min ago"


def test_days_and_axes():
    assert day(NOW, NOW) == "27 Nov" and day(NOW - 400 * DAY, NOW) == "23 Oct 2025"
    assert weekday(NOW + 9.5 * HOUR, NOW) == "Sat 28 Nov, 00:02"
    assert clock(NOW) == "14:32"
