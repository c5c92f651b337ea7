"""`edge token`: access to the control API for machines. A secret is shown once, when it is made."""

from base64 import b64decode
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import click

from edge.cli.people.scoping import ROLES_HELP, note_absent, scope_words, scoped
from edge.cli.terminal.client import ControlClient, parse_address
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, line, moment, note, table
from edge.config import is_loopback
from edge.domain.schedule.durations import parse_duration

KEY_SET_KEY = "keys/writers.json"


@click.group()
def token() -> None:
    """Create, list, rotate and revoke access tokens."""


@token.command(epilog=ROLES_HELP, short_help="Create a token called NAME.")
@click.argument("name")
@click.option(
    "--role",
    required=True,
    metavar="ROLE",
    help="What it may do: a role of `edge role list`. An uploader publishes bundles but cannot offer them, for CI; a "
    "releaser can do both; a reporter states outcomes; a node follows this one.",
)
@scoped
@click.option("--for", "lifetime", metavar="DURATION", help="Lifetime, such as 90d; default: until it is revoked.")
@click.option(
    "--from", "networks", multiple=True, metavar="NETWORK", help="Only from here, such as 10.0.0.0/8; may be repeated."
)
@with_api
def create(
    client: ControlClient,
    out: Output,
    name: str,
    role: str,
    scopes: list[str],
    lifetime: str | None,
    networks: tuple[str, ...],
) -> None:
    """Create a token called NAME, for everything or for what --org, --app and --channel name. Only the token itself
    goes to stdout; for a node, standard error has the command that makes it follow this one."""
    asked: dict[str, Any] = {"name": name, "role": role, "app": _only_app(scopes)}
    asked["lifetime_seconds"] = parse_duration(lifetime) if lifetime is not None else None
    # What older nodes do not know is only sent where it is asked for.
    asked |= {"scopes": scopes} if scopes and asked["app"] is None else {}
    asked |= {"networks": list(networks)} if networks else {}
    made = client.post("/v1/tokens", asked)
    if made["role"] == "node":
        made["join"] = _join_command(client, made["token"])

    def print_text() -> None:
        where = ",".join(map(scope_words, scopes))
        until = f", until {moment(made['expires'])}" if made["expires"] else ""
        places = f", from {', '.join(networks)}" if networks else ""
        note(f"token {made['name']} ({made['role']}{where}{places}{until}); it is not shown again:")
        line(made["token"])
        note_absent(made)
        if "join" in made:
            note("on the node's machine, with its region for REGION, and for THIS-NODE this machine's name:")
            note(made["join"])
            if made["join"].startswith("edge join http://"):
                note(
                    "over http:// that is refused from another machine: give this node TLS first (config/origin.toml),"
                )
                note("or add --insecure within a network of your own")

    out.result(made, print_text)


def _only_app(scopes: list[str]) -> str | None:
    """The app, if that is all; older nodes know tokens of one app."""
    kind, _, app = scopes[0].partition(":") if len(scopes) == 1 else ("", "", "")
    return app if kind == "app" and "/" not in app else None


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
            _where(each) + _lessened(each),
            ", ".join(each.get("networks", ())),
            _day(each["created"]),
            each["by"],
            _ends(each),
            _day(each["last_used"]) if each["last_used"] else "never",
        ]
        for each in tokens
    ]
    columns = ("name", "role", "for", "from", "created", "by", "expires", "last used")
    out.result(tokens, lambda: table(columns, rows, "no tokens"))


def _where(view: dict[str, Any]) -> str:
    scopes = view.get("scopes") or ([f"app:{view['app']}"] if view["app"] else [])
    return ", ".join(scope for scope in scopes if scope != "everything")


def _lessened(view: dict[str, Any]) -> str:
    """What is not given any more, as the person may less in whose hands it is."""
    gives = view.get("gives", "all")
    return "" if gives == "all" else f" ({gives}, as {view['person']} may)"


def _ends(view: dict[str, Any]) -> str:
    ends = moment(view["expires"]) if view["expires"] else "never"
    former = view.get("former_until")
    return f"{ends}; former secret {moment(former)}" if former else ends


@token.command(short_help="Give the token NAME a new secret.")
@click.argument("name")
@click.option(
    "--keep",
    default="24h",
    show_default=True,
    metavar="DURATION",
    help="How long the secret so far still works; 0s, if somebody else may have it.",
)
@with_api
def rotate(client: ControlClient, out: Output, name: str, keep: str) -> None:
    """Give the token called NAME a new secret, and its lifetime anew. For as long as --keep says, the former secret
    works, too: whoever uses it can change over. Only the new secret goes to stdout."""
    made = client.post(f"/v1/tokens/{quote(name, safe='')}/rotate", {"keep_seconds": parse_duration(keep)})

    def print_text() -> None:
        former = f"the former one works until {moment(made['former_until'])}" if made["former_until"] else "alone works"
        until = f", it expires {moment(made['expires'])}" if made["expires"] else ""
        note(f"token {made['name']}: {former}{until}; the new one is not shown again:")
        line(made["token"])

    out.result(made, print_text)


@token.command()
@click.argument("name")
@with_api
def revoke(client: ControlClient, out: Output, name: str) -> None:
    """Revoke the token called NAME at once, and its former secret."""
    gone = client.delete(f"/v1/tokens/{quote(name, safe='')}")
    out.result(gone, lambda: line(f"revoked token {gone['name']}"))


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"
