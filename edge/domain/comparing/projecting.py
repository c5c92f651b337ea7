"""When something could be shown, if devices and events keep coming as they lately did. Pure.

The honest answer has two ifs: that the rate of arrival stays, and that the difference is as large as it looks now.
Where either would have to change, the answer is "not at this rate".
"""

from collections.abc import Callable
from math import log, sqrt

from edge.domain.comparing.event_share import log_odds
from edge.domain.comparing.measures import ArmMeasure
from edge.domain.comparing.sequences import mean_of, scale_of, spread_of

HORIZON_MS = 90 * 86_400_000  # beyond that nobody plans
TIMES_LIMIT = 20.0  # as much as there is now: a guess from so little is none
_HALVINGS = 30


def enough_events(having: int, against: int, share: float, alpha: float) -> float | None:
    """How many times as many events it takes; None: more than `TIMES_LIMIT`."""
    n, k, limit = having + against, having, -log(alpha)
    return _least(lambda times: log_odds(n * times, k * times, share) >= limit) if n else None


def enough_devices(arm: ArmMeasure, other: ArmMeasure, alpha: float) -> float | None:
    """How many times as many devices it takes until the difference of means excludes 0."""
    n = arm.devices + other.devices
    difference = mean_of(arm) - mean_of(other)
    if not difference:
        return None
    width = sqrt(spread_of(arm, n) + spread_of(other, n))
    return _least(lambda times: abs(difference) >= width * sqrt(scale_of(n * times, alpha)))


def when_ms(now_ms: int, since_ms: int, grown: float, needed: float) -> int | None:
    """When `needed` more will have come, at the rate of `grown` from `since_ms` until now; None: not within the
    horizon."""
    if needed <= 0:
        return now_ms
    if grown <= 0 or now_ms <= since_ms:
        return None
    wait_ms = needed * (now_ms - since_ms) / grown
    return now_ms + int(wait_ms) if wait_ms <= HORIZON_MS else None


def _least(shows: Callable[[float], bool]) -> float | None:
    if not shows(TIMES_LIMIT):
        return None
    low, high = 1.0, TIMES_LIMIT
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if shows(middle) else (middle, high)
    return high
