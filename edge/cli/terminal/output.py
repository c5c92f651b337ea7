"""What a verb prints: JSON for programs, or tables, fields and a progress bar for people.

Results go to stdout, everything else to stderr. Only a terminal gets drawn tables and moving bars; in a pipe a table is
plain aligned text. Text from outside loses its control characters: a comment must not control the terminal.
"""

import shutil
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edge.cli.terminal.progress_lines import StageProgress, lines
from edge.domain.errors import EdgeError
from edge.domain.messaging.joining import shown_line
from edge.domain.schedule.durations import rough_size

if TYPE_CHECKING:
    from rich.progress import Progress

Advance = Callable[[int], None]  # bytes just done
ReachStage = Callable[[str, int, int], None]  # stage, bytes done, bytes in all

PADDED_LIMIT, PADDED_LEAST = 40, 6  # characters that every row is padded to; cells of a column where few are longer
COLUMN_GAP = 2  # characters between drawn columns
LAST_LEAST = 20  # characters; a narrower last column reads worse than one row below the other
size = rough_size
NOTHING = "-"  # a cell without a value


class Output:
    """Where a verb's result goes; `as_json` is its `--json`."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def result(self, value: Any, print_text: Callable[[], None]) -> None:
        """Print the verb's one result: `value` as one JSON document, or what `print_text` prints for people."""
        if self.as_json:
            click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))
        else:
            print_text()


def line(text: str) -> None:
    """Print one line to stdout, without control characters."""
    click.echo(plain(text))


def labelled(label: str, text: str) -> None:
    """Print `label  text`. On a terminal, long text wraps under itself between words, which stay whole to be copied."""
    first, shown = f"{label}  ", plain(text)
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        rest = " " * len(first)
        shown = textwrap.fill(
            shown, width, initial_indent=rest, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
        ).lstrip()
    click.echo(first + shown)


def reason_of(error: EdgeError | OSError) -> str:
    """What is wrong, with the file that it is about."""
    if isinstance(error, EdgeError):
        return error.message
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason


def note(text: str) -> None:
    """Print a line to stderr, beside the result."""
    click.echo(plain(text), err=True)


def fields(pairs: Sequence[tuple[str, Any]]) -> None:
    """Print `name   value` lines; a value of None is left out."""
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        if value is not None:
            labelled(f"{name:<{width}}", cell(value))


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], empty: str) -> None:
    """Print rows under their columns, or the sentence `empty`. Numbers are right-aligned."""
    if not rows:
        return line(empty)
    numeric = [
        all(isinstance(row[i], int) and not isinstance(row[i], bool) for row in rows) for i in range(len(columns))
    ]
    cells = [[cell(value) for value in row] for row in rows]
    if sys.stdout.isatty():
        return _draw(columns, cells, numeric)
    widths = [_padded_width([len(text) for text in column]) for column in zip(columns, *cells, strict=True)]
    for row in [[name.upper() for name in columns], *cells]:
        aligned = (t.rjust(w) if right else t.ljust(w) for t, w, right in zip(row, widths, numeric, strict=True))
        line("  ".join(aligned).rstrip())
    return None


def _padded_width(lengths: Sequence[int]) -> int:
    """Of a column: of many cells, the longest tenth pushes the rest of its own rows alone."""
    ordered = sorted(lengths)
    if ordered[-1] <= PADDED_LIMIT or len(ordered) < PADDED_LEAST:
        return ordered[-1]
    return max(ordered[len(ordered) * 9 // 10 - 1], PADDED_LIMIT)


@contextmanager
def progress(what: str, total_bytes: int | None) -> Iterator[Advance]:
    """A bar on stderr if that is a terminal, else a line now and then. Call what it yields, from any thread, with the
    bytes just done. Without a total, the bar only shows activity.
    """
    if not sys.stderr.isatty():
        with lines(note, size) as reached:
            yield _adding(reached, what, total_bytes or 0)
        return
    with _bars() as bars:
        task = bars.add_task(what, total=total_bytes)
        yield lambda count: bars.advance(task, count)


@contextmanager
def stages() -> Iterator[ReachStage]:
    """As `progress`, with a bar for each stage; call what it yields with the stage, bytes done and bytes in all."""
    if not sys.stderr.isatty():
        with lines(note, size) as reached:
            yield reached.reach
        return
    with _bars() as bars:
        tasks: dict[str, Any] = {}

        def reach(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage)
            bars.update(tasks[stage], completed=done, total=total)

        yield reach


def _adding(reached: StageProgress, what: str, total_bytes: int) -> Advance:
    done, lock = 0, threading.Lock()

    def advance(count: int) -> None:
        nonlocal done
        with lock:
            done += count
            reached.reach(what, done, total_bytes)

    advance(0)
    return advance


def cell(value: Any) -> str:
    """A value as a table shows it: `-` for nothing, yes or no, lists with commas."""
    match value:
        case None | "":
            return NOTHING
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(cell(each) for each in value) or NOTHING
        case _:
            return plain(str(value))


def plain(text: str) -> str:
    """The text with a space for each control character."""
    return shown_line(text, " ")


def counted(n: int, noun: str, plural: str = "") -> str:
    """`1 file`, `2 files`; `plural` is for nouns that do not just take an s."""
    return f"{n} {noun if n == 1 else plural or f'{noun}s'}"


def moment(seconds: float) -> str:
    """Seconds since the epoch as `2026-01-31 12:00:00Z`."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):  # what another node says may be no time
        return "at no time that a calendar has"


def _bars() -> "Progress":
    from rich.console import Console  # takes 70 ms, which a pipe does not need
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _draw(columns: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool]) -> None:
    """Columns side by side if every word fits whole, since names and versions are there to be copied; otherwise one row
    below the other."""
    most = shutil.get_terminal_size().columns
    if _full_width([columns, *rows]) > most:
        columns, rows, numeric = _without_empty(columns, rows, numeric)
    widths = _widths([columns, *rows], most)
    if widths is None:
        return _stack(columns, rows)
    for text in _wrapped(columns, widths, numeric):
        click.secho(text, bold=True)
    click.echo("─" * (sum(widths) + COLUMN_GAP * (len(widths) - 1)))
    for row in rows:
        for text in _wrapped(row, widths, numeric):
            click.echo(text)
    return None


def _full_width(rows: Sequence[Sequence[str]]) -> int:
    """Characters of the widest line if nothing wraps."""
    columns = list(zip(*rows, strict=True))
    return sum(max(map(len, column)) for column in columns) + COLUMN_GAP * (len(columns) - 1)


def _without_empty(
    columns: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool]
) -> tuple[Sequence[str], Sequence[Sequence[str]], Sequence[bool]]:
    """Without the columns that have no value in any row."""
    kept = [at for at, column in enumerate(zip(*rows, strict=True)) if set(column) != {NOTHING}]
    return [columns[at] for at in kept], [[row[at] for at in kept] for row in rows], [numeric[at] for at in kept]


def _widths(rows: Sequence[Sequence[str]], most: int) -> list[int] | None:
    """Of each column, in characters: at least its longest word, together at most `most`. Only in the last column may
    longer words, such as addresses and digests, run over the edge. None: the terminal is too narrow."""
    columns = list(zip(*rows, strict=True))
    widths = [max(len(word) for text in column for word in ["", *text.split()]) for column in columns]
    left = most - sum(widths) - COLUMN_GAP * (len(widths) - 1)
    if left < 0:
        widths[-1] += left
        return widths if widths[-1] >= LAST_LEAST else None
    wanted = [max(map(len, column)) - width for column, width in zip(columns, widths, strict=True)]
    for at in sorted(range(len(columns)), key=wanted.__getitem__):  # so that the fewest columns wrap
        more = min(left, wanted[at])
        widths[at], left = widths[at] + more, left - more
    return widths


def _wrapped(row: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> Iterator[str]:
    """The lines of one row."""
    cells = [_lines(text, width) for text, width in zip(row, widths, strict=True)]
    for parts in zip_longest(*cells, fillvalue=""):
        aligned = (p.rjust(w) if right else p.ljust(w) for p, w, right in zip(parts, widths, numeric, strict=True))
        yield (" " * COLUMN_GAP).join(aligned).rstrip()


def _lines(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) if len(text) > width else [text]


def _stack(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    for at, row in enumerate(rows):
        if at:
            line("")
        fields(list(zip(columns, row, strict=True)))
