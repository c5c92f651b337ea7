import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.errors import Invalid
from edge.domain.schedule.durations import (
    DURATION_LIMIT,
    DURATION_LIMIT_SECONDS,
    format_duration,
    parse_duration,
    rough_duration,
)


@pytest.mark.parametrize(
    ("text", "seconds", "shortest"),
    [
        ("0s", 0, "0s"),
        ("1s", 1, "1s"),
        ("90s", 90, "1m30s"),
        ("30m", 1800, "30m"),
        ("90m", 5400, "1h30m"),
        ("6h", 21_600, "6h"),
        ("1d12h", 129_600, "1d12h"),
        ("36h", 129_600, "1d12h"),
        ("1d1s", 86_401, "1d1s"),
        ("01h00m", 3600, "1h"),
        ("1d2h3m4s", 93_784, "1d2h3m4s"),
        ("366d", DURATION_LIMIT_SECONDS, "366d"),
    ],
)
def test_durations_are_read_and_shown(text, seconds, shortest):
    assert parse_duration(text) == seconds
    assert format_duration(seconds) == shortest


@pytest.mark.parametrize(
    "text",
    [
        *("", "30", "m", "1.5h", "-1h", "+1h", "1h ", " 1h", "1h 30m", "1H", "1w", "1y", "1h1h", "30m1h", "1e3s"),
        *("366d1s", "99999999d", "999999999s", "٣m", "1h\n", "1" * 100_000 + "s", "0" * DURATION_LIMIT + "s"),
    ],
)
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(Invalid) as refused:
        parse_duration(text)
    assert refused.value.code == "invalid_duration"
    assert len(refused.value.message) < 200


def test_a_duration_above_the_limit_says_what_the_limit_is():
    with pytest.raises(Invalid, match=r"'400d' exceeds the limit of 366d"):
        parse_duration("400d")


@given(st.integers(0, DURATION_LIMIT_SECONDS))
def test_what_is_shown_reads_back(seconds):
    assert parse_duration(format_duration(seconds)) == seconds
    assert len(format_duration(seconds)) <= DURATION_LIMIT


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (200_000, "2 days")]
)
def test_for_people_a_duration_is_short(seconds, words):
    assert rough_duration(seconds) == words
