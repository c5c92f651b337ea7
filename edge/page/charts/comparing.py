"""How sure an experiment is, over time: the ratio of two arms with the interval that is valid at every look."""

from dataclasses import dataclass

from edge.page.charts.axes import ratio_axis, time_axis
from edge.page.charts.bands import Band
from edge.page.charts.chart import Chart
from edge.page.charts.lines import ChartLine
from edge.page.charts.table import Table
from edge.page.words.numbers import NB
from edge.page.words.rates import ratio, two_digits
from edge.page.words.times import moment


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnRatio:
    """`at` in seconds; times as many as in the control. `ratio` None: not known yet."""

    at: float
    low: float
    ratio: float | None
    high: float


def ratio_chart(
    measure: str, arm: str, control: str, points: tuple[DrawnRatio, ...], *, confidence: float, end: float, now: float
) -> Chart:
    """`points` are at least one, oldest first; the axis ends at `end`, when it could be shown."""
    last = points[-1]
    begin, end = points[0].at, max(end, last.at)
    known = tuple((each.at, each.ratio) for each in points if each.ratio is not None)
    line = ChartLine("", "now", known, end="" if last.ratio is None else f"{last.ratio:.2f}", dot=True)
    share = f"{confidence * 100:.2f}".rstrip("0").rstrip(".")
    return Chart(
        key="sure",
        title=f"{measure}, {arm} against {control}, over time",
        unit=f"times as many as {control}; band: {share}{NB}%, valid at every look",
        said=_said(measure, arm, control, points, now),
        x=time_axis(begin, end, now),
        y=ratio_axis(),
        lines=(line, ChartLine("", "dim", ((begin, 1.0), (end, 1.0)))),
        band=Band(tuple((each.at, each.low, each.high) for each in points)),
        table=Table(("Time", "From", "To"), tuple(_row(each, now) for each in points)),
        readings=tuple(
            f"{moment(each.at, now, to_minute=True)}: {ratio(each.low, each.high)}"
            for each in points
            if each.ratio is not None
        ),
    )


def _said(measure: str, arm: str, control: str, points: tuple[DrawnRatio, ...], now: float) -> str:
    first, last = points[0], points[-1]
    said = f"{measure}: {arm} has {ratio(last.low, last.high)} as many as {control}"
    if len(points) > 1:
        said += f"; it was {ratio(first.low, first.high)} at {moment(first.at, now, to_minute=True)}"
    return f"{said}. One is no difference."


def _row(each: DrawnRatio, now: float) -> tuple[str, ...]:
    high = "more than 100" if each.high > 100 else two_digits(each.high)
    return moment(each.at, now, to_minute=True), two_digits(each.low), high
