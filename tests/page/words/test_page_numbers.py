"""Numbers as the page writes them; the narrow no-break space is written `_` here."""

import pytest

from edge.cli.terminal.output import plain
from edge.page.words.numbers import NAME_LIMIT, count, duration, listed, named, ordinal, size, things


def spaced(text: str) -> str:
    assert "_" not in text
    return text.replace("\u202f", "_")


@pytest.mark.parametrize(
    ("n", "text"),
    [(0, "0"), (999, "999"), (31_902, "31,902"), (999_999, "999,999"), (1_240_000, "1.24_million"), (None, "–")],
)
def test_counts_are_exact_below_a_million(n, text):
    assert spaced(count(n)) == text


def test_one_thing_is_singular():
    assert [things(n, "device") for n in (0, 1, 2, 1894)] == ["0 devices", "1 device", "2 devices", "1,894 devices"]
    assert things(3, "address", "addresses") == "3 addresses"


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (0, "0_bytes"),
        (1, "1_byte"),
        (840, "840_bytes"),
        (999, "999_bytes"),
        (1000, "1.0_kB"),
        (999_949, "1.0_MB"),
        (1_100_000, "1.1_MB"),
        (412_000, "412_kB"),
        (16_200_000_000, "16.2_GB"),
        (2e18, "2,000_PB"),
        (None, "–"),
    ],
)
def test_sizes_count_by_a_thousand(n, text):
    assert spaced(size(n)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0_s"),
        (0.0001, "1_ms"),
        (0.084, "84_ms"),
        (1.9, "1.9_s"),
        (4, "4_s"),
        (14.2, "14_s"),
        (59.6, "1_min"),
        (660, "11_min"),
        (3600, "1_h"),
        (10_080, "2_h 48_min"),
        (35_400, "9_h 50_min"),
        (147_600, "41_h"),
        (14 * 86_400, "14_days"),
        (-5, "0_s"),
        (None, "–"),
    ],
)
def test_durations_have_at_most_two_units(seconds, text):
    assert spaced(duration(seconds)) == text


def test_ordinals():
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 112)] == [
        *("1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "112th"),
    ]


def test_a_name_is_cut_and_cannot_turn_the_line_around():
    assert named("Galaxy A10") == "Galaxy A10"
    assert named("x" * 64) == "x" * 64
    assert named("x" * 65) == "x" * 63 + "…" and len(named("x" * 1000)) == NAME_LIMIT
    assert named("a\u202ebc\n\x00\u2028d") == "a\ufffdbc\ufffd\ufffd\ufffdd"


FAMILY, NURSE, PERSIAN, BENGALI = (
    *("\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f469\U0001f3fd\u200d\u2695\ufe0f"),
    *("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u09b0\u200d\u09cd\u09af"),
)


@pytest.mark.parametrize("text", [FAMILY, NURSE, PERSIAN, BENGALI])
def test_what_joins_emoji_and_letters_stays(text):
    assert (named(text), plain(text)) == (text, text)


@pytest.mark.parametrize(
    "text", ["adm@in", "@in", "in@", "a@@", "\u0645@@\u06cc", "\u043e@\u043e", "\u0645@ ", "\u0645@\u202e", "1@\u2695"]
)
@pytest.mark.parametrize("joiner", ["\u200c", "\u200d"])
def test_a_joiner_that_joins_nothing_is_shown(text, joiner):
    clean = text.replace("\u202e", "\ufffd")
    assert named(text.replace("@", joiner)) == clean.replace("@", "\ufffd")


def test_a_list_says_how_many_more():
    assert listed(["a"]) == "a"
    assert listed(["a", "b"]) == "a and b"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
