"""A histogram of durations and other positive numbers: buckets of equal ratio. Pure.

Every quantile read from one is within 2 % of the true one. Histograms of parts add up to that of the whole, in any
order, so they are counted exactly once like everything else.
"""

from collections.abc import Mapping
from math import exp, floor, log

ACCURACY = 0.02  # relative, of every quantile
LEAST, GREATEST = 1e-3, 1e9  # a millisecond and 30 years; what is beyond counts as these

_RATIO = log((1 + ACCURACY) / (1 - ACCURACY))


def bucket_of(value: float) -> int:
    """The bucket of a value; of zero, a negative one or none at all (NaN), the least one's."""
    if not value > LEAST:
        value = LEAST
    return floor(log(min(value, GREATEST)) / _RATIO)


def value_of(bucket: int) -> float:
    """What stands for all values of a bucket."""
    return exp(bucket * _RATIO) * (1 + ACCURACY)


def quantile(buckets: Mapping[int, int], share: float) -> float | None:
    """The value below which `share` (0 to 1) of all values lie; None without any."""
    total = sum(buckets.values())
    if total <= 0:
        return None
    rank, below = share * (total - 1), 0
    for bucket in sorted(buckets):
        below += buckets[bucket]
        if below > rank:
            return value_of(bucket)
    return value_of(max(buckets))
