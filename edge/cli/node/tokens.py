"""`edge token`: access to the control API. A token is shown once, when it is created."""

from datetime import UTC, datetime
from urllib.parse import quote

import click

from edge.cli.terminal.client import ControlClient
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, line, moment, note, table
from edge.domain.schedule.durations import parse_duration

ROLES = ("admin", "publisher", "uploader", "reader", "reporter", "node")


@click.group()
def token() -> None:
    """Create, list and revoke access tokens."""


@token.command()
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(ROLES),
    required=True,
    help="What it may do. An uploader publishes bundles but cannot offer them; a publisher can do both; a reporter "
    "states outcomes.",
)
@click.option("--app", metavar="APP", help="Limit a publisher, uploader, reader or reporter to this app.")
@click.option("--for", "lifetime", metavar="DURATION", help="Lifetime, such as 90d; default: until it is revoked.")
@with_api
def create(client: ControlClient, out: Output, name: str, role: str, app: str | None, lifetime: str | None) -> None:
    """Create a token called NAME. Only the token itself goes to stdout."""
    seconds = parse_duration(lifetime) if lifetime is not None else None
    made = client.post("/v1/tokens", {"name": name, "role": role, "app": app, "lifetime_seconds": seconds})

    def print_text() -> None:
        scope = f" for {made['app']}" if made["app"] else ""
        until = f", until {moment(made['expires'])}" if made["expires"] else ""
        note(f"token {made['name']} ({made['role']}{scope}{until}); it is not shown again:")
        line(made["token"])

    out.result(made, print_text)


@token.command("list")
@with_api
def list_tokens(client: ControlClient, out: Output) -> None:
    """List the tokens, without their secrets. LAST USED is a day in UTC."""
    tokens = client.get("/v1/tokens")
    rows = [
        [
            each["name"],
            each["role"],
            each["app"],
            _day(each["created"]),
            each["by"],
            moment(each["expires"]) if each["expires"] else "never",
            _day(each["last_used"]) if each["last_used"] else "never",
        ]
        for each in tokens
    ]
    columns = ("name", "role", "app", "created", "by", "expires", "last used")
    out.result(tokens, lambda: table(columns, rows, "no tokens"))


@token.command()
@click.argument("name")
@with_api
def revoke(client: ControlClient, out: Output, name: str) -> None:
    """Revoke the token called NAME at once."""
    gone = client.delete(f"/v1/tokens/{quote(name, safe='')}")
    out.result(gone, lambda: line(f"revoked token {gone['name']}"))


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
