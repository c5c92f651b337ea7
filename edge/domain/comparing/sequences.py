"""Means of two arms: an asymptotic confidence sequence, valid at every look. Pure.

Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, arXiv 2103.06476. One number a device; of a ratio, the interval has
every factor `f` for which the sequence of `mean - f * other mean` still holds 0 (Fieller's inversion).
"""

from math import log, sqrt
from typing import NamedTuple

from edge.domain.comparing.event_share import RatioInterval
from edge.domain.comparing.measures import ArmMeasure

_ROUNDING = 1e-14  # of a mean, relative to it: some fifty times that of one number
TIGHTEST_AT = 10_000  # devices of both arms: there the sequence is as narrow as it can be


class MeanDifference(NamedTuple):
    """Of the arm's mean and the other's."""

    low: float
    high: float


def scale_of(n: float, alpha: float) -> float:
    """The square of the half width, for a variance of 1, with `n` devices of both arms."""
    width = -2 * log(alpha)
    rho2 = (width + log(width) + 1) / TIGHTEST_AT
    return 2 * (n * rho2 + 1) / (n * n * rho2) * log(sqrt(n * rho2 + 1) / alpha)


def half_width(n: float, variance: float, alpha: float) -> float:
    """`variance` is that of both arms together: the sum of each one's, divided by its share of the devices."""
    return sqrt(variance * scale_of(n, alpha))


def mean_difference(arm: ArmMeasure, other: ArmMeasure, alpha: float) -> MeanDifference:
    """Both arms have devices."""
    n = arm.devices + other.devices
    width = half_width(n, spread_of(arm, n) + spread_of(other, n), alpha)
    difference = mean_of(arm) - mean_of(other)
    return MeanDifference(difference - width, difference + width)


def mean_ratio(arm: ArmMeasure, other: ArmMeasure, alpha: float) -> RatioInterval | None:
    """How many times as much as in the other arm; None where the other mean is not above 0."""
    n = arm.devices + other.devices
    scale = scale_of(n, alpha)
    mean, base = mean_of(arm), mean_of(other)
    if base <= 0 or mean < 0:
        return None
    off, widths = mean / base, [sqrt(scale * spread_of(each, n)) / base for each in (other, arm)]  # no squares of means
    a, b, c = 1 - widths[0] * widths[0], off, off * off - widths[1] * widths[1]
    root = sqrt(max(0.0, b * b - a * c))
    if a > 0:
        return RatioInterval(max(0.0, (b - root) / a), (b + root) / a)
    return RatioInterval(0.0 if c <= 0 or a == 0 else max(0.0, (b - root) / a), None)


def varies(measure: ArmMeasure) -> bool:
    """Whether its devices' numbers differ by more than the rounding of their mean: where they do not, the variance is
    not known to be small, it is not known."""
    rounding = _ROUNDING * mean_of(measure)
    return measure.deviations > measure.devices * rounding * rounding


def mean_of(measure: ArmMeasure) -> float:
    """Of its devices, which it has."""
    return measure.total / measure.devices


def spread_of(measure: ArmMeasure, n: int) -> float:
    """Its variance, divided by its share of `n` devices."""
    return measure.deviations / measure.devices * n / measure.devices
