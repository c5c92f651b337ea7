"""A notice: what is kept of one that is too long, or that would turn a line around."""

from math import inf

import pytest
from notices import a_notice

from edge.messages.notice import FIGURES_LIMIT, TEXT_LIMIT, TITLE_LIMIT, within_limits


def test_an_ordinary_notice_is_kept_as_it_is():
    notice = a_notice(figures={"failed": 14, "rate": 0.146, "threshold": "2 %"})
    assert within_limits(notice) == notice


@pytest.mark.parametrize(("field", "limit"), [("title", TITLE_LIMIT), ("text", TEXT_LIMIT)])
def test_long_text_is_cut(field, limit):
    exact, longer = "a" * limit, "a" * (limit + 1)
    assert getattr(within_limits(a_notice(**{field: exact})), field) == exact
    assert getattr(within_limits(a_notice(**{field: longer})), field) == "a" * (limit - 1) + "…"


@pytest.mark.parametrize("hidden", ["\n", "\x00", "\u202e", "\ud800", "\u2028"])
def test_what_is_not_printable_becomes_a_space(hidden):
    assert within_limits(a_notice(title=f"1.2{hidden}.0")).title == "1.2 .0"


def test_figures_are_bounded_in_number_and_are_numbers():
    many = {f"n{number}": number for number in range(FIGURES_LIMIT + 1)}
    assert len(within_limits(a_notice(figures=many)).figures) == FIGURES_LIMIT
    assert within_limits(a_notice(figures={"ratio": inf, "n": 1})).figures == {"n": 1}
