"""`edge role`: what roles may do, and an installation's own ones; `edge whoami`."""

from typing import Any
from urllib.parse import quote

import click

from edge.cli.people.scoping import scope_words
from edge.cli.terminal.client import ControlClient
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, fields, line, moment, note, table
from edge.domain.errors import NotFound


@click.group()
def role() -> None:
    """See what roles may do, and make your own."""


@role.command("list")
@with_api
def list_roles(client: ControlClient, out: Output) -> None:
    """List the roles, and all permissions with the roles that have them."""
    found = client.get("/v1/permissions")
    roles = [[each["name"], "yes" if each["own"] else "", each["words"]] for each in found["roles"]]
    rows = [[each["name"], each["words"], ", ".join(_owners(found, each["name"]))] for each in found["permissions"]]

    def print_text() -> None:
        table(("role", "own", "whoever holds it"), roles, "")
        line("")
        table(("permission", "may", "roles"), rows, "")

    out.result(found, print_text)


def _owners(found: dict[str, Any], permission: str) -> list[str]:
    return [each["name"] for each in found["roles"] if permission in each["permissions"]]


@role.command()
@click.argument("name")
@with_api
def show(client: ControlClient, out: Output, name: str) -> None:
    """Show what the role NAME may do."""
    found = client.get("/v1/permissions")
    view = next((each for each in found["roles"] if each["name"] == name), None)
    if view is None:
        raise NotFound("unknown_role", f"unknown role {name!r}: see `edge role list`")
    rows = [[each["name"], each["words"]] for each in found["permissions"] if each["name"] in view["permissions"]]
    out.result(view, lambda: table(("permission", "may"), rows, "nothing"))


@role.command("set", short_help="Create or change the role NAME.")
@click.argument("name")
@click.option(
    "--permission",
    "permissions",
    multiple=True,
    required=True,
    metavar="NAME",
    help="One of its permissions.",
)
@click.option("--words", default="", metavar="TEXT", help="What it is for.")
@with_api
def set_role(client: ControlClient, out: Output, name: str, permissions: tuple[str, ...], words: str) -> None:
    """Create the role NAME, or change it: at once for everybody who holds it. It has these permissions alone."""
    made = client.put(f"/v1/roles/{quote(name, safe='')}", {"permissions": permissions, "words": words})
    out.result(made, lambda: line(f"role {made['name']}: {', '.join(made['permissions'])}"))


@role.command()
@click.argument("name")
@with_api
def delete(client: ControlClient, out: Output, name: str) -> None:
    """Delete NAME, a role of your own that nobody holds."""
    gone = client.delete(f"/v1/roles/{quote(name, safe='')}")
    out.result(gone, lambda: line(f"deleted role {gone['name']}"))


@click.command()
@with_api
def whoami(client: ControlClient, out: Output) -> None:
    """Show who you are to the node, and what you may do there."""
    own, table_of = client.get("/v1/token"), client.get("/v1/permissions")
    words = {each["name"]: each["words"] for each in table_of["permissions"]}
    everything = {"role": own["role"], "permissions": own["permissions"]}
    holds = own.get("holds") or [everything | {"scope": f"app:{own['app']}" if own["app"] else "everything"}]

    def print_text() -> None:
        fields([("name", own["name"]), ("expires", moment(own["expires"]) if own["expires"] else "never")])
        for held in holds:
            line(f"{held['role']}{scope_words(held['scope']) or ' of everything'} may:")
            for permission in held["permissions"]:
                line(f"  {words.get(permission, permission)}")
        if own.get("ask"):
            note(f"for more, ask {', '.join(own['ask'])}")

    out.result(own | {"holds": holds}, print_text)
