"""How soon the return of a source is noticed."""

from edge.regions.pace import BACKOFF_LIMIT_SECONDS, JITTER, wait_seconds


def test_after_any_outage_a_look_comes_within_two_polls_and_ten_seconds():
    assert wait_seconds(2.0, 10_000, lambda: 1.0) <= 2 * 2.0
    assert wait_seconds(5.0, 10_000, lambda: 1.0) == BACKOFF_LIMIT_SECONDS * (1 + JITTER) == 10.0
    assert wait_seconds(5.0, 0, lambda: 0.5) == 5.0
    assert wait_seconds(30.0, 10_000, lambda: 0.5) == 30.0  # never sooner than without an outage


def test_while_the_source_tells_what_moves_a_look_only_makes_up_for_what_it_does_not_tell():
    assert wait_seconds(5.0, 0, lambda: 0.5, hears=True) == 15.0
    assert wait_seconds(20.0, 0, lambda: 0.5, hears=True) == 30.0
    assert wait_seconds(60.0, 0, lambda: 0.5, hears=True) == 60.0
    assert wait_seconds(5.0, 1, lambda: 0.5, hears=True) == wait_seconds(5.0, 1, lambda: 0.5)
