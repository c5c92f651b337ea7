"""The reading of an experiment as the page shows it: the table of what differs, the chart, the arms.

Its sentences are the reading's own.
"""

import math
from typing import Any

from markupsafe import Markup

from edge.domain.comparing.reading import (
    ArmComparison,
    ArmFigure,
    ExperimentReading,
    MeasureKind,
    MeasureReading,
    ShownState,
)
from edge.page.charts.chart import draw
from edge.page.charts.comparing import DrawnRatio, ratio_chart
from edge.page.charts.intervals import ratio_bar
from edge.page.words.numbers import NB, UNKNOWN, count, duration, named
from edge.page.words.rates import FEW, percent, ratio
from edge.page.words.times import moment
from edge.page.words.values import written_words

_SHOWN = (ShownState.MORE, ShownState.FEWER)
_DAY = 86_400
_COMPARED = {"timing": "when it is offered", "criteria": "for whom it is", "features": "values"}


def lede(reading: ExperimentReading) -> tuple[str, str]:
    """The first sentence, and those after it."""
    first, dot, rest = reading.sentence.partition(". ")
    return (f"{first}.", rest) if dot else (reading.sentence, "")


def pill(reading: ExperimentReading, now: float) -> tuple[str, str]:
    if reading.ended_ms is not None:
        return "idle", f"Ended {moment(reading.ended_ms / 1000, now, to_minute=True)}"
    if reading.split.doubted:
        return "warn", "The split is doubted"
    return "run", f"Runs, day {int((now - reading.began_ms / 1000) // _DAY) + 1}"


def facts(reading: ExperimentReading, now: float) -> list[tuple[str, str]]:
    of_feature = reading.kind == "features"
    what = _COMPARED.get(reading.kind, "releases")
    everybody = "every device that asks for it" if of_feature else "every device on the channel"
    found = [("Asks", reading.question)] if reading.question else []
    found += [("Since", moment(reading.began_ms / 1000, now, to_minute=True)), ("Compares", what)]
    found.append(("Who", f"segment {named(reading.segment)}" if reading.segment else everybody))
    return found


def difference_table(reading: ExperimentReading) -> dict[str, Any]:
    """A row for each measure and arm; with two arms their names head the columns."""
    arms = [each.name for each in reading.arms]
    first = named(arms[0]) if arms else "First"
    other = named(arms[1]) if len(arms) == 2 else "Arm"
    columns = [
        {"name": "Measure"},
        {"name": first, "num": True},
        {"name": other, "num": True},
        {"name": f"{other} against {first}, 0 to 2 times; the line: 1, no difference", "cls": "bar"},
        {"name": "Says"},
    ]
    rows = [
        {"cells": _cells(measure, each, many=len(arms) > 2)}
        for measure in reading.measures
        for each in measure.comparisons
    ]
    return {"columns": columns, "rows": rows}


def comparisons_words(reading: ExperimentReading) -> str:
    """Why the intervals are as wide as they are, and what was counted."""
    unit = "Unit: the device, from its first check in the experiment, whether it installed or not."
    if reading.kind == "features":
        unit = "Unit: the device, from the first time that it was given an arm's value."
    if reading.comparisons < 2:
        return f"The interval holds at 95{NB}%, at whatever day one looks. {unit}"
    share = f"{reading.confidence * 100:.2f}".rstrip("0").rstrip(".")
    return (
        f"{count(reading.comparisons)} comparisons, each at {share}{NB}%, so that all of them hold together at "
        f"95{NB}%, at whatever day one looks. {unit}"
    )


def sure_chart(reading: ExperimentReading, now: float) -> Markup | None:
    """How sure it is, over time: of the measure that shows most; None where none has a series yet."""
    found = [(m, c) for m in reading.measures for c in m.comparisons if len(c.series) > 1]
    if not found or reading.split.doubted:
        return None
    measure, comparison = max(found, key=lambda each: (each[1].state in _SHOWN, len(each[1].series)))
    points = tuple(
        DrawnRatio(at=p.at_ms / 1000, low=p.low, ratio=p.ratio, high=math.inf if p.high is None else p.high)
        for p in comparison.series
    )
    ended = reading.ended_ms / 1000 if reading.ended_ms is not None else None
    could = comparison.could_be_ms / 1000 if comparison.could_be_ms is not None else now
    end = ended if ended is not None else max(now, min(could, now + (now - points[0].at)))
    names = named(comparison.arm), named(comparison.against)
    return draw(ratio_chart(measure.title, *names, points, confidence=reading.confidence, end=end, now=now))


def arms_table(reading: ExperimentReading) -> dict[str, Any]:
    of_feature = reading.kind == "features"  # which has nothing to install
    columns: list[dict[str, Any]] = [
        {"name": "Arm"},
        {"name": "Gives" if of_feature else "Offers"},
        {"name": "Weight", "num": True},
        {"name": "Devices", "num": True},
    ]
    rows = []
    for arm in reading.arms:
        beside = _own(arm.windows, arm.spread_seconds, arm.segment)
        cells: list[Any] = [
            named(arm.name),
            written_words(arm.value) if of_feature else {"text": named(arm.bundle), "of": beside},
            arm.share.replace("%", f"{NB}%"),
            {"text": count(arm.devices), "of": "" if of_feature else f"{count(arm.installed)} have it"},
        ]
        rows.append({"cells": cells})
    return {"columns": columns, "rows": rows}


def _own(windows: tuple[str, ...], spread_seconds: int, segment: str) -> str:
    """What is an arm's own: when, how spread, for whom."""
    parts = [*(named(each) for each in windows)]
    parts += [f"spread over {duration(spread_seconds)}"] if spread_seconds else []
    parts += [f"segment {named(segment)}"] if segment else []
    return ", ".join(parts)


def _cells(measure: MeasureReading, each: ArmComparison, *, many: bool) -> list[Any]:
    figures = {figure.arm: figure for figure in measure.figures}
    title = f"{measure.title}, {named(each.arm)}" if many else measure.title
    return [
        {"text": named(title), "of": measure.note or _id_beside(measure)},
        _figure(measure, figures.get(each.against)),
        _figure(measure, figures.get(each.arm)),
        _bar(each),
        {"state": [state_kind(measure, each), each.says], "of": each.more},
    ]


def _id_beside(measure: MeasureReading) -> str:
    """What the command calls it, unless that is its title."""
    return "" if measure.id.casefold() == measure.title.casefold() else measure.id


def state_kind(measure: MeasureReading, each: ArmComparison) -> str:
    """Proven and wanted, proven and not wanted, or not proven."""
    if each.state not in _SHOWN:
        return "warn" if each.state is ShownState.DOUBTED else "idle"
    if not measure.better:
        return "run"
    return "good" if measure.better == each.state.value else "warn"


def _figure(measure: MeasureReading, figure: ArmFigure | None) -> dict[str, Any]:
    if figure is None or figure.value is None:
        return {"text": UNKNOWN, "of": "not known"}
    if measure.kind is MeasureKind.SHARE:
        if figure.devices < FEW or not figure.having:
            return {"text": count(figure.having), "bold": True, "of": f"of {count(figure.devices)}"}
        return {
            "text": percent(figure.value),
            "bold": True,
            "of": f"{count(figure.having)} of {count(figure.devices)}",
        }
    if not figure.value:
        return {"text": "0", "bold": True, "of": f"{measure.unit}, of {count(figure.devices)}"}
    shown = f"{figure.value:,.2f}" if figure.value < 100 else count(round(figure.value))
    return {"text": shown, "bold": True, "of": f"{measure.unit}, of {count(figure.devices)}"}


def _bar(each: ArmComparison) -> Any:
    if each.low is None:
        return ""
    high = math.inf if each.high is None else each.high
    return {"text": "", "chart": ratio_bar(each.low, each.ratio, high), "of": ratio(each.low, high)}
