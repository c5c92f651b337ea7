"""Small pictures for the cells of tables: an interval with the limit, a ratio around 1, bars, a line of days.

They repeat what stands beside them as text, so that who does not see them misses nothing; a line of days has its latest
value as its label.
"""

from collections.abc import Sequence

from markupsafe import Markup

from edge.page.charts.axes import Axis, ratio_axis
from edge.page.charts.svg import NOTHING, across, element, joined, line

_HEIGHT = 18
_CAP = 3  # half of the stroke that ends an interval


def interval_bar(
    low: float, value: float, high: float, limit: float | None, top: float, *, hit: bool = False
) -> Markup:
    """On an axis from 0 to `top`, with the limit. An end beyond the axis has no cap. `hit`: it stands out."""
    axis = Axis(0.0, top, ())
    bound = (
        NOTHING
        if limit is None
        else line("s-thr", across(axis.place(limit)), "0", across(axis.place(limit)), f"{_HEIGHT}")
    )
    return _bar(axis, low, value, high, bound, kind="fail" if hit else "now")


def ratio_bar(low: float, value: float | None, high: float) -> Markup:
    """Times as many as the control, 0 to 2, with 1 as the line of no difference."""
    one = line("s-one", "50%", "0", "50%", f"{_HEIGHT}")
    return _bar(ratio_axis(), low, value, high, one, kind="now")


def _bar(axis: Axis, low: float, value: float | None, high: float, bound: Markup, kind: str) -> Markup:
    middle, stroke = _HEIGHT / 2, f"s-{kind}"
    parts = [_axis_line(f"{middle}"), bound]
    begin, end = axis.place(low), axis.place(high)
    parts.append(line(stroke, across(begin), f"{middle}", across(end), f"{middle}"))
    for at, inside in ((begin, low >= axis.low), (end, high <= axis.high)):
        if inside:
            parts.append(line(stroke, across(at), f"{middle - _CAP}", across(at), f"{middle + _CAP}"))
    if value is not None and axis.low <= value <= axis.high:
        parts.append(element("circle", class_=f"f-{kind}", cx=across(axis.place(value)), cy=f"{middle}", r="3.5"))
    return element("svg", *parts, height=str(_HEIGHT), aria_hidden="true")


def _axis_line(y: str) -> Markup:
    return element("line", class_="s-one", opacity=".35", x1="0", x2="100%", y1=y, y2=y)


def funnel_bar(share: float, kind: str = "now") -> Markup:
    """How far something came, of the widest bar. What is more than nothing is seen."""
    wide = 0.0 if share <= 0 else max(0.004, min(1.0, share))
    track = element("rect", class_="f-track", width="100%", height="12", rx="2")
    bar = element("rect", class_=f"f-{kind}", width=across(wide), height="12", rx="2")
    return element("svg", track, bar, height="12", aria_hidden="true")


def stacked_bar(parts: Sequence[tuple[float, str]], label: str, height: int = 10) -> Markup:
    """Shares of one whole beside each other, each with its kind: what a segment runs."""
    drawn, at = [], 0.0
    for share, kind in parts:
        wide = max(0.0, min(share, 1 - at))
        drawn.append(
            element("rect", class_=f"f-{kind}", x=across(at), width=across(max(0.0, wide - 0.004)), height=str(height))
        )
        at += wide
    return element("svg", *drawn, height=str(height), role="img", aria_label=label)


def sparkline(values: Sequence[float | None], label: str, kind: str = "now") -> Markup:
    """Shares from 0 to 1, oldest first; None is a gap, never a 0. All of them is a line that is
    not cut off by the edge."""
    apart = 1000 / max(1, len(values) - 1)
    runs: list[list[str]] = [[]]
    for n, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append(f"{n * apart:.0f},{5 + (1 - min(1.0, max(0.0, value))) * 93:.1f}")
    paths = joined(element("polyline", class_=f"l {kind}", points=" ".join(run)) for run in runs if run)
    inner = element("svg", paths, viewBox="0 0 1000 100", preserveAspectRatio="none", width="100%", height="28")
    return element("svg", _axis_line("27.5"), inner, height="28", role="img", aria_label=label)
