"""Which files of a folder or zip are published: the options, and the output lines about files left out."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from edge.bundles.sources.selection import IGNORE_FILE, IGNORE_LIMIT_BYTES, LeftOut, Selection, build_selection
from edge.cli.terminal.output import counted

F = TypeVar("F", bound=Callable[..., Any])

SHOWN = 3  # names printed per rule

_exclude = click.option(
    "--exclude",
    multiple=True,
    metavar="GLOB",
    help=f"Leave out these files, as a line in {IGNORE_FILE} does; repeatable.",
)
_include = click.option(
    "--include",
    multiple=True,
    metavar="NAME",
    help="Publish this file even if it would be left out or refused; repeatable.",
)


def with_selection(command: F) -> F:
    """Adds --exclude and --include; the command gets both as a Selection called `selection`.

    A caller may pass the folder whose .edgeignore counts as `ignore_folder` (default: the working directory), and what
    edge.json includes as `include_by_file`.
    """

    @_exclude
    @_include
    @functools.wraps(command)
    def run(
        *args: Any,
        exclude: tuple[str, ...],
        include: tuple[str, ...],
        ignore_folder: Path = Path(),
        include_by_file: tuple[str, ...] = (),
        **kwargs: Any,
    ) -> Any:
        selection = read_selection(exclude, include, ignore_folder, include_by_file)
        return command(*args, selection=selection, **kwargs)

    return run  # type: ignore[return-value]


def read_selection(
    exclude: Sequence[str], include: Sequence[str], folder: Path, include_by_file: Sequence[str] = ()
) -> Selection:
    """The selection of the options, edge.json and the .edgeignore in `folder`. Raises what `build_selection` raises."""
    try:
        with (folder / IGNORE_FILE).open("rb") as file:
            content = file.read(IGNORE_LIMIT_BYTES + 1)
    except FileNotFoundError:
        content = b""
    return build_selection(exclude, include, content, include_by_file)


def left_out_lines(left_out: Sequence[LeftOut]) -> list[str]:
    """`left out: *.js.map (12 matches: a.js.map, b.js.map, c.js.map, ...)`, one line per rule."""
    by_rule: dict[str, list[str]] = {}
    for each in left_out:
        by_rule.setdefault(each.rule, []).append(each.name)
    return [f"left out: {_told(rule, names)}" for rule, names in sorted(by_rule.items())]


def _told(rule: str, names: list[str]) -> str:
    if names in ([rule], [f"{rule}/"]):
        return names[0]
    more = ", ..." if len(names) > SHOWN else ""
    return f"{rule} ({counted(len(names), 'match', 'matches')}: {', '.join(names[:SHOWN])}{more})"
