"""`edge stats`: the events that devices reported, counted per bundle."""

from collections import Counter
from typing import Any

import click

from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, line, table


@click.command()
@click.argument("app")
@with_api
def stats(client: ControlClient, out: Output, app: str) -> None:
    """Count the events that devices of APP reported, by bundle and action.

    A report that a device repeats within an hour counts once. The withheld_... rows count the devices that a bundle is
    withheld from, by the event they reported.
    """
    found = client.get(app_path(app, "stats"))
    counts: Counter[tuple[str, str]] = Counter()
    for each in found["counts"]:
        counts[each["bundle"], each["action"]] += each["n"]
    rows = [[bundle, action, n] for (bundle, action), n in sorted(counts.items())]
    out.result(found, lambda: _show(rows, found["duplicates"]))


def _show(rows: list[list[Any]], duplicates: int) -> None:
    table(("bundle", "action", "events"), rows, "no events yet")
    if duplicates:
        line("1 duplicate was not counted" if duplicates == 1 else f"{duplicates} duplicates were not counted")
