"""Arrivals keep their time whatever the client does."""

import pytest

from loadtests.schedule import Timetable


def test_arrivals_are_a_period_apart():
    timetable = Timetable(10.0, 0.5)
    assert [timetable.take() for _ in range(4)] == [10.0, 10.5, 11.0, 11.5]


def test_a_client_that_is_early_waits():
    assert Timetable(10.0, 0.5).wait(9.25) == 0.75


def test_a_client_that_is_late_does_not_wait_and_loses_no_arrival():
    timetable = Timetable(0.0, 1.0)
    assert timetable.take() == 0.0
    assert timetable.wait(7.5) == 0.0  # it stalled for seven and a half seconds
    assert [timetable.take() for _ in range(3)] == [1.0, 2.0, 3.0]


def test_a_million_periods_do_not_drift():
    timetable = Timetable(0.0, 0.1)
    for _ in range(1_000_000):
        timetable.take()
    assert timetable.due == pytest.approx(100_000.0, abs=1e-9)


def test_what_was_due_and_never_sent_is_told_once():
    timetable = Timetable(0.0, 1.0)
    timetable.take()
    assert timetable.overdue(3.5) == [1.0, 2.0, 3.0]
    assert timetable.overdue(3.5) == []


def test_a_period_of_nothing_is_refused():
    with pytest.raises(ValueError, match="period"):
        Timetable(0.0, 0.0)
