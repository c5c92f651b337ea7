"""`edge telemetry export`: what devices sent, as the node keeps it."""

import sys
from pathlib import Path
from urllib.parse import urlencode

import click

from edge.cli.terminal.client import ControlClient, app_path
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, counted, line
from edge.domain.schedule.durations import parse_duration

FORMATS = ["ndjson", "parquet"]


@click.group()
def telemetry() -> None:
    """Export what devices sent."""


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
    written = _write(client, path, output)
    out.result({"file": str(output), "bytes": written}, lambda: line(f"{output}: {counted(written, 'byte')}"))


def _write(client: ControlClient, path: str, output: Path) -> int:
    """Under another name until it is whole."""
    unfinished = output.with_name(f"{output.name}.part")
    try:
        with unfinished.open("wb") as file:
            written = client.fetch_into(path, file)
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)
    return written
