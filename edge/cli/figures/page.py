"""A page of figures: headings, named values, grids and curves; printed plain in a pipe, drawn on a terminal.

Text from outside loses its control characters where it is printed.
"""

import io
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from edge.cli.figures.braille import plot, top_of
from edge.cli.figures.values import percent
from edge.cli.terminal.output import plain

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

WIDTH_LEAST, WIDTH_MOST = 60, 120  # columns that a page is drawn for
CURVE_ROWS = 6
_GAP = "  "


class Heading(NamedTuple):
    """`beside` is less important."""

    text: str
    beside: str = ""


class FieldList(NamedTuple):
    """Names and what is said of them."""

    pairs: Sequence[tuple[str, str]]


class Grid(NamedTuple):
    """`right` are the columns whose cells end on the right."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: frozenset[int]


class Plot(NamedTuple):
    """Shares over time under a heading, and what is said at the ends of the time. Nothing in a pipe."""

    heading: Heading
    values: Sequence[float]
    begins: str
    ends: str


class Footer(NamedTuple):
    """What holds for the whole page."""

    text: str


Block = Heading | FieldList | Grid | Plot | Footer


def is_drawn() -> bool:
    """Whether the result goes to a terminal."""
    return sys.stdout.isatty()


def width() -> int:
    """Of a page on this terminal."""
    return min(max(shutil.get_terminal_size().columns, WIDTH_LEAST), WIDTH_MOST)


def plain_lines(blocks: Sequence[Block]) -> list[str]:
    """For a pipe: aligned text, without curves."""
    lines: list[str] = []
    for block in blocks:
        match block:
            case Heading(text, beside):
                lines += ([""] if lines else []) + [f"{text}{_GAP}{beside}".rstrip()]
            case FieldList(pairs):
                most = max((len(name) for name, _ in pairs), default=0)
                lines += [f"{name:<{most}}{_GAP}{text}" for name, text in pairs]
            case Grid():
                header, *rows = _aligned(block)
                lines += [header.upper(), *rows]
            case Footer(text):
                lines += ["", text]
            case Plot():
                pass
    return [plain(each).rstrip() for each in lines]


def drawn(blocks: Sequence[Block], columns: int) -> "RenderableType":
    """For a terminal of so many columns."""
    from rich.console import Group  # takes 70 ms, which a pipe does not need

    return Group(*(_draw(block, columns) for block in blocks))


def rendered(blocks: Sequence[Block], columns: int, *, color: bool) -> str:
    """What a terminal of so many columns gets."""
    console = _console(io.StringIO(), columns, color=color)
    console.print(drawn(blocks, columns))
    written = console.file
    assert isinstance(written, io.StringIO)
    return "\n".join(each.rstrip() for each in written.getvalue().splitlines())


def _console(file: io.StringIO, columns: int, *, color: bool) -> "Console":
    from rich.console import Console

    system: Literal["standard"] | None = "standard" if color else None
    return Console(file=file, width=columns, force_terminal=color, color_system=system, highlight=False, emoji=False)


def _aligned(grid: Grid) -> list[str]:
    """The header and the rows."""
    widths = _widths(grid)
    return [
        _GAP.join(
            cell.rjust(most) if at in grid.right else cell.ljust(most)
            for at, (cell, most) in enumerate(zip(row, widths, strict=True))
        )
        for row in (grid.columns, *grid.rows)
    ]


def _draw(block: Block, columns: int) -> "RenderableType":
    from rich.text import Text

    match block:
        case Heading():
            return _draw_heading(block)
        case FieldList():
            return _draw_named(block, columns)
        case Grid():
            return _draw_grid(block, columns)
        case Plot():
            return _draw_plot(block, columns)
        case Footer(text):
            return Text("\n" + textwrap.fill(plain(text), columns, break_long_words=False), style="dim")


def _draw_heading(heading: Heading) -> "Text":
    from rich.text import Text

    return Text.assemble("\n", (plain(heading.text), "bold"), _GAP, (plain(heading.beside), "dim"))


def _draw_named(named: FieldList, columns: int) -> "RenderableType":
    """Long text wraps under itself."""
    from rich.text import Text

    most = max((len(name) for name, _ in named.pairs), default=0)
    text = Text()
    for name, said in named.pairs:
        lines = textwrap.wrap(plain(said), columns - most - 4, break_long_words=False, break_on_hyphens=False) or [""]
        text.append(f"  {plain(name):<{most}}{_GAP}", style="cyan").append(f"\n{' ' * (most + 4)}".join(lines) + "\n")
    text.right_crop(1)
    return text


def _draw_grid(grid: Grid, columns: int) -> "RenderableType":
    """What is too wide continues below, with its first column again."""
    from rich.text import Text

    text = Text()
    for at, part in enumerate(_fitting(grid, columns - len(_GAP))):
        header, *rows = _aligned(part)
        text.append("\n" if at else "").append(f"{_GAP}{plain(header).rstrip()}\n", style="bold")
        text.append(f"{_GAP}{'─' * len(header)}\n", style="dim")
        text.append("".join(f"{_GAP}{plain(row).rstrip()}\n" for row in rows))
    text.right_crop(1)
    return text


def _fitting(grid: Grid, columns: int) -> Iterator[Grid]:
    """Grids of at most so many characters, if each column fits beside the first."""
    widths = _widths(grid)
    kept, used = [0], widths[0]
    for at in range(1, len(widths)):
        if used + len(_GAP) + widths[at] > columns and len(kept) > 1:
            yield _part(grid, kept)
            kept, used = [0], widths[0]
        kept, used = [*kept, at], used + len(_GAP) + widths[at]
    yield _part(grid, kept)


def _part(grid: Grid, kept: Sequence[int]) -> Grid:
    rows = [[row[at] for at in kept] for row in grid.rows]
    right = frozenset(new for new, at in enumerate(kept) if at in grid.right)
    return Grid([grid.columns[at] for at in kept], rows, right)


def _widths(grid: Grid) -> list[int]:
    return [max(len(row[at]) for row in (grid.columns, *grid.rows)) for at in range(len(grid.columns))]


def _draw_plot(block: Plot, columns: int) -> "RenderableType":
    from rich.text import Text

    top, text = top_of(block.values), Text()
    labels = {0: percent(top), CURVE_ROWS - 1: "0 %"}
    most = max(map(len, labels.values())) + 2
    text.append_text(_draw_heading(block.heading)).append("\n")
    room = columns - most - 4
    for row, dots in enumerate(plot(block.values, room, CURVE_ROWS, top)):
        text.append(f"{labels.get(row, ''):>{most}} ┤ ", style="dim").append(dots, style="green").append("\n")
    ends = f"{block.begins}{block.ends:>{max(room - len(block.begins), 0)}}"
    return text.append(" " * (most + 3) + ends, style="dim")
