"""When windows are open: at clock changes, over midnight, in union; and as a slow, obvious reading of them says."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.domain.schedule.windows import DAYS, HORIZON_SECONDS, compile_windows, parse_window
from edge.domain.schedule.zones import load_zone

MINUTE = 60


def moment(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def openings(texts: list[str], since: str, until: str) -> list[str]:
    """The spans during which it is open between two moments, all in UTC; each end is checked by `is_open` too."""
    schedule, now, end, found = compile_windows(texts), moment(since), moment(until), []
    while (opens := schedule.opens_at(now)) is not None and opens < end:
        closes = min(schedule.closes_at(opens) or end, end)
        assert schedule.is_open(opens)
        assert schedule.is_open(closes - 0.001)
        assert opens == now or not schedule.is_open(opens - 0.001)
        found.append(f"{show(opens)} - {show(closes)}")
        now = closes
    return found


def show(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%m-%d %H:%M")


# (windows, since, until, what is open: in UTC)
TABLE = {
    "a night in Paris in winter": (
        ["Mon-Fri 01:00-05:00 Europe/Paris"],
        ("2026-01-16 12:00", "2026-01-20 12:00"),  # a Friday
        ["01-19 00:00 - 01-19 04:00", "01-20 00:00 - 01-20 04:00"],
    ),
    "a night in Paris in summer": (
        ["Mon-Fri 01:00-05:00 Europe/Paris"],
        ("2026-07-13 12:00", "2026-07-14 12:00"),
        ["07-13 23:00 - 07-14 03:00"],
    ),
    "Paris, spring: a window across the hour that does not exist is an hour shorter": (
        ["daily 01:00-05:00 Europe/Paris"],
        ("2026-03-28 12:00", "2026-03-30 12:00"),
        ["03-29 00:00 - 03-29 03:00", "03-29 23:00 - 03-30 03:00"],
    ),
    "Paris, spring: a window in the hour that does not exist stays shut that day": (
        ["daily 02:10-02:50 Europe/Paris"],
        ("2026-03-28 00:00", "2026-03-30 12:00"),
        ["03-28 01:10 - 03-28 01:50", "03-30 00:10 - 03-30 00:50"],
    ),
    "Paris, spring: what ends or begins in that hour ends or begins at the change": (
        ["daily 01:30-02:30 Europe/Paris", "daily 02:40-03:15 Europe/Paris"],
        ("2026-03-28 12:00", "2026-03-29 12:00"),
        ["03-29 00:30 - 03-29 01:15"],
    ),
    "Paris, autumn: a window across the hour that comes twice is an hour longer": (
        ["daily 01:00-05:00 Europe/Paris"],
        ("2026-10-24 12:00", "2026-10-25 12:00"),
        ["10-24 23:00 - 10-25 04:00"],
    ),
    "Paris, autumn: an hour that comes twice is open twice": (
        ["daily 02:15-02:45 Europe/Paris"],
        ("2026-10-24 12:00", "2026-10-25 12:00"),
        ["10-25 00:15 - 10-25 00:45", "10-25 01:15 - 10-25 01:45"],
    ),
    "New York, spring": (
        ["Sun 01:30-03:30 America/New_York"],
        ("2026-03-08 00:00", "2026-03-09 00:00"),
        ["03-08 06:30 - 03-08 07:30"],
    ),
    "New York, autumn": (
        ["Sun 01:00-01:30 America/New_York"],
        ("2026-11-01 00:00", "2026-11-02 00:00"),
        ["11-01 05:00 - 11-01 05:30", "11-01 06:00 - 11-01 06:30"],
    ),
    "Lord Howe, spring: half an hour does not exist": (
        ["daily 01:45-02:45 Australia/Lord_Howe"],  # 02:00 becomes 02:30
        ("2026-10-03 12:00", "2026-10-04 12:00"),
        ["10-03 15:15 - 10-03 15:45"],
    ),
    "Lord Howe, autumn: half an hour comes twice": (
        ["daily 01:30-02:00 Australia/Lord_Howe"],  # 02:00 becomes 01:30
        ("2026-04-04 12:00", "2026-04-05 12:00"),
        ["04-04 14:30 - 04-04 15:30"],
    ),
    "Apia, 2011: the Friday that never was opens nothing": (
        ["Fri 10:00-12:00 Pacific/Apia"],
        ("2011-12-23 00:00", "2012-01-07 00:00"),
        ["12-23 20:00 - 12-23 22:00", "01-05 20:00 - 01-05 22:00"],
    ),
    "Apia, 2011: Thursday's night ends with Thursday": (
        ["Thu 22:00-02:00 Pacific/Apia"],
        ("2011-12-30 00:00", "2012-01-01 00:00"),
        ["12-30 08:00 - 12-30 10:00"],
    ),
    "Apia, 2011: the second half of Friday's night is on Saturday": (
        ["Fri 22:00-02:00 Pacific/Apia"],
        ("2011-12-30 00:00", "2012-01-01 00:00"),
        ["12-30 10:00 - 12-30 12:00"],
    ),
    "Kathmandu: five hours and three quarters": (
        ["daily 01:00-05:00 Asia/Kathmandu"],
        ("2026-07-01 00:00", "2026-07-02 00:00"),
        ["07-01 19:15 - 07-01 23:15"],
    ),
    "Tokyo: no clock changes": (
        ["Mon 00:00-01:00 Asia/Tokyo"],
        ("2026-03-22 00:00", "2026-04-06 00:00"),
        ["03-22 15:00 - 03-22 16:00", "03-29 15:00 - 03-29 16:00", "04-05 15:00 - 04-05 16:00"],
    ),
    "over midnight it belongs to the day it begins on": (
        ["Fri 22:00-02:00 UTC"],
        ("2026-01-15 12:00", "2026-01-18 00:00"),  # a Thursday
        ["01-16 22:00 - 01-17 02:00"],
    ),
    "over midnight and over the end of the week": (
        ["Sun 22:00-02:00 UTC"],
        ("2026-01-12 00:00", "2026-01-19 12:00"),  # a Monday
        ["01-12 00:00 - 01-12 02:00", "01-18 22:00 - 01-19 02:00"],
    ),
    "over midnight into the day of the change": (
        ["Sat 23:00-03:30 Europe/Paris"],
        ("2026-03-28 12:00", "2026-03-29 12:00"),
        ["03-28 22:00 - 03-29 01:30"],
    ),
    "a change at midnight: the day begins at 01:00": (
        ["Sat 23:00-00:30 Africa/Cairo"],  # on Friday, 24 April 2026, 00:00 becomes 01:00
        ("2026-04-23 00:00", "2026-04-26 00:00"),
        ["04-25 20:00 - 04-25 21:30"],
    ),
    "a change at midnight cuts what went on until 00:30": (
        ["Thu 23:00-00:30 Africa/Cairo"],
        ("2026-04-23 00:00", "2026-04-26 00:00"),
        ["04-23 21:00 - 04-23 22:00"],
    ),
    "a range that wraps": (
        ["Sat-Mon 10:00-11:00 UTC"],
        ("2026-01-15 12:00", "2026-01-21 00:00"),
        ["01-17 10:00 - 01-17 11:00", "01-18 10:00 - 01-18 11:00", "01-19 10:00 - 01-19 11:00"],
    ),
    "windows that overlap, touch or lie inside another are one": (
        [
            "Mon 01:00-03:00 UTC",
            "Mon 02:00-04:00 UTC",
            "Mon 02:30-02:40 UTC",
            "Mon 04:00-05:00 UTC",
            "Mon 06:00-07:00 UTC",
        ],
        ("2026-01-19 00:00", "2026-01-20 00:00"),
        ["01-19 01:00 - 01-19 05:00", "01-19 06:00 - 01-19 07:00"],
    ),
    "windows in several zones": (
        ["daily 01:00-03:00 Europe/Paris", "daily 01:00-03:00 Europe/London", "daily 01:00-02:00 America/New_York"],
        ("2026-01-19 00:00", "2026-01-20 00:00"),
        ["01-19 00:00 - 01-19 03:00", "01-19 06:00 - 01-19 07:00"],
    ),
    "whole days join at midnight": (
        ["Sat-Sun 00:00-24:00 UTC"],
        ("2026-01-15 00:00", "2026-01-22 00:00"),
        ["01-17 00:00 - 01-19 00:00"],
    ),
    "the end of a year": (
        ["Thu 22:00-02:00 UTC"],
        ("2026-12-31 00:00", "2027-01-02 00:00"),
        ["12-31 22:00 - 01-01 02:00"],
    ),
    "a leap day": (
        ["Tue 10:00-11:00 UTC"],
        ("2028-02-28 00:00", "2028-03-02 00:00"),
        ["02-29 10:00 - 02-29 11:00"],
    ),
    "a summer beyond every table": (
        ["daily 01:00-05:00 Europe/Paris"],
        ("2100-07-01 12:00", "2100-07-02 12:00"),
        ["07-01 23:00 - 07-02 03:00"],
    ),
    "before 1970": (
        ["Thu 00:00-01:00 UTC"],
        ("1969-12-24 00:00", "1970-01-02 00:00"),
        ["12-25 00:00 - 12-25 01:00", "01-01 00:00 - 01-01 01:00"],
    ),
}


@pytest.mark.parametrize(("windows", "between", "expected"), TABLE.values(), ids=TABLE)
def test_openings(windows, between, expected):
    assert openings(windows, *between) == expected


def test_over_midnight_the_morning_before_is_shut():
    schedule = compile_windows(["Fri 22:00-02:00 UTC"])
    assert schedule.is_open(moment("2026-01-17 01:00"))
    assert not schedule.is_open(moment("2026-01-16 01:00"))


def test_a_window_opens_at_its_first_moment_and_is_shut_at_its_end():
    schedule = compile_windows(["daily 01:00-02:00 UTC"])
    start = moment("2026-01-19 01:00")
    moments = [start - 0.001, start, start + 3599.999, start + 3600]
    assert [schedule.is_open(now) for now in moments] == [False, True, True, False]


@pytest.mark.parametrize(
    "windows", [[], ["daily 00:00-24:00 Europe/Paris"], ["daily 12:00-11:59 UTC", "daily 11:00-13:00 UTC"]]
)
def test_no_windows_and_windows_without_a_gap_are_always_open(windows):
    schedule = compile_windows(windows)
    now = moment("2026-01-19 11:59")
    assert schedule.is_open(now)
    assert schedule.opens_at(now) == now
    assert schedule.closes_at(now) is None


def test_a_window_in_the_hour_that_does_not_exist_opens_a_week_later():
    schedule = compile_windows(["Sun 02:00-03:00 Europe/Paris"])
    assert schedule.opens_at(moment("2026-03-28 12:00")) == moment("2026-04-05 00:00")


ZONES = [
    *(
        "UTC",
        "Europe/Paris",
        "America/New_York",
        "Australia/Lord_Howe",
        "Pacific/Apia",
        "Asia/Kathmandu",
        "Africa/Cairo",
    ),
    *("Asia/Tokyo", "America/St_Johns", "Africa/Casablanca", "Asia/Gaza", "Antarctica/Troll", "Pacific/Kiritimati"),
    *("America/Nuuk", "Asia/Tehran", "Pacific/Chatham", "Europe/Dublin"),
]
CHANGES = [
    *("2026-03-29 01:00", "2026-10-25 01:00", "2026-03-08 07:00", "2026-11-01 06:00", "2026-10-03 15:30"),
    *("2026-04-04 15:00", "2011-12-30 10:00", "2026-04-23 22:00", "2026-02-15 02:00", "2026-12-31 23:59"),
]


@st.composite
def texts(draw):
    days = draw(st.just("daily") | st.lists(st.sampled_from(DAYS), min_size=1, max_size=7).map(",".join))
    start, end = draw(st.tuples(st.integers(0, 1439), st.integers(1, 1440)).filter(lambda span: span[0] != span[1]))
    zone = draw(st.sampled_from(ZONES))
    return f"{days} {start // 60:02d}:{start % 60:02d}-{end // 60:02d}:{end % 60:02d} {zone}"


WINDOWS = st.lists(texts(), min_size=1, max_size=4)
NEAR_CHANGES = st.builds(
    lambda change, minutes: moment(change) + minutes * MINUTE, st.sampled_from(CHANGES), st.integers(-2000, 2000)
)
MOMENTS = NEAR_CHANGES | st.floats(0, 4_000_000_000) | st.integers(0, 66_000_000).map(lambda minute: minute * 60.0)


def obviously_open(windows: list[str], now: float) -> bool:
    """The slow reading: ask the wall clock in each window's zone, and the evening before for a window over midnight."""
    for window in map(parse_window, windows):
        wall = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=now // 1)).astimezone(load_zone(window.zone))
        minute = wall.hour * 60 + wall.minute
        today, yesterday = wall.weekday(), (wall.weekday() - 1) % 7
        if today in window.days and window.start_minute <= minute < window.end_minute:
            return True
        if yesterday in window.days and minute + 1440 < window.end_minute:
            return True
    return False


@settings(max_examples=300)
@given(WINDOWS, st.lists(MOMENTS, min_size=1, max_size=20))
@example(["Sat 23:30-00:30 Africa/Cairo"], [moment("2026-04-24 22:15")])
def test_open_is_what_the_wall_clock_says_in_whatever_order_it_is_asked(windows, moments):
    schedule = compile_windows(windows)
    expected = [obviously_open(windows, now) for now in moments]
    assert [schedule.is_open(now) for now in moments] == expected
    assert [schedule.is_open(now) for now in reversed(moments)] == expected[::-1]
    assert [compile_windows(windows[::-1]).is_open(now) for now in moments] == expected


@settings(max_examples=40)
@given(WINDOWS, st.sampled_from(CHANGES), st.integers(0, 4))
def test_two_days_around_a_change(windows, change, shift):
    schedule, start = compile_windows(windows), int(moment(change)) - 86_400 + shift * MINUTE
    for now in range(start, start + 2 * 86_400, 5 * MINUTE):
        assert schedule.is_open(now) is obviously_open(windows, now)


@settings(max_examples=100)
@given(WINDOWS, MOMENTS)
def test_the_next_opening_and_the_next_closing_are_the_first(windows, now):
    schedule = compile_windows(windows)
    for wanted, found in ((True, schedule.opens_at(now)), (False, schedule.closes_at(now))):
        end = now + 2 * 86_400 if found is None else found
        assert found is None or (found >= now and obviously_open(windows, found) is wanted)
        between = range(int(now) + 1, int(min(end, now + 15 * 86_400)), 7 * MINUTE)
        assert not any(obviously_open(windows, second) is wanted for second in between)
        if end > now:
            assert obviously_open(windows, now) is not wanted
            assert found is None or obviously_open(windows, found - 1) is not wanted


@settings(max_examples=100)
@given(texts(), MOMENTS)
def test_every_window_that_is_accepted_opens_within_three_weeks(text, now):
    assert compile_windows([text]).opens_at(now) - now < 21 * 86_400 < HORIZON_SECONDS


@settings(max_examples=50)
@given(WINDOWS, MOMENTS)
def test_the_same_windows_say_the_same_whatever_was_asked_before(windows, now):
    asked, fresh = compile_windows(windows), compile_windows(windows)
    for other in (now + 86_400, now - 86_400, now + 0.5, 0.0):
        asked.is_open(other)
    assert asked.is_open(now) is fresh.is_open(now)
    assert (asked.opens_at(now), asked.closes_at(now)) == (fresh.opens_at(now), fresh.closes_at(now))
