"""Intervals of a rate that are valid at every look, and whether a group stands out by them.

The rates p with B(k+1, n-k+1) / (p^k (1-p)^(n-k)) < 1/alpha (Robbins; a uniform mixture): the true rate is ever
outside with probability alpha at most, however often one looks.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

ALPHA = 0.05
HALVINGS = 40  # of an interval that ends at a rate: beyond what a figure shows
INTERVALS_KEPT = 4_096  # a series and its page ask for the same ones again


class RateInterval(NamedTuple):
    """Rates from 0 to 1."""

    low: float
    high: float


@lru_cache(INTERVALS_KEPT)
def rate_interval(attempts: int, failed: int, alpha: float = ALPHA) -> RateInterval:
    """Of the rate behind `failed` of `attempts`. Of no attempts: 0 to 1."""
    if not attempts:
        return RateInterval(0.0, 1.0)
    passed = attempts - failed
    mixed = math.lgamma(failed + 1) + math.lgamma(passed + 1) - math.lgamma(attempts + 2) + math.log(alpha)

    def is_outside(rate: float) -> bool:
        return mixed >= failed * math.log(rate) + passed * math.log1p(-rate)

    likeliest = failed / attempts
    low = _edge(likeliest, 0.0, is_outside) if failed else 0.0
    high = _edge(likeliest, 1.0, is_outside) if passed else 1.0
    return RateInterval(low, high)


def _edge(inside: float, outside: float, is_outside: Callable[[float], bool]) -> float:
    for _ in range(HALVINGS):
        middle = (inside + outside) / 2
        if middle in (0.0, 1.0) or is_outside(middle):  # as near to the end as a float comes
            outside = middle
        else:
            inside = middle
    return outside


class GroupCount(NamedTuple):
    """One group of a breakdown."""

    attempts: int
    failed: int


def stands_out(groups: Sequence[GroupCount]) -> tuple[bool, ...]:
    """For each group, whether its interval is wholly above that of all the others together. The alpha is shared by the
    groups; without a failure, or without others, none does."""
    attempts, failed = sum(each.attempts for each in groups), sum(each.failed for each in groups)
    alpha = ALPHA / max(1, len(groups))
    return tuple(_is_apart(each, attempts - each.attempts, failed - each.failed, alpha) for each in groups)


def _is_apart(group: GroupCount, others: int, others_failed: int, alpha: float) -> bool:
    if not group.failed or not others:
        return False
    low = rate_interval(group.attempts, group.failed, alpha).low
    return low > rate_interval(others, others_failed, alpha).high
