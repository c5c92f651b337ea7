"""What changed between two bundles, in words and bars; and how the size of bundles has grown. Pure."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from edge.control.shapes.bundles import BundleView
from edge.control.shapes.insight.bundle_changes import BundleChangesView, FileChangeView, FileGroupView
from edge.domain.decision.foresight.bundle_changes import FileFate
from edge.page.charts.axes import Axis, Tick
from edge.page.charts.chart import Chart
from edge.page.charts.intervals import funnel_bar
from edge.page.charts.lines import ChartLine
from edge.page.charts.table import Table
from edge.page.words.numbers import count, named, size

FILES_SHOWN = 20  # most to download first; the rest is one line
SIZES_SHOWN = 16  # bundles of the chart of sizes
_TICKS = 4


class CompareChoice(NamedTuple):
    """The two that are compared, and those to choose from, newest first."""

    before: str
    version: str
    versions: tuple[str, ...]


def choose(bundles: Sequence[BundleView], before: str, version: str) -> CompareChoice | None:
    """What the address asks for, else the newest with the one before. None: there are not two with known files."""
    known = tuple(each.version for each in bundles if each.files is not None)
    if before and version:
        listed = (*known, *(each for each in (version, before) if each not in known))
        return CompareChoice(before, version, listed)
    return CompareChoice(known[1], known[0], known) if len(known) > 1 else None


def figures_of(found: BundleChangesView) -> list[dict[str, str]]:
    loaded = found.added.files + found.changed.files
    return [
        {
            "label": "A device downloads",
            "value": size(found.download_bytes),
            "of": f"of {size(found.zip_bytes)}, {_files(loaded)}",
        },
        _group("Added", found.added, "as stored"),
        _group("Changed", found.changed, "as stored"),
        _group("Gone", found.removed, ""),
        _group("The same", found.same, "nothing to download"),
    ]


def _group(label: str, group: FileGroupView, beside: str) -> dict[str, str]:
    told = [size(group.bytes), *([beside] if beside else [])] if group.files else []
    return {"label": label, "value": _files(group.files), "of": ", ".join(told)}


def _files(n: int) -> str:
    return f"{count(n)} {'file' if n == 1 else 'files'}"


def table_of(found: BundleChangesView) -> dict[str, Any]:
    """For the `table` macro; names of files are whole in the command's output."""
    columns = [
        {"name": "File"},
        {"name": named(found.before), "num": True},
        {"name": named(found.version), "num": True},
        {"name": "To download", "num": True},
        {"name": f"of {size(found.download_bytes)}", "cls": "bar"},
    ]
    rows = [{"cells": _cells(each, found.download_bytes)} for each in found.files[:FILES_SHOWN]]
    rest = found.files[FILES_SHOWN:]
    hidden = len(rest) + found.more_files
    if hidden:
        known = sum(each.download_bytes for each in found.files[:FILES_SHOWN])
        left = max(0, found.download_bytes - known)
        rows.append({"cells": [f"{_files(hidden)} more", "", "", size(left), _bar(left, found.download_bytes)]})
    return {"columns": columns, "rows": rows, "none": {"text": "No file differs."}}


def _cells(each: FileChangeView, whole: int) -> list[Any]:
    was = {"text": "new", "tone": "good"} if each.was_bytes is None else size(each.was_bytes)
    becomes = {"text": "gone", "tone": "bad"} if each.bytes is None else size(each.bytes)
    gone = each.fate is FileFate.REMOVED
    return [named(each.name), was, becomes, size(each.download_bytes), "" if gone else _bar(each.download_bytes, whole)]


def _bar(part: int, whole: int) -> Any:
    return funnel_bar(part / whole if whole else 0.0)


def size_chart(bundles: Sequence[BundleView]) -> Chart | None:
    """`bundles` newest first. None for fewer than two."""
    shown = list(reversed(bundles[:SIZES_SHOWN]))
    if len(shown) < 2:
        return None
    points = tuple((float(number), float(each.zip_bytes)) for number, each in enumerate(shown))
    last = len(shown) - 1
    return Chart(
        key="sizes",
        title=f"Size of the last {count(len(shown))} bundles",
        unit="zip",
        said=f"The size goes from {size(shown[0].zip_bytes)} to {size(shown[-1].zip_bytes)}.",
        x=Axis(0.0, float(last), _places(shown)),
        y=_size_axis(max(each.zip_bytes for each in shown)),
        lines=(ChartLine("size", "now", points, end=size(shown[-1].zip_bytes), dot=True),),
        table=Table(("Bundle", "Size"), tuple((named(each.version), size(each.zip_bytes)) for each in reversed(shown))),
        readings=tuple(f"{named(each.version)}: {size(each.zip_bytes)}" for each in shown),
        height="low",
    )


def _places(shown: Sequence[BundleView]) -> tuple[Tick, ...]:
    """The first and the last, and one between on a wide screen."""
    last = len(shown) - 1
    places = sorted({0, last // 2, last}) if last > 3 else [0, last]
    return tuple(Tick(float(at), _short(shown[at].version), minor=at not in (0, last)) for at in places)


def _short(version: str) -> str:
    return named(version) if len(version) <= 12 else f"{named(version)[:11]}…"


def _size_axis(top_bytes: int) -> Axis:
    """From 0 to a round number of bytes above the largest."""
    step = 10.0 ** max(0, len(str(top_bytes)) - 2)
    wide = next(step * each for each in (1, 2, 5, 10, 20, 50, 100) if step * each * _TICKS >= top_bytes * 1.05)
    n = next(each for each in range(1, _TICKS + 1) if wide * each >= top_bytes * 1.05)
    return Axis(0.0, wide * n, tuple(Tick(wide * each, size(wide * each) if each else "0") for each in range(n + 1)))
