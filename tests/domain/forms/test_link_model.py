"""How long both forms take over a link: more of anything never takes less."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.forms.link_model import (
    INITIAL_WINDOW_BYTES,
    PARALLEL_FILES,
    Difference,
    LinkSpeed,
    files_costs,
    zip_costs,
)

SIZES = st.integers(0, 200_000_000)
LINKS = st.builds(LinkSpeed, round_trip_seconds=st.floats(0.0005, 2.0), rate_bps=st.floats(5e4, 1e10))


@given(SIZES, SIZES, LINKS)
def test_more_bytes_never_take_less(one, more, link):
    assert zip_costs(one, link).seconds <= zip_costs(one + more, link).seconds
    fewer, larger = Difference(9, one, one // 2), Difference(9, one + more, (one + more) // 2)
    assert files_costs(fewer, 20, link).seconds <= files_costs(larger, 20, link).seconds


@given(st.integers(0, 5_000), st.integers(0, 5_000), LINKS)
def test_more_files_never_take_less(files, more, link):
    few, many = (Difference(count, 10_000_000, 10_000) for count in (files, files + more))
    assert files_costs(few, 5_000, link).seconds <= files_costs(many, 10_000, link).seconds


@given(SIZES, LINKS, st.floats(1.0, 10.0))
def test_a_longer_and_slower_link_takes_as_much_longer(size, link, factor):
    slower = LinkSpeed(link.round_trip_seconds * factor, link.rate_bps / factor)
    assert zip_costs(size, slower).seconds == pytest.approx(zip_costs(size, link).seconds * factor, rel=1e-6)


@pytest.mark.parametrize(
    ("sent", "round_trips"),
    [(1, 2), (INITIAL_WINDOW_BYTES, 2), (INITIAL_WINDOW_BYTES + 1, 3), (3 * INITIAL_WINDOW_BYTES + 1, 4)],
)
def test_a_zip_takes_a_round_trip_for_each_window(sent, round_trips):
    assert zip_costs(sent, LinkSpeed(1.0, 1e15)).seconds == pytest.approx(round_trips, abs=0.01)


@pytest.mark.parametrize(
    ("files", "round_trips"),
    [(0, 0), (1, 1), (2, 2), (PARALLEL_FILES, 2), (PARALLEL_FILES + 1, 3), (8 * PARALLEL_FILES, 9)],
)
def test_files_take_a_round_trip_for_each_turn(files, round_trips):
    """One alone travels over the connection of the check."""
    costs = files_costs(Difference(files, files * 10, 10), files, LinkSpeed(1.0, 1e15))
    assert costs.seconds == pytest.approx(round_trips, abs=0.1)
