"""A run fails for what it did not reach, and for what it never did."""

import pytest

from loadtests.thresholds import FILE, Limit, Measured, judge, parse_limits

SCENARIOS = ("steady_day", "publish_storm", "cold_cache", "resume", "hostile")
LIMIT = Limit("check", "a reason", error_share=0.01, p95_ms=100, p99_ms=500)


@pytest.mark.parametrize(
    ("measured", "findings"),
    [
        (Measured(1000, 10, 100, 500), []),
        (Measured(1000, 11, 100, 500), ["check: 1.10% errors, at most 1.00%"]),
        (Measured(1000, 0, 101, 500), ["check: p95 101 ms, at most 100 ms"]),
        (Measured(1000, 0, 100, 501), ["check: p99 501 ms, at most 500 ms"]),
        (Measured(1000, 0, None, 500), ["check: p95 unknown, at most 100 ms"]),
        (Measured(0, 0, None, None), ["check: never happened"]),
    ],
)
def test_each_limit_is_kept_or_named(measured, findings):
    assert judge([LIMIT], {"check": measured}) == findings


def test_what_was_never_asked_is_a_finding():
    assert judge([LIMIT], {"something else": Measured(5, 0, 1, 1)}) == ["check: never happened"]


def test_a_limit_that_is_not_set_limits_nothing():
    assert judge([Limit("check", "a reason", error_share=0)], {"check": Measured(1, 0, 1e9, 1e9)}) == []


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_scenario_has_limits_with_reasons(scenario):
    limits = parse_limits(FILE.read_text(), scenario)
    assert limits
    assert all(len(limit.reason) > 20 for limit in limits)


def test_a_misspelt_limit_is_refused():
    with pytest.raises(TypeError):
        parse_limits('[a."check"]\nreason = "r"\nerror_share = 0.0\np95 = 5.0\n', "a")
