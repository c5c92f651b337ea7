"""The threshold test: whether more than a limit of the attempts fail. It holds at every look, with no schedule.

A mixture of likelihood ratios over a grid of rates, an e-process (Wald; Robbins; Howard, Ramdas, McAuliffe, Sekhon,
Annals of Statistics 49(2), 2021, arXiv 1810.08240): whatever the true rate up to the limit, the odds ever reach
1/alpha with probability alpha at most (Ville). It needs only how many attempts there were and how many failed.
"""

import math
from collections.abc import Iterable
from functools import lru_cache

FACTORS = (1.5, 2.0, 3.0, 5.0, 10.0, 25.0)  # of the limit: the rates that it bets on, with equal weights
RATE_LIMIT = 0.9  # a rate at or above it is no alternative
LEAST_ATTEMPTS = 20
LEAST_FAILURES = 5  # fewer are an accident that a person would not call a bad release
LIMITS_KEPT = 64  # their alternatives; a channel has one limit


def log_odds(attempts: int, failed: int, limit: float) -> float:
    """The natural logarithm of the odds that more than `limit` (0 to 1) fail; 0 if no alternative is left."""
    alternatives = _alternatives(limit)
    if not alternatives:
        return 0.0
    passed = attempts - failed
    return log_sum(failed * win + passed * loss for win, loss in alternatives) - math.log(len(alternatives))


def is_enough(attempts: int, failed: int) -> bool:
    """Whether there is enough for an alarm at all."""
    return attempts >= LEAST_ATTEMPTS and failed >= LEAST_FAILURES


def log_sum(logarithms: Iterable[float]) -> float:
    """The logarithm of a sum, of the logarithms of its terms."""
    terms = list(logarithms)
    greatest = max(terms, default=-math.inf)
    if greatest == -math.inf:
        return -math.inf
    return greatest + math.log(math.fsum(math.exp(each - greatest) for each in terms))


@lru_cache(LIMITS_KEPT)
def _alternatives(limit: float) -> tuple[tuple[float, float], ...]:
    """For each rate, what a failure and what a success add."""
    if not 0 < limit < 1:
        return ()
    rates = (factor * limit for factor in FACTORS)
    return tuple((math.log(rate / limit), math.log((1 - rate) / (1 - limit))) for rate in rates if rate < RATE_LIMIT)
