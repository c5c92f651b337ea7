"""One chart, whole: heading, key, plot, the table, and the same values for the script that draws it again.

Without script the SVG stays. `said` describes it in one sentence, for who does not see it.
"""

import json
from dataclasses import dataclass
from typing import Any, Literal

from markupsafe import Markup

from edge.page.charts.axes import Axis
from edge.page.charts.bands import Band, draw_band
from edge.page.charts.lines import (
    Bound,
    ChartLine,
    Mark,
    draw_bounds,
    draw_ends,
    draw_grid,
    draw_marks,
    draw_paths,
    stretched,
)
from edge.page.charts.svg import NOTHING, element
from edge.page.charts.table import Table, draw_table
from edge.page.words.numbers import named

Height = Literal["", "low", "mini", "tall"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """`key` is its id in the page. `stale`: as of when, if counting stands still: the line is then grey and dashed.
    `readings` are what a cursor says at each point of the subject, the first of `lines`."""

    key: str
    title: str
    unit: str
    said: str
    x: Axis
    y: Axis
    lines: tuple[ChartLine, ...]
    table: Table
    band: Band | None = None
    bounds: tuple[Bound, ...] = ()
    marks: tuple[Mark, ...] = ()
    readings: tuple[str, ...] = ()
    height: Height = ""
    stale: str = ""


def draw(chart: Chart) -> Markup:
    unit = f"{chart.unit} · as of {chart.stale}" if chart.stale else chart.unit
    return element(
        "figure",
        _caption(chart.title, unit),
        _legend(chart.lines),
        element("div", _plot(chart), class_=f"plot {chart.height}".rstrip()),
        _values(chart),
        draw_table(chart.title, chart.table),
        class_="chart stale" if chart.stale else "chart",
        id=chart.key,
    )


def draw_nothing(title: str, unit: str, why: str) -> Markup:
    """A chart that has no values yet: what has to happen first."""
    return element("figure", _caption(title, unit), element("p", why, class_="muted measure"), class_="chart")


def _caption(title: str, unit: str) -> Markup:
    return element("figcaption", element("h3", title), element("span", unit, class_="unit"))


def _legend(lines: tuple[ChartLine, ...]) -> Markup:
    shown = {each.name: each for each in reversed(lines) if each.name}  # of two of one name, the first
    if len(shown) < 2:
        return NOTHING
    items = (element("li", _sample(each.kind), _keyed(each)) for each in lines if shown.get(each.name) is each)
    return element("ul", *items, class_="legend")


def _keyed(each: ChartLine) -> str:
    return f"{named(each.name)}{': ' if each.kind == 'cap' else ', '}{each.latest}" if each.latest else named(each.name)


def _sample(kind: str) -> Markup:
    stroke = element("line", class_=f"l {kind}", x1="0", x2="24", y1="4", y2="4")
    return element("svg", stroke, viewBox="0 0 24 8", aria_hidden="true")


def _plot(chart: Chart) -> Markup:
    drawn = stretched(draw_band(chart.band, chart.x, chart.y), draw_paths(chart.lines, chart.x, chart.y))
    described = f"{chart.key}-said"
    return element(
        "svg",
        element("title", chart.said, id=described),
        draw_grid(chart.x, chart.y),
        draw_marks(chart.marks, chart.x),
        drawn,
        draw_bounds(chart.bounds, chart.y),
        draw_ends(chart.lines, chart.x, chart.y, stale=bool(chart.stale)),
        role="img",
        aria_labelledby=described,
    )


def _values(chart: Chart) -> Markup:
    """For the script, in a block that is never run: a policy without inline script lets it pass. `<` is escaped, so
    that no name in it can end it."""
    text = json.dumps(values_of(chart), ensure_ascii=False, separators=(",", ":"))
    safe = text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
    return Markup('<script type="application/json" class="values">{}</script>').format(Markup(safe))  # noqa: S704


def values_of(chart: Chart) -> dict[str, Any]:
    """What the script draws: the axes' ends and ticks, and the lines as they are."""
    return {
        "x": _axis(chart.x),
        "y": _axis(chart.y),
        "lines": [
            {
                "name": named(each.name),
                "kind": each.kind,
                "end": named(each.end),
                "dot": each.dot,
                "points": _rounded(each.points),
            }
            for each in chart.lines
        ],
        "band": {"fail": chart.band.fail, "points": _rounded(chart.band.points)} if chart.band else None,
        "bounds": [list(each) for each in chart.bounds],
        "marks": [list(each) for each in chart.marks],
        "readings": list(chart.readings),
    }


def _axis(axis: Axis) -> dict[str, Any]:
    return {"low": axis.low, "high": axis.high, "ticks": [list(each) for each in axis.ticks]}


def _rounded(points: tuple[tuple[float, ...], ...]) -> list[list[float]]:
    """To one part in a million: a page of charts is not to be half digits."""
    return [[round(value, 6) for value in point] for point in points]
