"""The band of an interval that is valid at every look, behind its line."""

from typing import NamedTuple

from markupsafe import Markup

from edge.page.charts.axes import Axis
from edge.page.charts.lines import canvas
from edge.page.charts.svg import NOTHING, element


class Band(NamedTuple):
    """`points` are (x, low, high)."""

    points: tuple[tuple[float, float, float], ...]
    fail: bool = False


def draw_band(band: Band | None, x: Axis, y: Axis) -> Markup:
    if band is None or len(band.points) < 2:
        return NOTHING
    upper = [(at, high) for at, _, high in band.points]
    lower = [(at, low) for at, low, _ in reversed(band.points)]
    return element("polygon", class_="b fail" if band.fail else "b", points=canvas([*upper, *lower], x, y))
