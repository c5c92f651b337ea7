"""Readings of clocks as moments, through gaps and overlaps; and quiet hours."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.messaging.local_times import moment_of, next_moment, quiet_until, reading_at
from edge.domain.schedule.zones import load_zone

HOUR, DAY = 3_600, 86_400


def utc(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    "zone, reading, moment",
    [
        ("UTC", "2026-12-01 09:00", "2026-12-01 09:00"),
        ("Asia/Tokyo", "2026-12-01 09:00", "2026-12-01 00:00"),
        ("Pacific/Kiritimati", "2026-12-01 09:00", "2026-11-30 19:00"),
        ("Pacific/Niue", "2026-12-01 09:00", "2026-12-01 20:00"),
        ("Asia/Kathmandu", "2026-12-01 09:00", "2026-12-01 03:15"),
        # Clocks go from 02:00 to 03:00 at 01:00 UTC on 29 March 2026.
        ("Europe/Paris", "2026-03-29 01:59", "2026-03-29 00:59"),
        ("Europe/Paris", "2026-03-29 02:30", "2026-03-29 01:30"),  # shown as 03:30
        ("Europe/Paris", "2026-03-29 03:00", "2026-03-29 01:00"),
        # They go from 03:00 back to 02:00 at 01:00 UTC on 25 October 2026.
        ("Europe/Paris", "2026-10-25 02:30", "2026-10-25 00:30"),  # the first of both
        ("Europe/Paris", "2026-10-25 03:00", "2026-10-25 02:00"),
        ("America/New_York", "2026-03-08 02:30", "2026-03-08 07:30"),
        ("America/New_York", "2026-11-01 01:30", "2026-11-01 05:30"),
        ("Australia/Lord_Howe", "2026-10-04 02:15", "2026-10-03 15:45"),  # a gap of half an hour
        ("Pacific/Apia", "2011-12-30 09:00", "2011-12-30 19:00"),  # a day that was left out
    ],
)
def test_a_reading_is_one_moment(zone, reading, moment):
    assert moment_of(load_zone(zone), utc(reading)) == utc(moment)


ZONES = st.sampled_from(
    ("Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Tokyo", "Pacific/Apia", "America/Caracas", "UTC")
)


@given(ZONES, st.integers(utc("2007-01-01"), utc("2030-01-01")))
def test_what_a_clock_shows_leads_back_to_its_first_moment(name, second):
    zone = load_zone(name)
    found = moment_of(zone, reading_at(zone, second))
    assert found <= second
    assert reading_at(zone, found) == reading_at(zone, second)


@given(ZONES, st.integers(0, DAY - 1), st.integers(utc("2007-01-01"), utc("2030-01-01")))
def test_the_next_time_of_a_day_is_within_a_day_and_a_change(name, of_day, now):
    zone = load_zone(name)
    found = next_moment(zone, of_day, now)
    assert now <= found <= now + (2 * DAY if name == "Pacific/Apia" else DAY + 2 * HOUR)


def test_a_usual_hour_is_met_today_or_tomorrow():
    paris = load_zone("Europe/Paris")
    assert next_moment(paris, 18 * HOUR, utc("2026-12-01 16:00")) == utc("2026-12-01 17:00")
    assert next_moment(paris, 18 * HOUR, utc("2026-12-01 17:00")) == utc("2026-12-01 17:00")
    assert next_moment(paris, 18 * HOUR, utc("2026-12-01 17:01")) == utc("2026-12-02 17:00")
    assert next_moment(paris, 2 * HOUR + 1800, utc("2026-10-25 00:45")) == utc("2026-10-25 01:30")  # the second 02:30


QUIET = (22 * 60, 8 * 60)


@pytest.mark.parametrize(
    "zone, quiet, now, over",
    [
        ("UTC", QUIET, "2026-12-01 21:59", None),
        ("UTC", QUIET, "2026-12-01 22:00", "2026-12-02 08:00"),
        ("UTC", QUIET, "2026-12-02 07:59", "2026-12-02 08:00"),
        ("UTC", QUIET, "2026-12-02 08:00", None),
        ("Asia/Tokyo", QUIET, "2026-12-01 14:00", "2026-12-01 23:00"),
        ("UTC", (9 * 60, 17 * 60), "2026-12-01 09:00", "2026-12-01 17:00"),
        ("UTC", (9 * 60, 17 * 60), "2026-12-01 17:00", None),
        ("Europe/Paris", (22 * 60, 150), "2026-03-29 00:00", "2026-03-29 01:30"),  # 02:30 is skipped: shown as 03:30
        ("Europe/Paris", (22 * 60, 150), "2026-10-25 00:00", "2026-10-25 00:30"),
        ("Europe/Paris", (22 * 60, 165), "2026-10-25 01:30", "2026-10-25 01:45"),  # the second 02:30, to the second end
    ],
)
def test_quiet_hours_end_by_the_devices_clock(zone, quiet, now, over):
    assert quiet_until(load_zone(zone), quiet, utc(now)).at == (utc(over) if over else None)


@given(ZONES, st.integers(0, 1_439), st.integers(0, 1_439), st.integers(utc("2007-01-01"), utc("2030-01-01")))
def test_the_end_of_quiet_hours_is_later_and_near(name, begin, end, second):
    if begin == end:
        return
    over = quiet_until(load_zone(name), (begin, end), second).at
    assert over is None or second < over <= second + 2 * DAY + 2 * HOUR
