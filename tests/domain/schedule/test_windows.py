from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.errors import Invalid
from edge.domain.schedule.windows import (
    WINDOW_LIMIT,
    WINDOWS_PER_CHANNEL_LIMIT,
    Window,
    canonical_window,
    canonical_windows,
    compile_windows,
    parse_window,
)
from edge.domain.schedule.zones import zone_names


def refusal(text: str) -> str:
    with pytest.raises(Invalid) as refused:
        parse_window(text)
    assert refused.value.code == "invalid_window"
    return refused.value.message


def test_a_window_is_days_minutes_and_a_zone():
    assert parse_window("Mon-Fri 01:00-05:00 Europe/Paris") == Window(
        text="Mon-Fri 01:00-05:00 Europe/Paris",
        days=(0, 1, 2, 3, 4),
        start_minute=60,
        end_minute=300,
        zone="Europe/Paris",
    )


def test_over_midnight_the_end_is_counted_from_the_day_it_begins_on():
    window = parse_window("Fri 22:00-02:00 UTC")
    assert (window.days, window.start_minute, window.end_minute) == ((4,), 22 * 60, 26 * 60)


def test_a_window_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        parse_window("daily 01:00-02:00 UTC").zone = "Europe/Paris"


@pytest.mark.parametrize(
    ("days", "canonical"),
    [
        ("daily", "daily"),
        ("DAILY", "daily"),
        ("Mon-Sun", "daily"),
        ("wed-tue", "daily"),
        ("Sun,Mon,Tue,Wed,Thu,Fri,Sat", "daily"),
        ("mon", "Mon"),
        ("SUN", "Sun"),
        ("mon-fri", "Mon-Fri"),
        ("Fri,Thu,Wed,Tue,Mon", "Mon-Fri"),
        ("Sat-Sun", "Sat-Sun"),
        ("Sat,Sun", "Sat-Sun"),
        ("Fri-Mon", "Fri-Mon"),
        ("Sun-Mon", "Sun-Mon"),
        ("Mon,Wed,Fri", "Mon,Wed,Fri"),
        ("Fri,Wed,Mon,Mon", "Mon,Wed,Fri"),
        ("Mon-Wed,Tue-Thu", "Mon-Thu"),
        ("Sun-Mon,Wed", "Wed,Sun-Mon"),
        ("Mon-Tue,Thu,Sat", "Mon-Tue,Thu,Sat"),
    ],
)
def test_days_have_one_spelling(days, canonical):
    assert canonical_window(f"{days} 01:00-05:00 UTC") == f"{canonical} 01:00-05:00 UTC"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("  daily   01:00-05:00 UTC ", "daily 01:00-05:00 UTC"),
        ("daily 00:00-24:00 UTC", "daily 00:00-24:00 UTC"),
        ("daily 22:00-00:00 UTC", "daily 22:00-24:00 UTC"),
        ("daily 22:00-24:00 UTC", "daily 22:00-24:00 UTC"),
        ("daily 22:00-02:00 UTC", "daily 22:00-02:00 UTC"),
        ("daily 00:01-00:00 UTC", "daily 00:01-24:00 UTC"),
        ("daily 23:59-23:58 UTC", "daily 23:59-23:58 UTC"),
    ],
)
def test_times_have_one_spelling(text, canonical):
    assert canonical_window(text) == canonical
    assert canonical_window(canonical) == canonical


@pytest.mark.parametrize(
    ("text", "column", "why"),
    [
        ("", 1, "days like Mon-Fri or daily expected here"),
        ("   ", 1, "days like Mon-Fri or daily expected here"),
        ("Mon-Fri", 8, "times like 01:00-05:00 expected here"),
        ("Mon-Fri 01:00-05:00 ", 20, "a time zone like Europe/Paris expected here"),
        ("Mo 01:00-05:00 UTC", 1, "'Mo' is not a day"),
        ("Mon-Fry 01:00-05:00 UTC", 5, "'Fry' is not a day; expected Mon, Tue"),
        ("Mon,,Tue 01:00-05:00 UTC", 5, "'' is not a day"),
        ("Mon, 01:00-05:00 UTC", 5, "'' is not a day"),
        ("Mon-Wed-Fri 01:00-05:00 UTC", 9, "'Mon-Wed-Fri' has more than two ends"),
        ("Mon,daily 01:00-05:00 UTC", 5, "only daily"),
        ("Mon,Tue-Tue 01:00-05:00 UTC", 5, "write Tue or daily"),
        ("Mon\u00a0 01:00-05:00 UTC", 1, "'Mon\\xa0' is not a day"),
        ("Mon Tue 01:00-05:00 UTC", 5, "'Tue' is not a time span; expected HH:MM-HH:MM"),
        ("daily 1:00-5:00 UTC", 7, "expected HH:MM-HH:MM"),
        ("daily 01:00 - 05:00 UTC", 7, "expected HH:MM-HH:MM"),
        ("daily 01:00-05:00:00 UTC", 7, "expected HH:MM-HH:MM"),
        ("daily ٠١:٠٠-٠٥:٠٠ UTC", 7, "expected HH:MM-HH:MM"),
        ("daily 24:00-05:00 UTC", 7, "'24:00' is not a valid start: 00:00 to 23:59"),
        ("daily 01:60-05:00 UTC", 7, "'01:60' is not a valid start"),
        ("daily 01:00-24:01 UTC", 13, "'24:01' is not a valid end: 00:00 to 24:00"),
        ("daily 01:00-05:99 UTC", 13, "'05:99' is not a valid end"),
        ("daily 05:00-05:00 UTC", 7, "never opens; the whole day is 00:00-24:00"),
        ("daily 00:00-00:00 UTC", 7, "never opens; the whole day is 00:00-24:00"),
        ("daily 01:00-05:00 Europe/Pari", 19, "unknown time zone 'Europe/Pari': did you mean Europe/Paris?"),
        ("daily 01:00-05:00 Mars/Base", 19, "unknown time zone 'Mars/Base': a zone is UTC or an IANA name"),
        ("daily 01:00-05:00 ../../etc/passwd", 19, "unknown time zone '../../etc/passwd'"),
        ("daily 01:00-05:00 CET-1CEST", 19, "unknown time zone"),
        ("daily 01:00-05:00 localtime", 19, "unknown time zone"),
        ("daily 01:00-05:00 \udc80", 19, "unknown time zone '\\udc80'"),
        ("daily 01:00-05:00 UTC\n", 19, "unknown time zone 'UTC\\n'"),
        ("daily 01:00-05:00 UTC Mon", 23, "'Mon' follows the zone; write each window as a separate text"),
    ],
)
def test_what_is_no_window_is_refused_with_the_place_and_the_reason(text, column, why):
    message = refusal(text)
    assert message.startswith(f"window {text!r}, column {column}: ")
    assert why in message
    assert len(message) < 400


def test_a_text_that_is_too_long_is_refused_before_it_is_read():
    assert f"exceeds the limit of {WINDOW_LIMIT} characters" in refusal("Mon," * 100_000)


def test_every_day_by_name_in_the_longest_zone_is_within_the_limit():
    longest = max(zone_names(), key=len)
    assert parse_window(f"Mon,Tue,Wed,Thu,Fri,Sat,Sun 01:00-05:00 {longest}").zone == longest


@given(st.text(max_size=WINDOW_LIMIT) | st.from_regex(r"[A-Za-z,-]{0,9} [0-9:-]{0,12} [A-Za-z/]{0,9}", fullmatch=True))
def test_any_text_is_read_or_refused(text):
    try:
        window = parse_window(text)
    except Invalid as refused:
        assert refused.code == "invalid_window"
    else:
        assert parse_window(window.text) == window


@given(st.sets(st.integers(0, 6), min_size=1), st.integers(0, 1439), st.integers(0, 1439))
def test_the_one_spelling_says_the_same(days, start, end):
    if start == end:
        return
    names = ",".join(("mon", "tue", "wed", "thu", "fri", "sat", "sun")[day] for day in days)
    window = parse_window(f"{names} {start // 60:02d}:{start % 60:02d}-{end // 60:02d}:{end % 60:02d} UTC")
    assert window.days == tuple(sorted(days))
    assert window.start_minute == start
    assert window.end_minute == (end if end > start else end + 1440)
    assert parse_window(window.text) == window


def test_a_channels_windows_keep_their_order_and_come_once():
    texts = ["sat 01:00-05:00 UTC", "Mon-Fri 01:00-05:00 UTC", "Sat  01:00-05:00 UTC"]
    assert canonical_windows(texts) == ("Sat 01:00-05:00 UTC", "Mon-Fri 01:00-05:00 UTC")
    assert canonical_windows([]) == ()


def test_a_channel_has_a_bounded_number_of_windows():
    texts = [f"daily {hour:02d}:00-{hour:02d}:30 UTC" for hour in range(WINDOWS_PER_CHANNEL_LIMIT + 1)]
    assert len(canonical_windows(texts[:-1])) == WINDOWS_PER_CHANNEL_LIMIT
    with pytest.raises(Invalid, match="limit of 16") as refused:
        canonical_windows(texts)
    assert refused.value.code == "too_many_windows"


def test_one_bad_window_refuses_them_all_and_is_named():
    with pytest.raises(Invalid, match="'daily 05:00-05:00 UTC', column 7"):
        compile_windows(["daily 01:00-02:00 UTC", "daily 05:00-05:00 UTC"])
