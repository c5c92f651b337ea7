"""Metrics of the process that counts events and answers questions about them. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from edge.wire.exposition import Family, Sample


class FoldingSeen(NamedTuple):
    """`questions` are by outcome; they and `restarts` count since the node started."""

    up: bool = False
    restarts: int = 0
    questions: Mapping[str, int] = {}


def build_folding_metrics(seen: FoldingSeen) -> list[Family]:
    """In a fixed order."""
    up = "1 while the process that counts events runs."
    restarts = "How often the process that counts events was restarted."
    asked = "Questions about figures, by outcome: answered, declined, unavailable."
    outcomes = [Sample({"outcome": outcome}, n) for outcome, n in sorted(seen.questions.items())]
    return [
        Family("edge_folding_up", "gauge", up, [Sample({}, seen.up)]),
        Family("edge_folding_restarts_total", "counter", restarts, [Sample({}, seen.restarts)]),
        Family("edge_figures_questions_total", "counter", asked, outcomes),
    ]
