"""Rates, intervals and odds as the page writes them; the narrow no-break space is written `_` here."""

import math
import re

import pytest

from edge.page.words.rates import (
    at_most,
    interval,
    interval_cell,
    odds,
    odds_mark,
    percent,
    rate,
    rate_cell,
    ratio,
    sentence,
    share_text,
    two_digits,
)


def spaced(text: str) -> str:
    return text.replace("\u202f", "_")


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0_%"),
        (0.00001, "below 0.01_%"),
        (0.0022, "0.22_%"),
        (0.00999, "1.0_%"),
        (0.0104, "1.0_%"),
        (0.146, "14.6_%"),
        (0.99, "99.0_%"),
        (0.9977, "99.77_%"),
        (0.99996, "over 99.99_%"),
        (1, "100_%"),
    ],
)
def test_percent_is_finer_at_both_ends(share, text):
    assert spaced(percent(share)) == text


@pytest.mark.parametrize(
    ("k", "n", "value", "of"),
    [
        (6377, 6392, "99.77_%", "6,377 of 6,392"),
        (0, 1894, "0", "of 1,894"),
        (12, 12, "too few", "12 of 12 so far"),
        (19, 19, "too few", "19 of 19 so far"),
        (20, 20, "all so far", "20 of 20"),
        (0, 0, "–", "of 0 so far"),
        (None, 20, "not known", ""),
        (3, None, "not known", ""),
    ],
)
def test_a_rate_has_its_denominator(k, n, value, of):
    figure = rate(k, n)
    assert (spaced(figure.value), figure.of) == (value, of)


def test_all_is_100_percent_only_when_nothing_is_outstanding():
    assert spaced(rate(50, 50, whole=True).value) == "100_%"
    assert rate(50, 50).value == "all so far"


def test_the_kind_of_denominator_is_named():
    assert rate(5, 100, "active").of == "5 of 100 active"
    assert rate(0, 100, "attempts").of == "of 100 attempts"


def test_no_rate_is_ever_written_as_0_00():
    for n in (20, 1000, 10**6, 10**9):
        for k in (0, 1, 2):
            texts = (rate(k, n).value, rate_cell(k, n), sentence(k, n))
            assert not any(re.search(r"\b0\.0+\b", text) for text in texts)


def test_a_sentence_leaves_the_rate_out_where_it_says_nothing():
    assert spaced(sentence(15, 6810)) == "15 of 6,810 (0.22_%)"
    assert sentence(0, 6810) == "0 of 6,810"
    assert sentence(3, 12, "attempts") == "3 of 12 attempts"
    assert rate_cell(3, 12) == "too few"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *(
            (0.0057, "0.01"),
            (0.004, "0"),
            (0.57, "0.57"),
            (5.5, "5.5"),
            (5.46, "5.5"),
            (29.4, "29"),
            (99.6, "100"),
            (2, "2"),
        ),
        *((9.96, "10"), (2765, "2,800"), (0.996, "1"), (0, "0")),
    ],
)
def test_intervals_have_two_digits(value, text):
    assert two_digits(value) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.055, 0.29, "between 5.5 and 29_%"),
        (0, 0.0057, "at most 0.57_%"),
        (0.00001, 0.0057, "at most 0.57_%"),
        (0.71, 1, "at least 71_%"),
        (0, 1, "nothing is ruled out"),
    ],
)
def test_an_interval_in_words(low, high, text):
    assert spaced(interval(low, high)) == text


def test_the_upper_end_alone():
    assert spaced(at_most(0.0057)) == "at most 0.57_%"
    assert spaced(interval_cell(0.0006, 0.0057)) == "0.06 to 0.57_%"


@pytest.mark.parametrize(
    ("value", "text", "mark"),
    [
        (2765, "2,800 to 1", "2,800:1"),
        (1000, "1,000 to 1", "1,000:1"),
        (21.4, "21 to 1", "21:1"),
        (3.94, "3.9 to 1", "3.9:1"),
        (1, "1 to 1", "1:1"),
        (1 / 3.4, "1 to 3.4", "1:3.4"),
        (1e9, "over a million to 1", "10⁶:1 and more"),
        (1e-9, "1 to over a million", "1:10⁶ and less"),
    ],
)
def test_odds_in_words(value, text, mark):
    assert (odds(math.log(value)), odds_mark(math.log(value))) == (text, mark)


def test_odds_beyond_any_number_are_words():
    assert odds(math.inf) == odds(1e300) == "over a million to 1"


def test_ratios_against_the_control():
    assert ratio(0.71, 0.93) == "0.71 to 0.93 times"
    assert ratio(0.5, 120.4) == "0.50 to 120 times"
    assert ratio(0, 1.7) == "at most 1.70 times"
    assert ratio(0.8, math.inf) == "at least 0.80 times"


def test_a_share_of_the_api_gets_its_space():
    assert spaced(share_text("12.5%")) == "12.5_%"
