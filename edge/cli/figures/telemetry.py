"""`edge telemetry export|audit`: what devices sent, as the node keeps it, and whether it is all accounted for."""

import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click

from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, counted, line, table
from edge.cli.terminal.private_file import fetch_privately
from edge.domain.schedule.durations import parse_duration

FORMATS = ["ndjson", "parquet"]


@click.group()
def telemetry() -> None:
    """Export and audit what devices sent."""


@telemetry.command(short_help="Export the raw events of an app.")
@click.argument("app")
@click.option("--since", metavar="TIME", default="24h", show_default=True, help="What came in this time, as 2h or 3d.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="ndjson", show_default=True, help="Of the file.")
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Not to stdout.")
@with_api
def export(client: ControlClient, out: Output, app: str, since: str, form: str, output: Path | None) -> None:
    """Export the events that devices of APP, its own code and other systems sent, one row each, to standard output.

    The node keeps them for telemetry.keep_days. The rows name devices: they are personal data where your law says so,
    and `edge device erase` reaches what the node keeps, not a file that you made.
    """
    query = urlencode({"within_seconds": max(int(parse_duration(since)), 1), "format": form})
    path = f"{app_path(app, 'telemetry', 'export')}?{query}"
    if output is None:
        client.fetch_into(path, sys.stdout.buffer)
        sys.stdout.flush()
        return
    written = fetch_privately(client, path, output)
    out.result({"file": str(output), "bytes": written}, lambda: line(f"{output}: {counted(written, 'byte')}"))


@telemetry.command(short_help="Check that all that was acknowledged is accounted for.")
@with_api
def audit(client: ControlClient, out: Output) -> None:
    """Recount what this node acknowledged, from its files, and compare it with what it counted.

    What was acknowledged is what was counted, what was a duplicate, and what a named limit dropped: exactly, or the
    differences are listed and the exit code is 1. Reads all that is kept, which takes a minute for some gigabytes.

    KIND is what was counted: event (reports of plugins, and the node's own notes), check, delivery (downloads), used
    (events of apps' own code, POST /events), outcome. DROPPED BY names the limits that dropped something.
    """
    found = client.get("/v1/telemetry/audit")
    out.result(found, lambda: _show_audit(found))
    if not found["exact"]:
        raise click.exceptions.Exit(1)


def _show_audit(found: dict[str, Any]) -> None:
    rows = [
        [
            *(each["kind"], each["acknowledged"], each["counted"], each["duplicates"], sum(each["dropped"].values())),
            *(each["waiting"], ", ".join(f"{limit} {n}" for limit, n in each["dropped"].items())),
        ]
        for each in found["kinds"]
    ]
    table(("kind", "acknowledged", "counted", "duplicates", "dropped", "waiting", "dropped by"), rows, "nothing yet")
    if len(found["nodes"]) > 1:
        table(("region", "node", "acknowledged", "accounted for"), [_of_node(each) for each in found["nodes"]], "")
    if found["lost_places"]:
        line(f"{counted(found['lost_places'], 'place')} of {counted(found['lost_bytes'], 'byte')} cannot be read")
    if found["devices_beyond_limit"]:
        line(
            f"{counted(found['devices_beyond_limit'], 'time')} a device found no room for a row: counted in sums alone"
        )
    if found["groups_beyond_limit"]:
        line(
            f"{counted(found['groups_beyond_limit'], 'time')} a kind of device found no room with all its labels: "
            "counted without segments, side or arm"
        )
    if any(each["before"] for each in found["kinds"]):
        line(f"{sum(each['before'] for each in found['kinds'])} of these were counted before there was an audit")
    for each in found["differences"]:
        why = f" ({each['why']})" if each["why"] else ""
        line(f"{each['segment']}: {each['acknowledged']} of {each['kind']}, {each['accounted']} accounted for{why}")
    line("it adds up" if found["exact"] else "it does not add up")


def _of_node(each: dict[str, Any]) -> list[Any]:
    return [each["region"], each["name"] or each["node"] or "before", each["acknowledged"], each["accounted"]]
