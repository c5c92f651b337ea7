"""What a verb says: JSON for machines, or tables, fields and a progress bar for people.

Results go to stdout, everything else to stderr. Tables are drawn and bars move on a terminal only; in a pipe a table is
plain aligned text. Words from outside are stripped of control characters: a comment must not drive a terminal.
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

if TYPE_CHECKING:
    from rich.progress import Progress

Advance = Callable[[int], None]
ReachStage = Callable[[str, int, int], None]

_UNITS = ("B", "kB", "MB", "GB")
_STEP = 1_000
COLUMN_GAP = 2  # characters between drawn columns


class Output:
    """Where a verb's result goes; `as_json` is its `--json`."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def result(self, value: Any, tell: Callable[[], None]) -> None:
        """The verb's one result: `value` as one JSON document, or whatever `tell` prints for a person."""
        if self.as_json:
            click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2))
        else:
            tell()


def line(text: str) -> None:
    click.echo(plain(text))


def labelled(label: str, text: str) -> None:
    """`label  text`; on a terminal long text goes on below itself, and no word is broken: it may be copied."""
    first, shown = f"{label}  ", plain(text)
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        rest = " " * len(first)
        shown = textwrap.fill(
            shown, width, initial_indent=rest, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
        ).lstrip()
    click.echo(first + shown)


def note(text: str) -> None:
    """For the person at the terminal, beside the result."""
    click.echo(plain(text), err=True)


def fields(pairs: Sequence[tuple[str, Any]]) -> None:
    """`name   value` lines; a value of None is left out."""
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        if value is not None:
            labelled(f"{name:<{width}}", cell(value))


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]], empty: str) -> None:
    """Rows under their columns, or the sentence `empty`. Numbers stand to the right."""
    if not rows:
        return line(empty)
    numeric = [
        all(isinstance(row[i], int) and not isinstance(row[i], bool) for row in rows) for i in range(len(columns))
    ]
    cells = [[cell(value) for value in row] for row in rows]
    if sys.stdout.isatty():
        return _draw(columns, cells, numeric)
    widths = [max(len(text) for text in column) for column in zip(columns, *cells, strict=True)]
    for row in [[name.upper() for name in columns], *cells]:
        aligned = (t.rjust(w) if right else t.ljust(w) for t, w, right in zip(row, widths, numeric, strict=True))
        line("  ".join(aligned).rstrip())
    return None


@contextmanager
def progress(what: str, total_bytes: int | None) -> Iterator[Advance]:
    """A bar on stderr if that is a terminal, else a line now and then; what it gives is told the bytes just done, from
    any thread. A bar without a total shows that it moves.
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
    """A bar for each stage of a longer work, likewise; it is told a stage's name, bytes done, and bytes in all."""
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
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(cell(each) for each in value) or "-"
        case _:
            return plain(str(value))


def plain(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def size(count_bytes: float) -> str:
    """`3.2 MB`, in powers of 1000."""
    if count_bytes < _STEP:
        return f"{count_bytes:.0f} B"
    for unit in _UNITS[1:]:
        count_bytes /= _STEP
        if count_bytes < _STEP or unit == _UNITS[-1]:
            break
    return f"{count_bytes:.1f} {unit}"


def counted(n: int, noun: str, plural: str = "") -> str:
    """`1 file`, `2 files`; a `plural` that is not made with an s is given."""
    return f"{n} {noun if n == 1 else plural or f'{noun}s'}"


def moment(seconds: float) -> str:
    """Seconds since the epoch as `2026-01-31 12:00:00Z`."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%SZ}"


def _bars() -> "Progress":
    from rich.console import Console  # 70 ms that a pipe does not pay
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _draw(columns: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool]) -> None:
    """Columns side by side where every word fits whole, because names and versions are there to be copied; otherwise
    one row below the other."""
    widths = _widths([columns, *rows], shutil.get_terminal_size().columns)
    if widths is None:
        return _stack(columns, rows)
    for text in _wrapped(columns, widths, numeric):
        click.secho(text, bold=True)
    click.echo("─" * (sum(widths) + COLUMN_GAP * (len(widths) - 1)))
    for row in rows:
        for text in _wrapped(row, widths, numeric):
            click.echo(text)
    return None


def _widths(rows: Sequence[Sequence[str]], most: int) -> list[int] | None:
    """Of each column, in characters, at least its longest word and together at most `most`; None: that is too few."""
    columns = list(zip(*rows, strict=True))
    widths = [max(len(word) for text in column for word in ["", *text.split()]) for column in columns]
    left = most - sum(widths) - COLUMN_GAP * (len(widths) - 1)
    if left < 0:
        return None
    for at, column in enumerate(columns):  # the first columns name things: they get what they want first
        more = min(left, max(map(len, column)) - widths[at])
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
    for row in rows:
        fields(list(zip(columns, row, strict=True)))
        line("")
