"""Tables of figures as text for a terminal, as Markdown, and as values for JSON. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.measuring.figures import Spread, in_words

Cell = str | int | float | Spread | None  # None: not measured, shown as a dash


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"table {self.title!r} has a row of another width")


def cell_words(cell: Cell) -> str:
    match cell:
        case None:
            return "-"
        case str():
            return cell
        case Spread(median, low, high):
            return f"{in_words(median)} ({in_words(low)}-{in_words(high)})"
        case int():
            return f"{cell:,}"
        case _:
            return in_words(cell)


def encode_text(table: Table) -> str:
    lines = [table.columns, *(tuple(cell_words(cell) for cell in row) for row in table.rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(table.columns))]
    shown = ["  ".join(_aligned(line, widths)).rstrip() for line in lines]
    rule = "  ".join("-" * width for width in widths)
    return "\n".join([table.title, "", shown[0], rule, *shown[1:], *_text_notes(table.notes)])


def encode_markdown(table: Table) -> str:
    lines = [
        _markdown_row(table.columns),
        "|" + "---|" + "---:|" * (len(table.columns) - 1),
        *(_markdown_row([cell_words(cell) for cell in row]) for row in table.rows),
    ]
    return "\n".join([f"**{table.title}**", "", *lines, *(f"\n{note}" for note in table.notes)])


def values_of(table: Table) -> dict[str, Any]:
    """For JSON: a row is an object by column, a spread an object of its three numbers."""
    rows = [{name: _value(cell) for name, cell in zip(table.columns, row, strict=True)} for row in table.rows]
    return {"title": table.title, "rows": rows, "notes": list(table.notes)}


def _value(cell: Cell) -> Any:
    return cell._asdict() if isinstance(cell, Spread) else cell


def _aligned(line: Sequence[str], widths: Sequence[int]) -> list[str]:
    return [
        text.rjust(width) if at else text.ljust(width)
        for at, (text, width) in enumerate(zip(line, widths, strict=True))
    ]


def _markdown_row(texts: Sequence[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"


def _text_notes(notes: Sequence[str]) -> list[str]:
    return ["", *(f"  {note}" for note in notes)] if notes else []
