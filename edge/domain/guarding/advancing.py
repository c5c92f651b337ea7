"""Whether enough is known of a step for the next one to begin, and if not, why it waits. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from edge.domain.guarding.odds.rates import rate_interval
from edge.domain.guarding.odds.threshold import LEAST_ATTEMPTS, log_odds
from edge.domain.guarding.sentences import count, percent
from edge.domain.guarding.tally import StepWithout

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


def known_without(rests: Iterable[StepWithout], nodes: Sequence[str], limit: float) -> str:
    """Why a step waits though enough is known of all nodes together: it would rest on the word of one, whose token may
    be stolen. "" if the others do not contradict any of `nodes`.

    What the others have of the step is enough with ENOUGH_ATTEMPTS, or with as many as they still wait for: a node that
    has nearly all devices is not kept waiting by the few that others have, and these are heard all the same. They have
    to speak for the release: their odds that it fails more than `limit` are 1 to 1 at most.
    """
    for rest in rests:
        node, wanted = nodes[rest.node - 1], min(ENOUGH_ATTEMPTS, rest.waiting)
        if rest.waiting > LEAST_ATTEMPTS and rest.step_attempts < wanted:
            has = f"it has {count(rest.step_attempts)}, and {count(rest.waiting)} devices were offered it"
            return f"waits for what others than {node} report: without it, {count(wanted)} attempts are wanted; {has}"
        if log_odds(rest.attempts, rest.failed, limit) > 0:
            failures = f"{count(rest.failed)} of {count(rest.attempts)} attempts failed"
            return f"waits until others than {node} speak for it: without it, {failures}; the limit is {percent(limit)}"
    return ""
