"""`edge outcome`: what came of devices elsewhere, from files of other systems."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import Any

import click

from edge.cli.figures.outcome_rows import OutcomeRow, RowFault, read_rows
from edge.cli.terminal.client import ControlClient, RequestRefused, Unreachable, app_path
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, line, note
from edge.control.shapes.outcomes import OUTCOMES_BATCH_LIMIT
from edge.domain.errors import EdgeError, Invalid, Unavailable

FAULTS_SHOWN = 20  # one mistake in a query is in every row
ATTEMPTS = (
    9  # at a batch that the node cannot store now, over four minutes: it counts what it holds, and frees the room
)
FIRST_PAUSE_SECONDS = 1.0

Send = Callable[[list[dict[str, Any]]], object]


@click.group()
def outcome() -> None:
    """Import what came of devices, such as support tickets."""


@outcome.command("import", short_help="Import a CSV file with outcomes.")
@click.argument("app")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--name", default="", metavar="NAME", help="Name of the outcomes in rows without one.")
@click.option("--from-line", default=1, metavar="LINE", type=click.IntRange(1), help="Go on from this line.")
@click.option("--dry-run", is_flag=True, help="Check every row, and send none.")
@with_api
def import_outcomes(
    client: ControlClient, out: Output, app: str, file: Path, name: str, from_line: int, dry_run: bool
) -> None:
    """Import FILE.csv with outcomes of devices of APP: one row for each ticket, rating or payment.

    The first line names the columns: name (what happened: ticket), device (a device id) or custom_id, time
    (2026-11-27T10:00:00Z, or seconds since the epoch; at most 90 days ago), value (a number, summed; may be empty) and
    id (of the ticket: a row with the same name and id counts once, however often it is imported).

    All rows are checked first, and nothing is sent if one is wrong. A file that has stopped half-way can be imported
    again, or from the line that was told.
    """
    now = time.time()
    rows = _check(file, now, name, from_line)
    if not dry_run:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            found = (row for row in read_rows(opened, now, name) if isinstance(row, OutcomeRow))
            send_rows(
                (row for row in found if row.line >= from_line),
                lambda batch: client.post(app_path(app, "outcomes"), {"outcomes": batch}),
                time.sleep,
            )
    told = {"app": app, "rows": rows, "stored": 0 if dry_run else rows, "dry_run": dry_run}
    out.result(told, lambda: line(f"{rows} outcomes {'are in order; none was sent' if dry_run else 'stored'}"))


def send_rows(rows: Iterable[OutcomeRow], send: Send, pause: Callable[[float], None]) -> None:
    """Send all rows in batches. `pause` waits for seconds before a batch is sent again. Raises what `send` raises, with
    the line to go on from."""
    left = iter(rows)
    while batch := list(islice(left, OUTCOMES_BATCH_LIMIT)):
        first = batch[0].line
        try:
            _send_batch([row.outcome for row in batch], send, pause)
        except EdgeError as error:
            told = f"{error.message}; what is before line {first} is stored: go on with --from-line {first}"
            raise Unavailable(error.code, told) from error


def _send_batch(outcomes: list[dict[str, Any]], send: Send, pause: Callable[[float], None]) -> None:
    for attempt in range(1, ATTEMPTS):
        try:
            send(outcomes)
        except Unreachable:
            pass
        except RequestRefused as refusal:
            if refusal.answered != HTTPStatus.SERVICE_UNAVAILABLE:
                raise
        else:
            return
        pause(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
    send(outcomes)


def _check(file: Path, now: float, name: str, from_line: int) -> int:
    """How many rows there are. Raises Invalid `invalid_rows` if any is wrong, after naming the first ones."""
    counts: Counter[str] = Counter()
    with file.open(encoding="utf-8-sig", newline="") as opened:
        for row in read_rows(opened, now, name):
            if row.line < from_line:
                continue
            counts["rows"] += 1
            if isinstance(row, RowFault):
                counts["wrong"] += 1
                if counts["wrong"] <= FAULTS_SHOWN:
                    note(f"line {row.line}, column {row.column}: {row.message}")
    if counts["wrong"]:
        raise Invalid("invalid_rows", f"{counts['wrong']} of {counts['rows']} rows are wrong; nothing was sent")
    return counts["rows"]
