"""`edge org`: organisations, which own apps."""

from typing import Any
from urllib.parse import quote

import click

from edge.cli.people.scoping import held_words
from edge.cli.terminal.client import ControlClient
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, counted, fields, line, moment, note, table
from edge.domain.errors import NotFound


@click.group()
def org() -> None:
    """Manage organisations, which own apps."""


@org.command()
@click.argument("name")
@with_api
def create(client: ControlClient, out: Output, name: str) -> None:
    """Create the organisation NAME, which owns nothing yet."""
    made = client.post("/v1/organisations", {"name": name})
    out.result(made, lambda: line(f"created organisation {made['name']}; give it apps: edge org own {name} APP"))


@org.command("list")
@with_api
def list_organisations(client: ControlClient, out: Output) -> None:
    """List the organisations whose people you manage. `default` owns what no other owns."""
    found = client.get("/v1/organisations")
    rows = [[each["name"], _owned(each), each["people"], each["by"]] for each in found]
    out.result(found, lambda: table(("organisation", "apps", "people", "created by"), rows, "no organisations"))


@org.command()
@click.argument("name")
@with_api
def show(client: ControlClient, out: Output, name: str) -> None:
    """Show the organisation NAME: its apps, and who holds a role in it."""
    view = next((each for each in client.get("/v1/organisations") if each["name"] == name), None)
    if view is None:
        raise NotFound("unknown_organisation", f"unknown organisation {name!r}")
    apps = set(view["apps"])
    people = [
        each for each in client.get("/v1/people") if any(_is_in(held["scope"], name, apps) for held in each["holds"])
    ]

    def print_text() -> None:
        created = moment(view["created"]) if view["created"] else ""
        fields([("organisation", name), ("apps", _owned(view)), ("created", created)])
        line("")
        rows = [[each["mail"], held_words(each["holds"])] for each in people]
        table(("person", "roles"), rows, "nobody holds a role in it alone")

    out.result(view | {"members": people}, print_text)


def _is_in(scope: str, name: str, apps: set[str]) -> bool:
    kind, _, rest = scope.partition(":")
    return scope == f"org:{name}" or (kind == "app" and rest.partition("/")[0] in apps)


@org.command()
@click.argument("name")
@click.argument("app")
@with_api
def own(client: ControlClient, out: Output, name: str, app: str) -> None:
    """Give APP to the organisation NAME. Roles in the app that people of the former owner hold give nothing then."""
    done = client.put(f"/v1/organisations/{quote(name, safe='')}/apps/{quote(app, safe='')}", None)

    def print_text() -> None:
        line(f"{app} belongs to {done['organisation']}; it belonged to {done['former']}")
        if done["lapsed"]:
            note(f"{counted(done['lapsed'], 'role')} in it lapsed: edge person list")

    out.result(done, print_text)


@org.command(short_help="Delete the organisation NAME.")
@click.argument("name")
@with_api
def delete(client: ControlClient, out: Output, name: str) -> None:
    """Delete the organisation NAME, if it owns nothing and nobody holds a role in it."""
    gone = client.delete(f"/v1/organisations/{quote(name, safe='')}")
    out.result(gone, lambda: line(f"deleted organisation {gone['name']}"))


def _owned(view: dict[str, Any]) -> str:
    if view["name"] == "default":
        return "all that no other owns"
    return ", ".join(view["apps"])
