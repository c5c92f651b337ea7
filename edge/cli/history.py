"""`edge history`: the chain of an app's revisions, which is its audit trail."""

import click

from edge.cli.client import Client, app_path
from edge.cli.options import with_api
from edge.cli.output import Output, moment, table

LIMIT_DEFAULT = 50
LIMIT_MOST = 1_000  # each revision is a document of its own to fetch


@click.command()
@click.argument("app")
@click.option("--limit", type=click.IntRange(1, LIMIT_MOST), default=LIMIT_DEFAULT, show_default=True, help="How many.")
@with_api
def history(client: Client, out: Output, app: str, limit: int) -> None:
    """List the revisions of APP, newest first: number, when, who, and which command."""
    revisions = client.get(f"{app_path(app, 'history')}?limit={limit}")
    rows = [[each["revision"], moment(each["at"]), each["by"], each["kind"], each["summary"]] for each in revisions]
    out.result(revisions, lambda: table(("revision", "when", "by", "command", "about"), rows, "no revisions"))
