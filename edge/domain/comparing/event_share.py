"""Rates of two arms, by the share of the events that are one arm's: exact, and valid at every look. Pure.

Of devices with the event, the arm is a coin with a known bias under the null, whatever the rate is and however it
changes over the day (Lindon and Malek, arXiv 2011.03567). `log_odds(n, k, t)` is the logarithm of the evidence against
share `t` after `n` events, `k` of them the arm's: a uniform mixture over all other shares, whose chance ever to reach
1/alpha is at most alpha, however often one looks (Ville).
"""

from math import inf, lgamma, log
from typing import NamedTuple

_HALVINGS = 60  # of an interval of 1: as exact as a float


class RatioInterval(NamedTuple):
    """`high` None: without an end."""

    low: float
    high: float | None


def log_odds(n: float, k: float, share: float) -> float:
    """Against `share`, above 0 and below 1. Counts may be projected ones, so they need not be whole."""
    mixed = lgamma(k + 1) + lgamma(n - k + 1) - lgamma(n + 2)
    return mixed - k * log(share) - (n - k) * log(1 - share)


def share_interval(n: int, k: int, alpha: float) -> tuple[float, float]:
    """All shares that are not refuted at `alpha`."""
    limit = -log(alpha)
    if not n:
        return 0.0, 1.0
    low = 0.0 if k == 0 else _border(n, k, limit, 0.0)
    high = 1.0 if k == n else _border(n, k, limit, 1.0)
    return low, high


def rate_ratio(having: int, against: int, share: float, alpha: float) -> RatioInterval:
    """How many times as often as in the other arm: `having` devices of the arm have the event, `against` of the other,
    and `share` of the devices of both are the arm's, by their weights."""
    low, high = share_interval(having + against, having, alpha)
    odds = (1 - share) / share
    return RatioInterval(low / (1 - low) * odds if low < 1 else inf, None if high >= 1 else high / (1 - high) * odds)


def _border(n: int, k: int, limit: float, end: float) -> float:
    """Between the likeliest share, which is never refuted, and an end, which is."""
    kept, refuted = k / n, end
    for _ in range(_HALVINGS):
        middle = (kept + refuted) / 2
        if middle in (0.0, 1.0) or log_odds(n, k, middle) >= limit:
            refuted = middle
        else:
            kept = middle
    return kept
