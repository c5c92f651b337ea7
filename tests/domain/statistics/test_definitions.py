"""Every figure has an entry on the page of definitions, and every entry is of a figure."""

import pytest
from definitions_page import headings

from edge.domain.statistics.definitions import PAGE, Definition, figure, share


def test_every_figure_has_its_entry_and_every_entry_its_figure():
    assert sorted(each.anchor.removeprefix(f"{PAGE}#") for each in Definition) == sorted(headings())


def test_no_two_figures_share_an_entry():
    assert len({each.anchor for each in Definition}) == len(Definition)


def test_a_figure_names_its_unit_and_its_definition():
    made = figure(Definition.ERRORS, 2.5, of=400)
    assert (made.unit, made.definition) == ("per 1,000 sessions", "/v1/definitions#errors-per-1000-sessions")


def test_a_share_of_nothing_is_not_known_and_says_why():
    made = share(Definition.SUCCESS_RATE, 0, 0, "nobody yet")
    assert (made.value, made.of, made.unknown) == (None, 0, "nobody yet")


@pytest.mark.parametrize(("value", "unknown"), [(None, ""), (1, "why")])
def test_a_value_and_a_reason_exclude_each_other(value, unknown):
    with pytest.raises(AssertionError):
        figure(Definition.OFFERED, value, unknown=unknown)
