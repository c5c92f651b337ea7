"""`edge token`: access to the control port. A token is shown once, when it is made."""

from urllib.parse import quote

import click

from edge.cli.client import Client
from edge.cli.options import with_api
from edge.cli.output import Output, line, moment, note, table

ROLES = ("admin", "publisher", "reader", "node")


@click.group()
def token() -> None:
    """Make and revoke access tokens."""


@token.command()
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), required=True, help="What the token is good for.")
@click.option("--app", help="The only app that a publisher or reader may touch.")
@with_api
def create(client: Client, out: Output, name: str, role: str, app: str | None) -> None:
    """Make a token called NAME. Only the token itself goes to stdout."""
    made = client.post("/v1/tokens", {"name": name, "role": role, "app": app})

    def tell() -> None:
        scope = f" for {made['app']}" if made["app"] else ""
        note(f"token {made['name']} ({made['role']}{scope}); it is not shown again:")
        line(made["token"])

    out.result(made, tell)


@token.command("list")
@with_api
def list_tokens(client: Client, out: Output) -> None:
    """List the tokens, never their secrets."""
    tokens = client.get("/v1/tokens")
    rows = [[each["name"], each["role"], each["app"], moment(each["created"]), each["by"]] for each in tokens]
    out.result(tokens, lambda: table(("name", "role", "app", "created", "by"), rows, "no tokens"))


@token.command()
@click.argument("name")
@with_api
def revoke(client: Client, out: Output, name: str) -> None:
    """Make the token called NAME worthless, at once."""
    gone = client.delete(f"/v1/tokens/{quote(name, safe='')}")
    out.result(gone, lambda: line(f"revoked token {gone['name']}"))
