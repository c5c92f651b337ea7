"""`edge outcome`: what came of devices elsewhere, from files of other systems."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import click

from edge.cli.figures.outcome_rows import OutcomeRow, RowFault, read_rows
from edge.cli.terminal.client import ControlClient, RequestRefused, Unreachable, app_path
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, counted, line, note
from edge.control.shapes.outcomes import OUTCOMES_BATCH_LIMIT
from edge.domain.errors import EdgeError, Invalid, Unavailable

FAULTS_SHOWN = 20  # one mistake in a query is in every row
ATTEMPTS = (
    9  # at a batch that the node cannot store now, over four minutes: it counts what it holds, and frees the room
)
FIRST_PAUSE_SECONDS = 1.0
NAMES_SHOWN = 200  # characters of columns that are passed over

Send = Callable[[list[dict[str, Any]]], dict[str, Any]]


class SentOutcomes(NamedTuple):
    """As the answers of the node have it, of all batches; None: it could not tell."""

    stored: int = 0
    repeated: int | None = 0
    unmatched: int | None = 0


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
    id (of the ticket: a row with the same name and id counts once, however often it is imported). Other columns are
    passed over.

    All rows are checked first, and nothing is sent if one is wrong. An import that stops half-way says from which line
    to go on; to import the whole file again does no harm.
    """
    now = time.time()
    rows = _check(file, now, name, from_line)
    sent = SentOutcomes()
    if not dry_run:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            found = (row for row in read_rows(opened, now, name) if isinstance(row, OutcomeRow))
            sent = send_rows(
                (row for row in found if row.line >= from_line),
                lambda batch: client.post(app_path(app, "outcomes"), {"outcomes": batch}),
                time.sleep,
            )
    told = {"app": app, "rows": rows, **sent._asdict(), "dry_run": dry_run}
    out.result(told, lambda: _show(rows, None if dry_run else sent))


def _show(rows: int, sent: SentOutcomes | None) -> None:
    if sent is None:
        line(f"{counted(rows, 'outcome')} {'is' if rows == 1 else 'are'} in order; none was sent")
        return
    known = f", {sent.repeated} known already" if sent.repeated else ""
    line(f"{counted(sent.stored, 'outcome')} stored{known}")
    if sent.repeated is None:
        note("how many of them are new, and of devices that the node knows, cannot be told: its figures did not answer")
    if sent.unmatched:
        which = "1 of them is" if sent.unmatched == 1 else f"{sent.unmatched} of them are"
        note(
            f"{which} of no device that this node has heard of, and so in no rate: "
            "see that the column has ids as `edge device list` shows them"
        )


def send_rows(rows: Iterable[OutcomeRow], send: Send, pause: Callable[[float], None]) -> SentOutcomes:
    """Send all rows in batches. `pause` waits for seconds before a batch is sent again. Raises what `send` raises, with
    the line to go on from if there is one."""
    left, sent = iter(rows), SentOutcomes()
    while batch := list(islice(left, OUTCOMES_BATCH_LIMIT)):
        try:
            answer = _send_batch([row.outcome for row in batch], send, pause)
        except EdgeError as error:
            if sent == SentOutcomes():
                raise
            first = batch[0].line
            told = f"{error.message}; what is before line {first} is stored: go on with --from-line {first}"
            raise Unavailable(error.code, told) from error
        sent = SentOutcomes(
            sent.stored + answer["stored"],
            _plus(sent.repeated, answer["repeated"]),
            _plus(sent.unmatched, answer["unmatched"]),
        )
    return sent


def _plus(so_far: int | None, more: int | None) -> int | None:
    return None if so_far is None or more is None else so_far + more


def _send_batch(outcomes: list[dict[str, Any]], send: Send, pause: Callable[[float], None]) -> dict[str, Any]:
    for attempt in range(1, ATTEMPTS):
        try:
            return send(outcomes)
        except Unreachable:
            pass
        except RequestRefused as refusal:
            if refusal.answered != HTTPStatus.SERVICE_UNAVAILABLE:
                raise
        pause(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
    return send(outcomes)


def _check(file: Path, now: float, name: str, from_line: int) -> int:
    """How many rows there are. Raises Invalid `invalid_rows` if any is wrong, after naming the first ones, and
    `no_rows` if there is none."""
    counts: Counter[str] = Counter()
    passed_over: list[str] = []
    last = 1
    with file.open(encoding="utf-8-sig", newline="") as opened:
        for row in read_rows(opened, now, name, passed_over):
            last = row.line
            if row.line < from_line:
                continue
            counts["rows"] += 1
            if isinstance(row, RowFault):
                counts["wrong"] += 1
                if counts["wrong"] <= FAULTS_SHOWN:
                    note(f"line {row.line}, column {row.column}: {row.message}")
    if counts["wrong"]:
        wrong, of = counts["wrong"], counted(counts["rows"], "row")
        raise Invalid("invalid_rows", f"{wrong} of {of} {'is' if wrong == 1 else 'are'} wrong; nothing was sent")
    if not counts["rows"]:
        rest = f"its last row is in line {last}" if last > 1 else "it has no rows below its first line"
        raise Invalid("no_rows", f"there is nothing to import from line {max(from_line, 2)} of {file} on: {rest}")
    if passed_over:
        note(f"passed over: {counted(len(passed_over), 'column')} ({', '.join(passed_over)[:NAMES_SHOWN]})")
    return counts["rows"]
