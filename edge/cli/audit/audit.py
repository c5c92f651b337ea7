"""`edge audit`: list the audit, and export it with a signature."""

import functools
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import click

from edge.cli.audit.checking import verify
from edge.cli.audit.spreadsheet import write_rows
from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, counted, line, moment, note, table
from edge.cli.terminal.private_file import fetch_privately
from edge.cli.terminal.times import parse_time

LIMIT_DEFAULT = 50
PAGE = 500
LIMIT_MOST = 1_000_000

F = TypeVar("F", bound=Callable[..., Any])

_FILTERS = (
    click.option("--since", metavar="TIME", help="From this time on: 7d, 2026-11-01 or 2026-11-01T09:00 (UTC)."),
    click.option("--until", metavar="TIME", help="Before this time."),
    click.option("--who", metavar="NAME", default="", help="Only what this token or person did."),
    click.option(
        "--what",
        metavar="WORDS",
        default="",
        help="Only these, separated by commas: kinds (change, access, login, logout, export, erasure, audit, node, "
        "read), operations or words of them (freeze, message, set_channel), codes, outcomes.",
    ),
    click.option("--app", metavar="APP", help="Only what concerns this app."),
    click.option("--refused", is_flag=True, help="Only what was refused, failed or was cut off."),
)


def _with_filters(command: F) -> F:
    """The command gets `query`, the filters' part of an address, and `app`."""

    @functools.wraps(command)
    def run(*args: Any, since: str | None, until: str | None, who: str, what: str, refused: bool, **kwargs: Any) -> Any:
        now = time.time()
        times = {"since_ms": since, "until_ms": until}
        query = {name: str(max(int(parse_time(text, now) * 1000), 0)) for name, text in times.items() if text}
        query |= {name: text for name, text in (("who", who), ("what", what)) if text}
        query |= {"refused": "true"} if refused else {}
        return command(*args, query=query, **kwargs)

    for option in reversed(_FILTERS):
        run = option(run)
    return run  # type: ignore[return-value]


def _alone(command: F) -> F:
    """For a group that does something by itself: not if a verb of it is given."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        return None if click.get_current_context().invoked_subcommand else command(*args, **kwargs)

    return run  # type: ignore[return-value]


@click.group(invoke_without_command=True)
@_alone
@_with_filters
@click.option("--limit", type=click.IntRange(1, LIMIT_MOST), metavar="N", default=LIMIT_DEFAULT, show_default=True)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of text.")
@with_api
def audit(client: ControlClient, out: Output, query: dict[str, str], app: str | None, limit: int, as_csv: bool) -> None:
    """List, export and verify who did, tried or read what."""
    pages = _pages(client, app, query, limit)
    if as_csv:
        for number, page in enumerate(pages):
            write_rows(sys.stdout, page, head=number == 0)
        return
    entries = [each for page in pages for each in page]
    out.result(entries, lambda: _print_text(entries, limit, filtered=bool(query or app)))


def _pages(client: ControlClient, app: str | None, query: dict[str, str], limit: int) -> Iterator[list[dict[str, Any]]]:
    """At least one, which may be empty. A page may have less than was asked for, and a next one."""
    cursor, left = "", limit
    while True:
        asked = query | {"limit": str(min(left, PAGE))} | ({"cursor": cursor} if cursor else {})
        answer = client.get(f"{_path(app)}?{urlencode(asked)}")
        yield answer["entries"]
        left, cursor = left - len(answer["entries"]), answer["next_page"]
        if not cursor or left <= 0:
            if answer["unmerged_apps"]:
                note(f"there are {answer['unmerged_apps']} apps: what other nodes changed in one is listed with --app")
            return


def _path(app: str | None, *parts: str) -> str:
    return app_path(app, "audit", *parts) if app else "/".join(("/v1/audit", *parts))


def _print_text(entries: list[dict[str, Any]], limit: int, *, filtered: bool) -> None:
    rows = [
        [
            *(moment(each["at"]), each["who"] or "-", each["address"], each["operation"], _outcome(each), each["app"]),
            _about(each),
        ]
        for each in entries
    ]
    empty = "nothing recorded matches: edge audit alone lists the newest" if filtered else "nothing is recorded yet"
    table(("when", "who", "from", "what", "outcome", "app", "about"), rows, empty)
    if len(entries) == limit:
        note("for older ones: --until, or a higher --limit")


def _about(entry: dict[str, Any]) -> str:
    """What the revision says, and of the record what is not said there."""
    summary = entry["summary"]
    if not summary:
        return str(entry["target"])
    more = [word for word in entry["target"].split() if word not in summary]
    return " ".join([f"r{entry['revision']}: {summary}", *more])


def _outcome(entry: dict[str, Any]) -> str:
    said = f"{entry['outcome']} ({entry['code']})" if entry["code"] else entry["outcome"]
    if entry["count"] > 1:
        return f"{said}, {entry['count']} times since {moment(entry['since'])}"
    return f"{said}, of {moment(entry['since'])}" if entry["since"] else said  # recorded later than it happened


@audit.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_with_filters
@with_api
def export(client: ControlClient, out: Output, file: Path, query: dict[str, str], app: str | None) -> None:
    """Write a signed copy to FILE, as lines of JSON, newest first. `edge audit verify FILE` checks it anywhere.

    It names people and addresses: it is personal data where your law says so.
    """
    path = _path(app, "export") + (f"?{urlencode(query)}" if query else "")
    written = fetch_privately(client, path, file)
    out.result({"file": str(file), "bytes": written}, lambda: line(f"{file}: {counted(written, 'byte')}"))


audit.add_command(verify)
