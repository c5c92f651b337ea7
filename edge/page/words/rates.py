"""Rates with their denominators, intervals, odds and ratios, as text.

No rate stands without its denominator: `rate` gives both. Few have no rate at all, none is a 0 and never "0.00 %", and
all is never "100 %" before everything is known. Shares are fractions of 1.
"""

import math
from typing import NamedTuple

from edge.page.words.numbers import NB, UNKNOWN, count

FEW = 20  # below that many a rate says nothing: counts only

_ODDS_LIMIT = 1_000_000


class ShownFigure(NamedTuple):
    """A value and what stands small beside it: its denominator, or why there is none."""

    value: str
    of: str = ""


def percent(share: float) -> str:
    """Two decimals below 1 % and above 99 %, else one. What would round to 0 or 100 says so instead."""
    value = share * 100
    if value == 0:
        return f"0{NB}%"
    if value < 0.005:
        return f"below 0.01{NB}%"
    if value >= 99.995:
        return f"100{NB}%" if value == 100 else f"over 99.99{NB}%"
    digits = 2 if round(value, 2) < 1 or value > 99 else 1
    return f"{value:.{digits}f}{NB}%"


def step(share: float) -> str:
    """A share that a person chose: `25 %`, `12.5 %`, as many digits as it has."""
    return f"{share * 100:.6g}{NB}%"


def share_text(share: str) -> str:
    """A share as the API writes it, `12.5%`, with its space."""
    return share.removesuffix("%") + f"{NB}%"


def rate(k: int | None, n: int | None, of: str = "", *, whole: bool = False) -> ShownFigure:
    """`99.77 %` and `6,377 of 6,392`; `of` names the kind of the denominator. `whole`: nothing is outstanding."""
    if k is None or n is None:
        return ShownFigure("not known")
    beside = f"{count(k)} of {count(n)}" + (f" {of}" if of else "")
    if n == 0:
        return ShownFigure(UNKNOWN, f"of 0{' ' + of if of else ''} so far")
    if k == 0:
        return ShownFigure("0", f"of {count(n)}" + (f" {of}" if of else ""))
    if n < FEW:
        return ShownFigure("too few", f"{beside} so far")
    if k >= n and not whole:
        return ShownFigure("all so far", beside)
    return ShownFigure(percent(k / n), beside)


def rate_cell(k: int, n: int) -> str:
    """For a column of rates, beside the column of counts."""
    if n < FEW:
        return "too few"
    return percent(k / n)


def sentence(k: int, n: int, of: str = "") -> str:
    """`15 of 6,810 (0.22 %)`: for a line of text; without a rate where there are few."""
    text = f"{count(k)} of {count(n)}" + (f" {of}" if of else "")
    return f"{text} ({percent(k / n)})" if n >= FEW and k else text


def two_digits(value: float) -> str:
    """`0.57`, `5.5`, `29`, `2,800`: two digits and at most two decimals, no exponent."""
    if round(value, 2) <= 0:
        return "0"
    rounded = round(value, min(2, 1 - math.floor(math.log10(value))))
    decimals = min(2, max(0, 1 - math.floor(math.log10(rounded))))
    text = f"{rounded:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text and rounded == int(rounded) else text


def interval(low: float, high: float) -> str:
    """`between 5.5 and 29 %`; `at most 0.57 %` where the lower end is 0; `at least 71 %` where the upper is all."""
    low_text, high_text = two_digits(low * 100), two_digits(high * 100)
    if low * 100 < 0.005:
        return at_most(high)
    if high >= 1:
        return f"at least {low_text}{NB}%"
    return f"between {low_text} and {high_text}{NB}%"


def at_most(high: float) -> str:
    if high >= 1:
        return "nothing is ruled out"
    return f"at most {two_digits(high * 100)}{NB}%"


def interval_cell(low: float, high: float) -> str:
    """`0.06 to 0.57 %`."""
    return f"{two_digits(low * 100)} to {two_digits(high * 100)}{NB}%"


def odds(log_odds: float) -> str:
    """Natural logarithm to words: `2,800 to 1`, `1 to 3.4`."""
    if log_odds >= math.log(_ODDS_LIMIT):
        return "over a million to 1"
    if log_odds <= -math.log(_ODDS_LIMIT):
        return "1 to over a million"
    if log_odds >= 0:
        return f"{_odd(math.exp(log_odds))} to 1"
    against = _odd(math.exp(-log_odds))
    return f"1 to {against}"


def odds_mark(log_odds: float) -> str:
    """The same beside a point of a chart: `2,800:1`, `1:3.4`."""
    text = odds(log_odds)
    if "million" in text:
        return "10⁶:1 and more" if log_odds > 0 else "1:10⁶ and less"
    return text.replace(" to ", ":")


def ratio(low: float, high: float) -> str:
    """`0.71 to 0.93 times`; an open end says so."""
    if math.isinf(high):
        return f"at least {_times(low)} times"
    if low <= 0:
        return f"at most {_times(high)} times"
    return f"{_times(low)} to {_times(high)} times"


def _times(value: float) -> str:
    return f"{value:,.2f}" if value < 10 else count(round(value))


def _odd(value: float) -> str:
    return two_digits(value) if value >= 10 else f"{value:.1f}".removesuffix(".0")
