"""Curves as one SVG file, written by hand. Axes are logarithmic in both directions; values are above zero. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.measuring.figures import in_words

WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 80, 190, 50, 60
COLOURS = ("#1b6ca8", "#c8553d", "#588157", "#8d6a9f", "#b08900", "#444444")
DASHES = ("", "6 4", "2 3")

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """`colour` and `dash` are indices: curves of one contender share a colour, of one percentile a dash."""

    name: str
    points: tuple[Point, ...]
    colour: int = 0
    dash: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    title: str
    x: str
    y: str
    curves: tuple[Curve, ...]


class _Axis:
    """Values to pixels, on a logarithmic scale from the decade-part below the least to the one above the most."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self._start, self._end = start, end
        self._low, self._high = math.log10(min(values)), math.log10(max(values))
        if self._high == self._low:
            self._high += 1

    def place(self, value: float) -> float:
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)

    def ticks(self) -> list[float]:
        steps = (part * 10.0**decade for decade in range(-9, 13) for part in (1, 2, 5))
        return [step for step in steps if self._low <= math.log10(step) <= self._high]


def encode_svg(plot: Plot) -> str:
    points = [point for curve in plot.curves for point in curve.points]
    if not points:
        raise ValueError("a plot without points")
    across = _Axis([x for x, _ in points], LEFT, WIDTH - RIGHT)
    up = _Axis([y for _, y in points], HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        _text(LEFT, 24, plot.title, size=15),
        *_grid(across, up),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, plot.x, anchor="middle"),
        f'<g transform="translate(20 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)">',
        f"{_text(0, 0, plot.y, anchor='middle')}</g>",
        *(_line(curve, across, up) for curve in plot.curves),
        *(part for at, curve in enumerate(plot.curves) for part in _legend(curve, at)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _grid(across: _Axis, up: _Axis) -> list[str]:
    parts = []
    for tick in across.ticks():
        x = across.place(tick)
        parts.append(f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#dddddd"/>')
        parts.append(_text(x, HEIGHT - BOTTOM + 18, in_words(tick), anchor="middle"))
    for tick in up.ticks():
        y = up.place(tick)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#dddddd"/>')
        parts.append(_text(LEFT - 8, y + 4, in_words(tick), anchor="end"))
    return parts


def _line(curve: Curve, across: _Axis, up: _Axis) -> str:
    path = "L".join(f"{across.place(x):.1f} {up.place(y):.1f}" for x, y in curve.points)
    return f'<path d="M{path}" fill="none" stroke-width="2" {_stroke(curve)}/>'


def _legend(curve: Curve, at: int) -> list[str]:
    x, y = WIDTH - RIGHT + 16, TOP + 10 + 20 * at
    return [f'<path d="M{x} {y}h24" stroke-width="2" {_stroke(curve)}/>', _text(x + 30, y + 4, curve.name)]


def _stroke(curve: Curve) -> str:
    dash = DASHES[curve.dash % len(DASHES)]
    return f'stroke="{COLOURS[curve.colour % len(COLOURS)]}"' + (f' stroke-dasharray="{dash}"' if dash else "")


def _text(x: float, y: float, words: str, *, size: int = 12, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{escape(words)}</text>'
