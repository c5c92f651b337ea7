"""Figures as people read them: no share is rounded to all or nothing, and what is not known says why."""

import pytest

from edge.cli.figures.values import number, percent, said, seconds, shown
from edge.domain.statistics.definitions import Definition, figure, share


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0 %"), (1, "100 %"), (0.5, "50.0 %"), (0.0004, "<0.1 %"), (0.0006, "0.1 %"), (0.9996, ">99.9 %")],
)
def test_a_share_is_never_rounded_to_all_or_nothing(value, text):
    assert percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.25, "0.2 s"), (9.94, "9.9 s"), (12.4, "12 s"), (60, "1m"), (192, "3m 12s"), (3_600, "1h"),
        (19_140, "5h 19m"), (86_400, "24h"), (2 * 86_400, "2d"), (90 * 86_400 + 7_200, "90d 2h"),
    ],
)  # fmt: skip
def test_durations_have_two_units_at_most(value, text):
    assert seconds(value) == text


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (1234567, "1,234,567"), (2.111, "2.11"), (25.55, "25.6")])
def test_numbers_have_separators(value, text):
    assert number(value) == text


def test_each_unit_is_shown_its_own_way():
    assert shown(figure(Definition.DELIVERED_BYTES, 3_200_000)) == "3.2 MB"
    assert shown(figure(Definition.UPDATE_DELAY, 90)) == "1m 30s"
    assert shown(share(Definition.SUCCESS_RATE, 3, 4, "nobody")) == "75.0 %"
    assert said(share(Definition.SUCCESS_RATE, 3, 4, "nobody"), "devices") == "75.0 % of 4 devices"


def test_what_is_not_known_is_no_number():
    unknown = share(Definition.CRASH_FREE_DEVICES, 0, 0, "no device can report crashes")
    assert (shown(unknown), said(unknown, "devices")) == ("-", "not known: no device can report crashes")
