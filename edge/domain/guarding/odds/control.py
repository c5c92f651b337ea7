"""The control test: whether an event happens more often in the rollout's arm than outside, times a factor.

Only devices with the event are looked at, each once: if both arms have it equally often, a device's arm is a coin
whose bias is the arm's share, whatever the rate is and however it changes over the day (after Lindon and Malek,
arXiv 2011.03567). The arm follows from the device's bucket, not from the bundle that the event names: a crash is sent
at the start after it, when the new bundle already runs.
"""

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from edge.domain.guarding.odds.threshold import log_sum

RATIOS = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)  # times as often as allowed: what it bets on, with equal weights
SHARES_KEPT = 256  # of steps, with their coins


class ArmEvents(NamedTuple):
    """Devices with the event while the rollout's arm was `share` (0 to 1, by bucket) of both arms together."""

    share: float
    rollout: int
    control: int


def control_log_odds(steps: Iterable[ArmEvents], factor: float = 1.0) -> float:
    """The natural logarithm of the odds that the rollout's arm has it more than `factor` (1 or more) times as often.

    The steps of a rollout are added up within each ratio, never pooled: at another share the same events mean
    something else (Simpson). A step with no control, or no rollout, says nothing.
    """
    sums = [0.0] * len(RATIOS)
    for step in steps:
        for index, (win, loss) in enumerate(_coins(step.share, factor)):
            sums[index] += step.rollout * win + step.control * loss
    return log_sum(sums) - math.log(len(RATIOS))


@lru_cache(SHARES_KEPT)
def _coins(share: float, factor: float) -> tuple[tuple[float, float], ...]:
    """For each ratio, what a device with the event in the rollout's arm adds, and one outside."""
    if not 0 < share < 1:
        return ()
    allowed = _arm(share, factor)
    bets = (_arm(share, factor * ratio) for ratio in RATIOS)
    return tuple((math.log(bet / allowed), math.log((1 - bet) / (1 - allowed))) for bet in bets)


def _arm(share: float, ratio: float) -> float:
    """The share of the arm among the devices with the event, if it has it `ratio` times as often."""
    return share * ratio / (share * ratio + 1 - share)
