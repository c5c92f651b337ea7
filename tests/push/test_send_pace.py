"""So many begin in a second: never more, and as many where something else takes its time between."""

import pytest

from edge.push.pace import BURST_SECONDS, NO_LIMIT, SendPace


@pytest.mark.parametrize("per_second", [0.5, 1, 100, 4_000])
@pytest.mark.parametrize("turn_seconds", [0.0003, 0.004, 0.018])
def test_as_many_as_the_pace_says(per_second, turn_seconds):
    pace, now, begun = SendPace(per_second), 1_000.0, 0
    while now < 1_020.0:
        count = pace.allowed(now)
        pace.take(count, now)
        begun += count
        now += max(turn_seconds, pace.wait_seconds(now))
    assert 0.99 * per_second * 20 <= begun <= per_second * (20 + BURST_SECONDS) + 1


def test_a_long_wait_saves_nothing_up():
    pace = SendPace(100)
    pace.take(1, 0.0)
    assert pace.allowed(1e6) in (2, 3)
    assert pace.wait_seconds(0.0) == pytest.approx(0.01)


def test_without_a_pace_there_is_no_wait():
    pace = SendPace(0)
    pace.take(5, 1.0)
    assert (pace.allowed(1.0), pace.wait_seconds(1.0)) == (NO_LIMIT, 0.0)
