"""What a bad release would cost before the guard pauses it: an estimate for the preview of a rollout. Pure.

A deterministic model of a usual fleet. A device starts its app at a rate of its own, which is a Gamma draw with shape
0.6 and mean 3 a day, checks at each start, and the release goes out at the daily peak, twice the mean. It downloads in
8 s; 3 of 10 install at once, the others when the session ends, 3 min later in the median; 1 of 10 never reports. Of
the failures 6 of 10 are reported 10 s after; of the others, crashes, half at a next start within a minute, and half at
the device's next natural start. The guard acts when the count that is expected by then would alarm without its two
worst networks; what one release in twenty exceeds follows from 1.645 standard deviations fewer failures. A simulation
with random devices gives the same within a factor of 1.5 (`python -m tests.drills.guard_bars`).
"""

import math
from typing import NamedTuple

from edge.domain.guarding.networks import LEFT_OUT
from edge.domain.guarding.odds.alpha import ALARM_LOG_ODDS
from edge.domain.guarding.odds.threshold import is_enough, log_odds
from edge.domain.shares import WHOLE_SHARE

DAY_MINUTES = 1440.0
SHAPE, MEAN_STARTS, PEAK = 0.6, 3.0, 2.0
REPORTING = 0.9  # of the devices
ACTS_MINUTES = 0.25  # from a report to the pause, in every worker
DEVIATIONS = 1.645  # one release in twenty has fewer failures by then
HALVINGS = 40

_SCALE = PEAK * MEAN_STARTS / SHAPE / DAY_MINUTES  # of the Gamma, a minute
_QUANTILES = tuple((index + 0.5) / 8 for index in range(8))
# Minutes from the offer to the `set`, with weights.
_SET_DELAYS = ((0.3, 0.13), *((0.7 / 8, 0.13 - 3 / math.log(2) * math.log(1 - each)) for each in _QUANTILES))
# Minutes from the `set` to the report of its failure: devices that start an app are those that start it often.
_FAILURE_DELAYS = (
    (0.6, 10 / 60),
    (0.2, 0.5),
    *((0.2 / 8, ((1 - each) ** (-1 / (SHAPE + 1)) - 1) / _SCALE) for each in _QUANTILES),
)
_DELAYS = tuple((one * other, first + later) for one, first in _SET_DELAYS for other, later in _FAILURE_DELAYS)


class FailureCost(NamedTuple):
    """Devices offered the bundle when the pause takes effect, those of them that fail, and minutes until then: what is
    usual, and `at_most` what one release in twenty exceeds. `acts` and `surely_acts`: the guard would act within a day,
    usually and in nineteen of twenty; where it does not, the cost is the whole share."""

    offered: int
    offered_at_most: int
    failed: int
    failed_at_most: int
    minutes: float
    minutes_at_most: float
    acts: bool
    surely_acts: bool


def cost_of_failure(active: int, share: int, limit: float, failing: float = 0.1) -> FailureCost:
    """Of `active` devices on the channel, at a step of `share` thousandths of a percent, if `failing` (0 to 1) of the
    starts fail and the limit is `limit` (0 to 1)."""
    devices = active * share / WHOLE_SHARE
    usual = _minutes_until_pause(devices, limit, failing, 0.0)
    late = _minutes_until_pause(devices, limit, failing, DEVIATIONS)
    offered, at_most = (
        math.ceil(devices * _started(each)) if each < DAY_MINUTES else math.ceil(devices) for each in (usual, late)
    )
    return FailureCost(
        offered,
        at_most,
        math.ceil(offered * failing),
        math.ceil(at_most * failing),
        usual,
        late,
        usual < DAY_MINUTES,
        late < DAY_MINUTES,
    )


def _minutes_until_pause(devices: float, limit: float, failing: float, deviations: float) -> float:
    """DAY_MINUTES if it is not within a day."""
    early, late = 0.0, DAY_MINUTES
    if not _alarms(devices, late, limit, failing, deviations):
        return DAY_MINUTES
    for _ in range(HALVINGS):
        middle = (early + late) / 2
        if _alarms(devices, middle, limit, failing, deviations):
            late = middle
        else:
            early = middle
    return min(late + ACTS_MINUTES, DAY_MINUTES)


def _alarms(devices: float, minutes: float, limit: float, failing: float, deviations: float) -> bool:
    reporting = devices * REPORTING
    attempts = reporting * sum(weight * _started(minutes - delay) for weight, delay in _SET_DELAYS)
    failed = reporting * failing * sum(weight * _started(minutes - delay) for weight, delay in _DELAYS)
    failed -= deviations * math.sqrt(failed) + LEFT_OUT
    attempts -= LEFT_OUT
    if failed <= 0 or not is_enough(int(attempts), int(failed)):
        return False
    # The whole count has half of the alpha.
    return log_odds(int(attempts), int(failed), limit) >= ALARM_LOG_ODDS + math.log(2)


def _started(minutes: float) -> float:
    """The share of the devices that started the app within `minutes`."""
    return 1 - (1 + _SCALE * minutes) ** -SHAPE if minutes > 0 else 0.0
