"""Whether enough is known of a step for the next one to begin, and if not, why it waits. Pure."""

from typing import NamedTuple

from edge.domain.guarding.odds.rates import rate_interval
from edge.domain.guarding.sentences import count, percent

ENOUGH_ATTEMPTS = 300  # of the step itself: of a release that fails 10 %, the guard has acted by then


class Enough(NamedTuple):
    """`why` is a sentence, either way."""

    is_known: bool
    why: str


def enough_known(attempts: int, failed: int, step_attempts: int, limit: float) -> Enough:
    """`attempts` and `failed` since the start, `step_attempts` those of the present step, all counted votes. The next
    step may begin when the step has ENOUGH_ATTEMPTS, so that one step is never judged by another's devices alone, and
    the upper end of the interval is below `limit` (0 to 1)."""
    high = rate_interval(attempts, failed).high
    wanted = f"it goes on at {ENOUGH_ATTEMPTS} attempts in this step and an upper end below {percent(limit)}"
    has = f"it has {count(step_attempts)} and {percent(high)}"
    if step_attempts >= ENOUGH_ATTEMPTS and high < limit:
        failures = f"{count(failed)} of {count(attempts)} attempts failed, at most {percent(high)}"
        return Enough(True, f"{failures}; the limit is {percent(limit)}")
    if step_attempts < ENOUGH_ATTEMPTS:
        return Enough(False, f"waits for more attempts: {wanted}; {has}")
    return Enough(False, f"waits until it is known to be below its limit: {wanted}; {has}")
