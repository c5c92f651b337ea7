"""The page of an experiment: what it shows, what it does not, and how sure that is."""

from collections.abc import Sequence

from edge.cli.figures.page import Block, FieldList, Footer, Grid, Heading
from edge.cli.figures.values import number, percent
from edge.cli.terminal.output import NOTHING, moment
from edge.domain.comparing.reading import (
    ArmComparison,
    ArmFigure,
    ArmReading,
    ExperimentReading,
    MeasureKind,
    MeasureReading,
    ShownState,
)
from edge.domain.comparing.running import feature_of_place
from edge.domain.schedule.durations import format_duration

_DAY_MS = 86_400_000
_BAR = 25  # characters: 0 to 2 times, and 1 in the middle
_FEW = 20  # devices: below, counts only
_NOT_YET = "No device has checked in it yet."


def experiment_page(read: ExperimentReading, *, bars: bool) -> list[Block]:
    """For a terminal, with `bars` of the intervals, or for a pipe."""
    blocks: list[Block] = [
        Heading(read.name, f"{_state(read)} · {_where(read)}"),
        FieldList(list(_about(read))),
        Heading("Arms", read.split.sentence),
        _values_grid(read.arms) if read.kind == "features" else _arms_grid(read.arms),
    ]
    if not read.split.doubted:
        blocks += [Heading("What differs", f"as of {moment(read.as_of_ms / 1000)}"), _measures_grid(read, bars=bars)]
    return [*blocks, Footer(" ".join(_footer(read)))]


def _where(read: ExperimentReading) -> str:
    feature = feature_of_place(read.channel)
    return f"channel {read.channel}" if feature is None else f"feature {feature}"


def _state(read: ExperimentReading) -> str:
    if read.ended_ms is not None:
        return f"ended {moment(read.ended_ms / 1000)}"
    return f"runs, day {(read.as_of_ms - read.began_ms) // _DAY_MS + 1}"


def _about(read: ExperimentReading) -> Sequence[tuple[str, str]]:
    says = read.sentence if any(arm.devices for arm in read.arms) else _NOT_YET
    asks = [("asks", read.question)] if read.question else []
    everybody = "every device that asks for it" if read.kind == "features" else "every device of the channel"
    who = f"segment {read.segment}, all of it" if read.segment else everybody
    return [("says", says), *asks, ("since", moment(read.began_ms / 1000)), ("who", who)]


def _arms_grid(arms: Sequence[ArmReading]) -> Grid:
    has_terms = any(_terms(arm) for arm in arms)
    rows = [
        [
            arm.name,
            arm.bundle,
            arm.share,
            number(arm.devices),
            number(arm.installed),
            *([_terms(arm)] * has_terms),
        ]
        for arm in arms
    ]
    columns = ("arm", "bundle", "share", "devices", "have it", *(("when and for whom",) * has_terms))
    return Grid(columns, rows, frozenset({2, 3, 4}))


def _values_grid(arms: Sequence[ArmReading]) -> Grid:
    """Of a feature, which has nothing to install."""
    rows = [[arm.name, arm.value, arm.share, number(arm.devices)] for arm in arms]
    return Grid(("arm", "value", "share", "devices"), rows, frozenset({2, 3}))


def _terms(arm: ArmReading) -> str:
    spread = f"over {format_duration(arm.spread_seconds)}" if arm.spread_seconds else ""
    return ", ".join(filter(None, [*arm.windows, spread, f"only {arm.segment}" if arm.segment else ""]))


def _measures_grid(read: ExperimentReading, *, bars: bool) -> Grid:
    several = len(read.arms) > 2
    rows = [
        [
            measure.title,
            *([each.arm] * several),
            _value(measure, _of(measure, each.against)),
            _value(measure, _of(measure, each.arm)),
            *([_bar(each)] * bars),
            _span(each),
            each.says + (f", {each.more}" if each.state is ShownState.EARLY else ""),
            _more(each),
        ]
        for measure in read.measures
        for each in measure.comparisons
    ]
    first = read.arms[0].name
    second = "this arm" if several else read.arms[1].name
    drawn = (f"0 {'times':^{_BAR - 4}} 2",) * bars
    columns = ("measure", *(("arm",) * several), first, second, *drawn, "times as much", "says", "and")
    return Grid(columns, rows, frozenset({1 + several, 2 + several}))


def _of(measure: MeasureReading, arm: str) -> ArmFigure:
    return next(each for each in measure.figures if each.arm == arm)


def _value(measure: MeasureReading, figure: ArmFigure) -> str:
    """`14.9 % (4,606 of 30,912)`, `2.14 a device`."""
    if figure.value is None:
        return NOTHING
    if measure.kind is MeasureKind.SHARE:
        counts = f"{figure.having:,} of {figure.devices:,}"
        return counts if figure.devices < _FEW or not figure.having else f"{percent(figure.value)} ({counts})"
    return f"{number(round(figure.value, 2))} {measure.unit}"


def _span(each: ArmComparison) -> str:
    if each.low is None:
        return ""
    return f"{each.low:.2f} or more" if each.high is None else f"{each.low:.2f} to {each.high:.2f}"


def _more(each: ArmComparison) -> str:
    """What the interval does not say already."""
    return each.more if each.state in (ShownState.OPEN, ShownState.NO_DIFFERENCE) else ""


def _bar(each: ArmComparison) -> str:
    """The interval on a line from 0 to 2 times; one that leaves the line has no end there."""
    if each.low is None:
        return ""
    cells = ["·"] * _BAR
    cells[_BAR // 2] = "┊"
    low, high = _place(each.low), _place(each.high)
    for at in range(max(low, 0), min(high, _BAR - 1) + 1):
        cells[at] = "─"
    if low < _BAR:
        cells[low] = "├"
    if high < _BAR:
        cells[high] = "┤"
    if each.ratio is not None and 0 <= _place(each.ratio) < _BAR:
        cells[_place(each.ratio)] = "●"
    return "".join(cells)


def _place(ratio: float | None) -> int:
    return _BAR if ratio is None or ratio > 2 else round(ratio / 2 * (_BAR - 1))


def _footer(read: ExperimentReading) -> list[str]:
    level = f"{read.confidence:.2%}".replace(".00%", "%").replace("%", " %")
    each = f"{read.comparisons} comparisons, each at {level}" if read.comparisons > 1 else f"One comparison, at {level}"
    whole = ", so that all of them hold together at 95 %" if read.comparisons > 1 else ""
    notes = [f"{measure.title}: {measure.note}." for measure in read.measures if measure.note]
    return [
        f"{each}{whole}, at whatever moment one looks. Unit: the device, by its arm, from its first check in the "
        "experiment, whether it installed or not. Emulators and development builds are not in it.",
        *notes,
        *read.notes,
    ]
