"""Spans take whole periods; answers are bounded."""

import pytest

from edge.telemetry.questions.port import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    ROWS_LIMIT,
    Rollup,
    TimeSpan,
    TooManyFigures,
    check_rows,
)


@pytest.mark.parametrize(
    ("since_ms", "until_ms", "rollup", "first", "end"),
    [
        (0, 0, Rollup.HOUR, 0, 0),
        (0, 1, Rollup.HOUR, 0, 1),
        (0, HOUR_MS, Rollup.HOUR, 0, 1),
        (HOUR_MS - 1, HOUR_MS + 1, Rollup.HOUR, 0, 2),
        (HOUR_MS, 3 * HOUR_MS, Rollup.HOUR, 1, 3),
        (5 * HOUR_MS, 6 * HOUR_MS, Rollup.DAY, 0, 1),
        (DAY_MS - 1, DAY_MS + 1, Rollup.DAY, 0, 2),
        (90 * MINUTE_MS, 91 * MINUTE_MS, Rollup.MINUTE, 90, 91),
    ],
)
def test_a_span_takes_whole_periods(since_ms, until_ms, rollup, first, end):
    span = TimeSpan(since_ms, until_ms, rollup)
    assert (span.first_period, span.end_period) == (first, end)


def test_an_answer_with_too_many_rows_is_refused_by_name():
    check_rows(ROWS_LIMIT)
    with pytest.raises(TooManyFigures, match="shorter time"):
        check_rows(ROWS_LIMIT + 1)
