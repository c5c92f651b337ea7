"""What the node sent of the release, and how long it took: from its own counts."""

from typing import Any

from edge.domain.statistics.definitions import Figure
from edge.domain.statistics.figures import QuantileFigure
from edge.page.views.visit import Unread
from edge.page.words.numbers import count, duration, size
from edge.page.words.rates import ShownFigure, percent, rate
from edge.telemetry.questions.app_answers import StatsAnswer


def delivery_figures(answer: StatsAnswer | Unread | None) -> list[dict[str, Any]]:
    """For the macro of figures; empty where nothing could be asked, or nothing was sent yet."""
    if not isinstance(answer, StatsAnswer):
        return []
    sent = answer.transfers
    complete, cut = int(sent.complete.value or 0), int(sent.cut.value or 0)
    if not complete + cut:
        return []
    broke = rate(cut, complete + cut, "transfers")
    return [
        _shown("Sent", size(sent.bytes.value), f"in {count(complete)} whole transfers"),
        _known("Had already", sent.reused_share, percent, "of the bundle's bytes, on the device before"),
        _quantiles("Time to download", sent.seconds),
        _quantiles("From offer to start", sent.update_delay),
        _shown("Broke off", count(cut), broke.of if cut else f"of {count(complete)} transfers"),
    ]


def _quantiles(label: str, found: list[QuantileFigure]) -> dict[str, Any]:
    """The median, and what one in ten exceeds."""
    values = {each.share: each.value for each in found}
    median = values.get(0.5)
    if median is None or median.value is None:
        return _shown(label, "not known", median.unknown if median is not None else "")
    most = values.get(0.9)
    above = f"; 90 of 100 below {duration(most.value)}" if most is not None and most.value is not None else ""
    return _shown(label, duration(median.value), f"median{above}")


def _known(label: str, figure: Figure, write: Any, of: str) -> dict[str, Any]:
    if figure.value is None:
        return _shown(label, "not known", figure.unknown)
    return _shown(label, write(figure.value), of)


def _shown(label: str, value: str, of: str) -> dict[str, Any]:
    figure = ShownFigure(value, of)
    return {"label": label, "value": figure.value, "of": figure.of}
