import asyncio
import time

import pytest

from edge.node.service.limits.overload import CALM_SECONDS, LATE_SECONDS, LATE_TURNS, Overload, watch_lag

BETWEEN = (CALM_SECONDS + LATE_SECONDS) / 2


@pytest.mark.parametrize(
    ("lags", "expected"),
    [
        ([], False),
        ([LATE_SECONDS], False),
        ([LATE_SECONDS] * LATE_TURNS, True),
        ([LATE_SECONDS - 0.01] * 10, False),
        ([LATE_SECONDS, 0.0, LATE_SECONDS, 0.0], False),
        ([LATE_SECONDS] * LATE_TURNS + [BETWEEN], True),
        ([LATE_SECONDS] * LATE_TURNS + [CALM_SECONDS], True),
        ([LATE_SECONDS] * LATE_TURNS + [CALM_SECONDS - 0.01], False),
        ([LATE_SECONDS] * LATE_TURNS + [BETWEEN, 0.0, LATE_SECONDS], False),
    ],
)
def test_late_turns_in_a_row_are_overload_until_the_loop_is_calm(lags, expected):
    overload = Overload(10)
    for lag in lags:
        overload.note_lag(lag)
    assert overload.overloaded is expected


def test_more_requests_in_progress_than_the_limit_are_overload():
    overload = Overload(10)
    overload.in_progress = 10
    assert not overload.overloaded
    overload.in_progress = 11
    assert overload.overloaded
    overload.in_progress = 10
    assert not overload.overloaded


@pytest.mark.parametrize(("limit", "full_from"), [(0, None), (1, 1), (2, 2)])
def test_as_many_downloads_as_the_limit_are_all_there_is_room_for(limit, full_from):
    overload = Overload(10, limit)
    for downloads in range(4):
        overload.downloads = downloads
        assert overload.downloads_full is (full_from is not None and downloads >= full_from)
    assert not overload.overloaded


async def test_a_loop_that_is_held_up_is_noticed():
    overload = Overload(10)
    seen = []
    overload_note = overload.note_lag

    class Watched(Overload):
        __slots__ = ()

        def note_lag(self, seconds):
            seen.append(seconds)
            overload_note(seconds)
            noticed.set()

    noticed = asyncio.Event()
    watching = asyncio.create_task(watch_lag(Watched(10)))
    await asyncio.sleep(0)  # it has begun to wait
    time.sleep(0.3)  # what holds the loop up
    async with asyncio.timeout(60):
        await noticed.wait()
    watching.cancel()
    assert seen[0] >= 0.1
