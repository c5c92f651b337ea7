"""Metrics of the process that counts events and answers questions about them. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from edge.wire.exposition import Family, Sample


class ClickHouseSeen(NamedTuple):
    """Rows since the beginning, by what became of them, and what waits now."""

    rows: Mapping[str, int]
    waiting: int
    waiting_bytes: int
    erasures: int
    up: bool


class FoldingSeen(NamedTuple):
    """`questions` are by outcome; they and `restarts` count since the node started. `clickhouse`: None without one;
    `erasures` of devices are not done yet; `behaviour_…` count since that process started; `damaged_rows` since the
    beginning of the database."""

    up: bool = False
    restarts: int = 0
    questions: Mapping[str, int] = {}
    clickhouse: ClickHouseSeen | None = None
    erasures: int = 0
    behaviour_evicted: int = 0
    behaviour_failures: int = 0
    damaged_rows: int = 0


def build_folding_metrics(seen: FoldingSeen) -> list[Family]:
    """In a fixed order."""
    up = "1 while the process that counts events runs, and its last count did not fail."
    restarts = "How often the process that counts events was restarted."
    damaged = "Values in the database of figures that could not be read, and began anew."
    asked = "Questions about figures, by outcome: answered, declined, unavailable."
    erasing = "Devices that are being erased from what the node keeps."
    evicted = "Devices that had to make room for others in the table of how devices are used."
    failures = "How often the table of how devices are used could not be written."
    outcomes = [Sample({"outcome": outcome}, n) for outcome, n in sorted(seen.questions.items())]
    return [
        Family("edge_folding_up", "gauge", up, [Sample({}, seen.up)]),
        Family("edge_folding_restarts_total", "counter", restarts, [Sample({}, seen.restarts)]),
        Family("edge_figures_questions_total", "counter", asked, outcomes),
        Family("edge_erasures_pending", "gauge", erasing, [Sample({}, seen.erasures)]),
        Family("edge_behaviour_evicted_total", "counter", evicted, [Sample({}, seen.behaviour_evicted)]),
        Family("edge_behaviour_failures_total", "counter", failures, [Sample({}, seen.behaviour_failures)]),
        Family("edge_figures_damaged_rows_total", "counter", damaged, [Sample({}, seen.damaged_rows)]),
        *_clickhouse_metrics(seen.clickhouse),
    ]


def _clickhouse_metrics(seen: ClickHouseSeen | None) -> list[Family]:
    """Without a sample where none is configured."""
    up = "1 while what is counted can be sent to ClickHouse."
    rows = "Rows for ClickHouse, by what became of them: sent; dropped, as no room was left to wait; lost with a file."
    waiting, held = "Rows that wait for ClickHouse.", "Bytes on disk of rows that wait for ClickHouse."
    erasures = "Devices that are still to be erased in ClickHouse."
    outcomes = [Sample({"outcome": outcome}, n) for outcome, n in sorted(seen.rows.items())] if seen else []
    return [
        Family("edge_clickhouse_up", "gauge", up, [Sample({}, seen.up)] if seen else []),
        Family("edge_clickhouse_rows_total", "counter", rows, outcomes),
        Family("edge_clickhouse_waiting_rows", "gauge", waiting, [Sample({}, seen.waiting)] if seen else []),
        Family("edge_clickhouse_waiting_bytes", "gauge", held, [Sample({}, seen.waiting_bytes)] if seen else []),
        Family("edge_clickhouse_waiting_erasures", "gauge", erasures, [Sample({}, seen.erasures)] if seen else []),
    ]
