"""Lines, marks and limits inside a plot, drawn from values by two axes.

The subject is the heaviest line, earlier releases are greys that differ by weight and dash, failures are orange, a
limit is dashed with its words on it. Each line has its name at its end.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from markupsafe import Markup

from edge.page.charts.axes import Axis
from edge.page.charts.svg import across, element, joined, label, line

LineKind = Literal["now", "old1", "old2", "old3", "cap", "fail", "dim"]
Point = tuple[float, float]

_CANVAS = 1000  # the inner drawing's own units, stretched over the plot
_CENTRED = {"text_anchor": "middle"}
_APART = 0.055  # of the height, between two names at the ends of lines
_NEAR_TOP, _NEAR_BASE = 0.06, 0.94  # of the height: a name there would lie above the plot, or on the axis
_NEAR = 0.12  # of the width: names and marks closer than that may overlap


class ChartLine(NamedTuple):
    """`end` stands at its last point, `latest` in the key beside its name. Without `dot` the end has no point."""

    name: str
    kind: LineKind
    points: tuple[Point, ...]
    end: str = ""
    latest: str = ""
    dot: bool = False


class Mark(NamedTuple):
    """A moment of all lines: a step, a pause, 24 h. `event`: something happened then, and it is drawn solid."""

    at: float
    words: str
    event: bool = False


class Bound(NamedTuple):
    """A value that is a limit. Its words stand on it, at the right unless `left`."""

    value: float
    words: str
    left: bool = False


def draw_grid(x: Axis, y: Axis) -> Markup:
    parts = []
    for tick in y.ticks:
        at = across(1 - y.place(tick.at))
        parts += [line("g", "0", at, "100%", at), label(tick.words, "", x="-8", y=at, dy=".32em", text_anchor="end")]
    parts.append(line("base", "0", "100%", "100%", "100%"))
    for tick in x.ticks:
        kind = "minor" if tick.minor else ""
        parts.append(label(tick.words, kind, x=across(x.place(tick.at)), y="100%", dy="1.5em", text_anchor="middle"))
    return joined(parts)


def draw_marks(marks: Sequence[Mark], x: Axis) -> Markup:
    """Words stand beside their mark, a line lower where the one before is near; those of an event above the plot."""
    parts, before, row = [], -1.0, 0
    for mark in sorted(marks):
        place = x.place(mark.at)
        row = 1 - row if place - before < _NEAR and before >= 0 else 0
        before = place
        parts.append(line("v ev" if mark.event else "v", across(place), "0", across(place), "100%"))
        turned = {"text_anchor": "end", "dx": -5} if place > 0.9 else {"dx": 5}
        down = {"dy": "-.9em"} if mark.event else {"dy": f"{0.9 + 1.15 * row:.2f}em"}
        parts.append(label(mark.words, "note", x=across(place), y="0", **down, **(_CENTRED if mark.event else turned)))
    return joined(parts)


def draw_paths(lines: Sequence[ChartLine], x: Axis, y: Axis) -> Markup:
    """The lines alone, in units of the canvas; the subject is drawn last, above the others."""
    order = sorted(lines, key=lambda each: each.kind in ("now", "fail"))
    return joined(
        element("polyline", class_=f"l {each.kind}", points=canvas(each.points, x, y)) for each in order if each.points
    )


def draw_bounds(bounds: Sequence[Bound], y: Axis) -> Markup:
    parts = []
    for bound in bounds:
        at = across(1 - y.place(bound.value))
        side = (
            {"x": "0", "dx": "6", "text_anchor": "start"}
            if bound.left
            else {"x": "100%", "dx": "-4", "text_anchor": "end"}
        )
        parts += [line("h", "0", at, "100%", at), label(bound.words, "act", y=at, dy="-.5em", **side)]
    return joined(parts)


def draw_ends(lines: Sequence[ChartLine], x: Axis, y: Axis, *, stale: bool = False) -> Markup:
    """The last point of each line and its name, names pushed apart where they would overlap."""
    ends = [each for each in lines if each.points and (each.end or each.dot)]
    places = [(x.place(each.points[-1][0]), 1 - y.place(each.points[-1][1])) for each in ends]
    parts = []
    for each, (across_x, down), named_at in zip(ends, places, _apart(places), strict=True):
        cx = across(across_x)
        if each.dot:
            kind = "dot old" if stale else "dot fail" if each.kind == "fail" else "dot"
            parts.append(element("circle", class_=kind, cx=cx, cy=across(down), r="4"))
        if each.end:
            kind = "end now" if each.kind == "now" else "end"
            turned = (
                {"text_anchor": "end", "dx": "-8", "dy": "-.6em"}
                if across_x > 0.86 and each.kind in ("now", "fail")
                else {"dx": "8", "dy": ".32em"}
            )
            if down > _NEAR_BASE:
                turned["dy"] = "-.6em"  # not on the line itself
            elif down < _NEAR_TOP and "text_anchor" in turned:
                turned["dy"] = "1.2em"  # above the plot are the words of events
            parts.append(label(each.end, kind, x=cx, y=across(named_at), **turned))
    return joined(parts)


def canvas(points: Sequence[Point], x: Axis, y: Axis) -> str:
    """Points as SVG writes them; values beyond an axis lie on its end."""
    return " ".join(f"{x.place(a) * _CANVAS:.1f},{(1 - y.place(b)) * _CANVAS:.1f}" for a, b in points)


def stretched(*content: Markup) -> Markup:
    """A drawing in units of the canvas, over the whole plot."""
    box = f"0 0 {_CANVAS} {_CANVAS}"
    return element("svg", *content, viewBox=box, preserveAspectRatio="none", width="100%", height="100%")


def _apart(places: Sequence[tuple[float, float]]) -> list[float]:
    """Heights of the names, so that two of neighbouring ends are never on one another, and none below the axis."""
    heights = [down for _, down in places]
    order = sorted(range(len(places)), key=lambda each: places[each][1])
    for above, below in pairwise(order):
        if abs(places[above][0] - places[below][0]) < _NEAR:
            heights[below] = max(heights[below], heights[above] + _APART)
    for below, above in pairwise(reversed(order)):
        heights[below] = min(heights[below], 1.0)
        if abs(places[above][0] - places[below][0]) < _NEAR:
            heights[above] = min(heights[above], heights[below] - _APART)
    return heights
