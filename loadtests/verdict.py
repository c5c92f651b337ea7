"""The end of a run as locust events: measurements compared to the limits, one table, and the exit code.

A master judges the figures of all workers; a worker judges nothing. If the load generator itself was too busy, a line
states it, since the figures are then not the node's.
"""

from typing import Any

from locust import events
from locust.runners import WorkerRunner
from locust.stats import StatsEntry

from loadtests.thresholds import FILE, Limit, Measured, judge, parse_limits


def judge_as(scenario: str) -> None:
    """Called once by a scenario when it is loaded. Raises KeyError for one without limits."""
    limits = parse_limits(FILE.read_text(), scenario)

    @events.quitting.add_listener
    def end(environment: Any, **_: Any) -> None:
        if not isinstance(environment.runner, WorkerRunner):
            environment.process_exit_code = _end(environment, scenario, limits)


def _end(environment: Any, scenario: str, limits: list[Limit]) -> int:
    measured = {entry.name: _measured(entry) for entry in environment.stats.entries.values()}
    findings = judge(limits, measured) + _bugs(environment.runner)
    print(f"\n{scenario}\n{'':34} {'count':>8} {'errors':>8} {'p95 ms':>8} {'limit':>8} {'p99 ms':>8} {'limit':>8}")
    for limit in limits:
        print(_line(limit, measured.get(limit.name)))
    if environment.runner is not None and environment.runner.cpu_warning_emitted:
        print("the load generator used more than 90% of its core, so the times are partly its own")
    print("\n".join(f"FAILED {finding}" for finding in findings) or "all limits kept")
    return 1 if findings else 0


def _bugs(runner: Any) -> list[str]:
    """Errors of the scenario itself, which then measured less than it claims."""
    raised = runner.exceptions.values() if runner is not None else ()
    return [f"the scenario failed {each['count']} times: {each['msg']}" for each in raised]


def _measured(entry: StatsEntry) -> Measured:
    percentiles = [entry.get_response_time_percentile(share) if entry.num_requests else None for share in (0.95, 0.99)]
    return Measured(entry.num_requests, entry.num_failures, *percentiles)


def _line(limit: Limit, row: Measured | None) -> str:
    if row is None:
        return f"{limit.name:34} {0:8}"
    return (
        f"{limit.name:34} {row.count:8} {row.error_share:8.2%} {_ms(row.p95_ms)} {_ms(limit.p95_ms)} "
        f"{_ms(row.p99_ms)} {_ms(limit.p99_ms)}"
    )


def _ms(value: float | None) -> str:
    return f"{'':8}" if value is None else f"{value:8.0f}"
