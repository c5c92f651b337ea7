"""Figures out of the tables in `last/`: each with the file, the table, the row and the column it is taken from."""

import re
from pathlib import Path
from typing import NamedTuple

LAST = Path(__file__).parent.parent / "last"


class MeasuredFigure(NamedTuple):
    value: float
    source: str


class Cited(NamedTuple):
    """`title` is how the table's title begins, `row` what its first cells are; `instead` counts without such a one."""

    file: str
    title: str
    row: tuple[str, ...]
    column: str
    instead: float


# What one of our nodes does, by name. Where several loads were measured, the one that is more like a day's is taken:
# an even load rather than the limit, small requests rather than batches.
CITED = {
    "check_us": Cited("check.md", "the same load", ("ours",), "server CPU µs/check", 30.2),
    "file_us": Cited("delivery.md", "64 KiB, whole**", ("ours", "16"), "server CPU µs/request", 19.0),
    "gib_seconds": Cited("delivery.md", "5 MB, whole**", ("ours", "128"), "server CPU s/GiB", 0.25),
    "report_us": Cited("telemetry.md", "reports, batches of 1: 8,000", ("ours",), "server CPU µs/event", 67.8),
    "count_us": Cited("telemetry.md", "10,000 events of 20 apps, 1 in", ("segments to figures",), "CPU µs/event", 11.6),
    "worker_mb": Cited("scale.md", "Memory of a worker", ("1 apps",), "worker MB", 58.9),
    "app_kb": Cited("scale.md", "Memory of a worker", ("10,000 apps",), "kB/app more", 133.0),
    "whole_bytes": Cited("wan.md", "What the updates fetched", ("tinymce",), "bytes", 1_048_897.0),
    "files": Cited("wan.md", "What the updates fetched", ("tinymce",), "files fetched", 66.0),
    "clickhouse_mb": Cited("figures.md", "a day's figures", ("1,000,000", "clickhouse"), "MB", 39.9),
    "clickhouse_cpu": Cited("figures.md", "a day's figures", ("1,000,000", "clickhouse"), "CPU s a million", 9.77),
    "change_writes": Cited("regions.md", "What an origin asks of its bucket", ("a change",), "writes", 2.0),
    "change_reads": Cited("regions.md", "What an origin asks of its bucket", ("a change",), "reads", 2.0),
    "publish_writes": Cited("regions.md", "What an origin asks of its bucket", ("a publish",), "writes", 24.0),
    "publish_listings": Cited("regions.md", "What an origin asks of its bucket", ("a publish",), "listings", 2.0),
    "publish_reads": Cited("regions.md", "What an origin asks of its bucket", ("a publish",), "reads", 86.0),
    "idle_writes": Cited("regions.md", "What an origin asks of its bucket", ("an idle hour",), "writes", 959.0),
    "idle_listings": Cited("regions.md", "What an origin asks of its bucket", ("an idle hour",), "listings", 749.0),
    "idle_reads": Cited("regions.md", "What an origin asks of its bucket", ("an idle hour",), "reads", 3477.0),
}


def measured(name: str, folder: Path = LAST) -> MeasuredFigure:
    cited = CITED[name]
    file = folder / cited.file
    found = find_figure(file.read_text(), cited) if file.exists() else None
    if found is None:
        return MeasuredFigure(cited.instead, f"no table of {cited.file} has it: as measured earlier")
    return MeasuredFigure(found, f"last/{cited.file}")


def find_figure(report: str, cited: Cited) -> float | None:
    """The number in the cell, which may go on with a spread in parentheses; None where there is no such cell."""
    _, begins, table = report.partition(f"**{cited.title}")
    if not begins:
        return None
    lines = [_cells(line) for line in table.partition("\n**")[0].splitlines() if line.startswith("|")]
    if not lines or cited.column not in lines[0]:
        return None
    at = lines[0].index(cited.column)
    for row in lines[2:]:
        if tuple(row[: len(cited.row)]) == cited.row:
            number = re.match(r"-?[\d,.]+", row[at])
            return float(number[0].replace(",", "")) if number else None
    return None


def _cells(line: str) -> list[str]:
    return [each.strip() for each in line.strip().strip("|").split("|")]
