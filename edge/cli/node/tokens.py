"""`edge token`: access to the control API. A token is shown once, when it is created."""

from base64 import b64decode
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

import click

from edge.cli.terminal.client import ControlClient, parse_address
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, line, moment, note, table
from edge.config import is_loopback
from edge.control.access.roles import Role
from edge.domain.schedule.durations import parse_duration

KEY_SET_KEY = "keys/writers.json"
ROLES = tuple(role.value for role in Role)


@click.group()
def token() -> None:
    """Create, list and revoke access tokens."""


@token.command()
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice(ROLES),
    required=True,
    help="What it may do. An uploader publishes bundles but cannot offer them; a releaser can do both; a reporter "
    "states outcomes.",
)
@click.option("--app", metavar="APP", help="Limit it to this app; not for an admin or a node.")
@click.option("--for", "lifetime", metavar="DURATION", help="Lifetime, such as 90d; default: until it is revoked.")
@with_api
def create(client: ControlClient, out: Output, name: str, role: str, app: str | None, lifetime: str | None) -> None:
    """Create a token called NAME. Only the token itself goes to stdout; for a node, standard error has the command that
    makes it follow this one."""
    seconds = parse_duration(lifetime) if lifetime is not None else None
    made = client.post("/v1/tokens", {"name": name, "role": role, "app": app, "lifetime_seconds": seconds})
    if made["role"] == "node":
        made["join"] = _join_command(client, made["token"])

    def print_text() -> None:
        scope = f" for {made['app']}" if made["app"] else ""
        until = f", until {moment(made['expires'])}" if made["expires"] else ""
        note(f"token {made['name']} ({made['role']}{scope}{until}); it is not shown again:")
        line(made["token"])
        if "join" in made:
            note("on the node's machine, with its region for REGION, and for THIS-NODE this machine's name:")
            note(made["join"])
            if made["join"].startswith("edge join http://"):
                note(
                    "over http:// that is refused from another machine: give this node TLS first (config/origin.toml),"
                )
                note("or add --insecure within a network of your own")

    out.result(made, print_text)


def _join_command(client: ControlClient, secret: str) -> str:
    """With the root of the store's key set pinned; a node's own address on loopback is no other machine's."""
    from edge.store.keys.key_document import peek_key_set  # imports cryptography, which --help does not need

    documents = client.post("/v1/feed/documents", {"known": {}})["documents"]
    content = next(each["content"] for each in documents if each["key"] == KEY_SET_KEY)
    host, port = parse_address(client.url)[:2]
    url = f"{urlsplit(client.url).scheme}://THIS-NODE:{port}" if is_loopback(host) else client.url
    root = peek_key_set(b64decode(content)).root
    return f"edge join {url} --token {secret} --region REGION --root {root}"


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
