"""Figures as people read them: `12,304`, `99.4 %`, `3m 12s`; a dash and the reason where one is not known.

A share that is not whole is never shown as 0 % or 100 %.
"""

from edge.cli.terminal.output import NOTHING, size
from edge.domain.statistics.definitions import Figure, Unit

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def shown(figure: Figure) -> str:
    """The value alone; a dash for none."""
    if figure.value is None:
        return NOTHING
    match figure.unit:
        case Unit.SHARE.value:
            return percent(figure.value)
        case Unit.SECONDS.value:
            return seconds(figure.value)
        case Unit.BYTES.value:
            return size(figure.value)
        case _:
            return number(figure.value)


def said(figure: Figure, of: str = "") -> str:
    """The value and what it is of, or why it is not known: `99.4 % of 8,200 devices`, `not known: no session began`."""
    if figure.value is None:
        return f"not known: {figure.unknown}"
    if not of or figure.of is None:
        return shown(figure)
    one = figure.of == 1 and of.endswith("s")
    return f"{shown(figure)} of {number(figure.of)} {of.removesuffix('s') if one else of}"


def number(value: float) -> str:
    """Whole numbers with separators, others with at most two digits behind the point."""
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.2f}"


def percent(value: float) -> str:
    """A share of 1."""
    if value in (0, 1):
        return f"{value:.0%}".replace("%", " %")
    text = f"{value * 100:.1f}"
    return {"0.0": "<0.1", "100.0": ">99.9"}.get(text, text) + " %"


def seconds(value: float) -> str:
    """Two units at most."""
    if value < 10:
        return f"{value:.1f} s"
    if value < _MINUTE:
        return f"{value:.0f} s"
    whole = round(value)
    if whole < _HOUR:
        return _two(whole // _MINUTE, "m", whole % _MINUTE, "s")
    if whole < 2 * _DAY:
        return _two(whole // _HOUR, "h", whole % _HOUR // _MINUTE, "m")
    return _two(whole // _DAY, "d", whole % _DAY // _HOUR, "h")


def _two(large: int, unit: str, small: int, other: str) -> str:
    return f"{large}{unit} {small}{other}" if small else f"{large}{unit}"
