"""Arithmetic of measurements: medians with their spread, ratios round by round, percentiles. Pure.

Contenders alternate, so a ratio is taken within each round, when both had the same machine, and its median is shown.
"""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """The median of all rounds, the smallest and the largest."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    if not values:
        raise ValueError("no round was measured")
    return Spread(statistics.median(values), min(values), max(values))


def ratios(values: Sequence[float], against: Sequence[float]) -> Spread:
    """`values[n] / against[n]` of every round n."""
    return spread([value / other for value, other in zip(values, against, strict=True)])


def percentile(ordered: Sequence[float], share: float) -> float:
    """The nearest-rank percentile of sorted values: the smallest that `share` (0 to 1) of all are not above."""
    if not ordered:
        raise ValueError("no values")
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def in_words(value: float) -> str:
    """Three significant digits: 0.0123, 1.23, 12.3, 123, 1,230."""
    size = abs(value)
    if size >= 100 or size == 0:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.1 else f"{value:.2g}"
