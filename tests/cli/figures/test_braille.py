"""Curves of braille dots."""

import pytest

from edge.cli.figures.braille import plot, top_of


@pytest.mark.parametrize(
    ("values", "top"), [([], 0.001), ([0.03], 0.05), ([0.05], 0.05), ([0.2, 0.6], 1.0), ([1.0], 1.0)]
)
def test_the_top_is_the_next_round_share(values, top):
    assert top_of(values) == top


def test_a_line_at_the_bottom_and_one_at_the_top():
    assert plot([0.0, 0.0], 3, 1, 1.0) == ["⣀⣀⣀"]
    assert plot([1.0, 1.0], 3, 1, 1.0) == ["⠉⠉⠉"]


def test_a_rise_is_one_line_from_the_left_below_to_the_right_above():
    low, high = plot([0.0, 1.0], 2, 2, 1.0)[::-1]
    assert low[0] != "\u2800" and high[-1] != "\u2800" and high[0] == "\u2800"


@pytest.mark.parametrize("values", [[], [0.5], [0.1, 0.9, 0.2], [0.5] * 1000])
def test_a_plot_fills_its_room_exactly(values):
    lines = plot(values, 20, 4, 1.0)
    assert len(lines) == 4 and {len(line) for line in lines} == ({20} if values else {0})
