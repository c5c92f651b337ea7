"""Axes: what they span, where their ticks are, and what these say.

Rates are fractions of 1, moments and hours are in seconds, odds are their logarithm to the base 10.
"""

import math
from typing import NamedTuple

from edge.page.words.numbers import NB
from edge.page.words.rates import step as share_words
from edge.page.words.times import clock, day

ODDS_LOW, ODDS_HIGH = -1, 4  # 1:10 to 10,000:1

_DAY = 86_400
_STEPS = (
    *(1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200),
    *(_DAY * n for n in (1, 2, 3, 4, 7, 14, 30, 90)),
)
_TICKS = 5  # of a time axis, at most
_LIMITS_SHOWN = 3  # an axis of failures reaches at least that many times the limit


class Tick(NamedTuple):
    """`minor` ones give way on a phone."""

    at: float
    words: str
    minor: bool = False


class Axis(NamedTuple):
    low: float
    high: float
    ticks: tuple[Tick, ...]

    def place(self, value: float) -> float:
        """Where the value is, from 0 to 1: what is beyond the axis is drawn on its end."""
        span = self.high - self.low
        return min(1.0, max(0.0, (value - self.low) / span)) if span > 0 else 0.0


def share_axis() -> Axis:
    """0 to 100 %, whatever the values."""
    return Axis(0.0, 1.0, tuple(Tick(n / 4, f"{n * 25}{NB}%") for n in range(5)))


def rate_axis(limit: float, highest: float) -> Axis:
    """From 0 to at least three times the limit, and beyond the highest rate."""
    top = min(1.0, max(limit * _LIMITS_SHOWN, highest * 1.15))
    step = _step(top)
    n = math.ceil(round(top / step, 6))
    return Axis(0.0, n * step, tuple(Tick(each * step, share_words(each * step)) for each in range(n + 1)))


def odds_axis() -> Axis:
    words = {-1: "1:10", 0: "1:1", 1: "10:1", 2: "100:1", 3: "1,000:1", 4: "10⁴:1"}
    return Axis(ODDS_LOW, ODDS_HIGH, tuple(Tick(at, words[at]) for at in range(ODDS_LOW, ODDS_HIGH + 1)))


def ratio_axis() -> Axis:
    """Times as many as the control: 1 in the middle."""
    return Axis(0.0, 2.0, tuple(Tick(n / 2, f"{n / 2:g}") for n in range(5)))


def hours_axis(hours: float) -> Axis:
    """Hours since something began, in seconds; every second tick is minor."""
    step = next((each for each in (1, 2, 4, 6, 12, 24, 48, 96, 168) if hours / each <= 6), math.ceil(hours / 6))
    n = max(1, math.ceil(hours / step))
    ticks = (
        Tick(each * step * 3600, f"{each * step}{NB}h" if each % 2 == 0 else f"{each * step}", each % 2 == 1)
        for each in range(n + 1)
    )
    return Axis(0.0, n * step * 3600.0, tuple(ticks))


def time_axis(begin: float, end: float, now: float) -> Axis:
    """Moments from `begin` to `end`, at round times of UTC; midnight, and whole days, are dates."""
    end = max(end, begin + 5)
    step = next(
        (each for each in _STEPS if (end - begin) / each <= _TICKS), math.ceil((end - begin) / _TICKS / _DAY) * _DAY
    )
    first = math.ceil(begin / step) * step
    moments = [float(at) for at in range(first, math.floor(end) + 1, step)]
    return Axis(begin, end, tuple(Tick(at, _moment_words(at, step, now)) for at in moments))


def _moment_words(at: float, step: int, now: float) -> str:
    if step < 60:
        return clock(at, to_second=True)
    return day(at, now) if at % _DAY == 0 else clock(at)


def _step(top: float) -> float:
    """A round step that divides `top` into two to five."""
    rough = top / 4
    unit = 10.0 ** math.floor(math.log10(rough))
    return next(unit * each for each in (1, 2, 5, 10) if unit * each >= rough * 0.999)
