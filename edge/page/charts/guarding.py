"""What the guard sees: the failure rate with its band and the limit, and the evidence as odds with the line it acts at.

A resume begins a new count, and so a new line: the old one does not fall.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from edge.page.charts.axes import ODDS_LOW, Axis, odds_axis, rate_axis, time_axis
from edge.page.charts.bands import Band
from edge.page.charts.chart import Chart
from edge.page.charts.lines import Bound, ChartLine, LineKind, Mark
from edge.page.charts.table import Table
from edge.page.words.numbers import NB, count
from edge.page.words.rates import FEW, interval, interval_cell, odds, odds_mark, percent, rate_cell, step
from edge.page.words.times import moment

_POINTS_LIMIT = 200  # of a line
_MIDDLE = 0.5  # of the width: words on a limit stand where the line is not
_SETTLED = FEW  # attempts from which the band is drawn: before that it is the whole axis


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardPoint:
    """A look of the guard. `at` in seconds; shares are fractions of 1; `log_odds` is a natural logarithm, of the count
    that decides: `tested` and `tested_failed`, without the two worst networks."""

    at: float
    attempts: int
    failed: int
    low: float
    high: float
    log_odds: float
    tested: int
    tested_failed: int
    count_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSeries:
    """`limit` is a fraction of 1, `acts_at` the odds at which the guard acts. `trouble`: it has acted, or would."""

    bundle: str
    points: tuple[GuardPoint, ...]
    limit: float
    acts_at: float
    begin: float
    end: float
    now: float
    marks: tuple[Mark, ...] = ()
    trouble: bool = False
    stale: str = ""

    @property
    def kind(self) -> LineKind:
        return "fail" if self.trouble else "now"

    @property
    def axis(self) -> Axis:
        return time_axis(self.begin, self.end, self.now)


def rate_chart(series: GuardSeries, key: str = "failed") -> Chart:
    """Failed attempts so far, with the interval that is valid at every look."""
    last = series.points[-1]
    steady = [each for each in series.points if each.attempts >= _SETTLED] or list(series.points)
    highest = max([each.failed / each.attempts for each in steady if each.attempts] + [last.high])
    unit = "of attempts; band: 95 %, valid at every look".replace(" %", f"{NB}%")
    band = tuple((each.at, each.low, each.high) for each in series.points if each.attempts)
    return Chart(
        key=key,
        title=f"Failed attempts of {series.bundle} so far",
        unit=unit,
        said=_rate_said(series),
        x=series.axis,
        y=rate_axis(series.limit, highest),
        lines=_lines(
            series, [(each, each.failed / each.attempts) for each in series.points if each.attempts], _rate_end(last)
        ),
        band=Band(band, fail=series.trouble),
        bounds=(Bound(series.limit, f"limit {_limit(series)}"),),
        marks=series.marks,
        table=Table(
            ("Time", "Failed", "Attempts", "Rate", "Interval"),
            tuple(_rate_row(each, series.now) for each in series.points),
        ),
        readings=tuple(_rate_reading(each, series.now) for each in series.points if each.attempts),
        stale=series.stale,
    )


def evidence_chart(series: GuardSeries, key: str = "evidence") -> Chart:
    """The odds that more than the limit fail; what is below the axis is drawn on it."""
    last = series.points[-1]
    return Chart(
        key=key,
        title=f"Evidence that {series.bundle} fails more than {_limit(series)}",
        unit="odds, of the count without its two worst networks",
        said=_evidence_said(series),
        x=series.axis,
        y=odds_axis(),
        lines=_lines(series, [(each, each.log_odds / math.log(10)) for each in series.points], _odds_end(last)),
        bounds=(
            Bound(
                math.log10(series.acts_at), "acts here", left=series.trouble and series.axis.place(last.at) > _MIDDLE
            ),
        ),
        marks=series.marks,
        table=Table(
            ("Time", "Attempts in it", "Failed in it", "Odds"),
            tuple(_odds_row(each, series.now) for each in series.points),
        ),
        readings=tuple(f"{moment(each.at, series.now)}: odds {odds(each.log_odds)}" for each in series.points),
        stale=series.stale,
    )


def _lines(series: GuardSeries, values: Sequence[tuple[GuardPoint, float]], end: str) -> tuple[ChartLine, ...]:
    """A line for each count; the latest has the name and the dot, and comes first."""
    runs = [
        tuple((point.at, value) for point, value in run)
        for _, run in groupby(values, key=lambda each: each[0].count_id)
    ]
    if not runs:
        return ()
    old: LineKind = "old1" if not series.trouble else "old2"
    latest = ChartLine("", series.kind, runs[-1][-_POINTS_LIMIT:], end=end, dot=True)
    return (latest, *(ChartLine("", old, run) for run in runs[:-1]))


def _limit(series: GuardSeries) -> str:
    return step(series.limit)


def _rate_end(last: GuardPoint) -> str:
    return percent(last.failed / last.attempts) if last.attempts >= FEW else f"{last.failed} of {last.attempts}"


def _odds_end(last: GuardPoint) -> str:
    return "below 1:10" if last.log_odds / math.log(10) < ODDS_LOW else odds_mark(last.log_odds)


def _rate_said(series: GuardSeries) -> str:
    last = series.points[-1]
    rate = f" ({percent(last.failed / last.attempts)})" if last.attempts >= FEW else ""
    side = "below" if last.high < series.limit else "above" if last.low > series.limit else "on both sides of"
    return (
        f"{count(last.failed)} of {count(last.attempts)} attempts of {series.bundle} failed{rate}, "
        f"{interval(last.low, last.high)}: {side} the limit of {_limit(series)}."
    )


def _evidence_said(series: GuardSeries) -> str:
    last, highest = series.points[-1], max(series.points, key=lambda each: each.log_odds)
    said = f"The odds are {odds(last.log_odds)} at {moment(last.at, series.now)}"
    if highest.log_odds > last.log_odds + 0.1:
        said += f", and were at most {odds(highest.log_odds)} at {moment(highest.at, series.now)}"
    return f"{said}. The guard acts at {odds(math.log(series.acts_at))}."


def _rate_row(each: GuardPoint, now: float) -> tuple[str, ...]:
    shown = rate_cell(each.failed, each.attempts) if each.attempts else "–"
    return moment(each.at, now), count(each.failed), count(each.attempts), shown, interval_cell(each.low, each.high)


def _rate_reading(each: GuardPoint, now: float) -> str:
    failed = f"{count(each.failed)} of {count(each.attempts)} failed"
    return f"{moment(each.at, now)}: {failed}, {interval(each.low, each.high)}"


def _odds_row(each: GuardPoint, now: float) -> tuple[str, ...]:
    return moment(each.at, now), count(each.tested), count(each.tested_failed), odds(each.log_odds)
