"""`edge person`: people and the roles that they hold, and groups of the login provider."""

from typing import Any
from urllib.parse import quote

import click

from edge.cli.people import signing_in
from edge.cli.people.scoping import ROLES_HELP, held_words, note_absent, scoped
from edge.cli.terminal.client import ControlClient
from edge.cli.terminal.options import with_api
from edge.cli.terminal.output import Output, fields, line, moment, note, table


@click.group()
def person() -> None:
    """Manage people and the roles that they hold."""


for _command in (signing_in.invite, signing_in.sign_out, signing_in.credentials):
    person.add_command(_command)


@person.command(epilog=ROLES_HELP, short_help="Add a person, with a role.")
@click.argument("mail")
@click.option("--name", "words", default="", metavar="TEXT", help="How people call the person.")
@click.option("--role", metavar="ROLE", help="A role to hold from the start; see `edge role list`.")
@scoped
@with_api
def add(client: ControlClient, out: Output, mail: str, words: str, role: str | None, scopes: list[str]) -> None:
    """Add the person with the address MAIL, with a role for everything or for what --org, --app and --channel name."""
    if scopes and role is None:
        raise click.UsageError("a scope is one of a role: give --role, too")
    holds = [{"role": role, "scope": scope} for scope in scopes or ["everything"]] if role is not None else []
    made = client.post("/v1/people", {"mail": mail, "words": words, "holds": holds})

    def print_text() -> None:
        line(f"added {made['mail']}: {held_words(made['holds']) or 'no role yet'}")
        note_absent(made)

    out.result(made, print_text)


@person.command("list")
@with_api
def list_people(client: ControlClient, out: Output) -> None:
    """List the people that you manage, with their roles."""
    found = client.get("/v1/people")
    rows = [[each["mail"], each["words"], _roles(each), moment(each["created"]), each["by"]] for each in found]
    out.result(
        found,
        lambda: table(
            ("person", "name", "roles", "added", "by"), rows, "no people yet: edge person add MAIL --role ROLE"
        ),
    )


@person.command()
@click.argument("mail")
@with_api
def show(client: ControlClient, out: Output, mail: str) -> None:
    """Show the person with the address MAIL."""
    view = client.get(_path(mail))

    def print_text() -> None:
        fields(
            [
                ("person", view["mail"]),
                ("name", view["words"]),
                ("roles", _roles(view)),
                ("added", f"{moment(view['created'])} by {view['by']}"),
                ("tokens", ", ".join(view["tokens"])),
            ]
        )

    out.result(view, print_text)


@person.command(epilog=ROLES_HELP, short_help="Give a person a role.")
@click.argument("mail")
@click.argument("role")
@scoped
@with_api
def grant(client: ControlClient, out: Output, mail: str, role: str, scopes: list[str]) -> None:
    """Give the person a role, for everything or for what --org, --app and --channel name."""
    view = _each(client, f"{_path(mail)}/grant", {"role": role}, scopes)

    def print_text() -> None:
        line(f"{view['mail']}: {_roles(view)}")
        note_absent(view)

    out.result(view, print_text)


@person.command(short_help="Take a role from a person.")
@click.argument("mail")
@click.argument("role")
@scoped
@with_api
def revoke(client: ControlClient, out: Output, mail: str, role: str, scopes: list[str]) -> None:
    """Take a role from the person, as it was given: for everything, or for what --org, --app and --channel name."""
    view = _each(client, f"{_path(mail)}/revoke", {"role": role}, scopes)
    out.result(view, lambda: line(f"{view['mail']}: {_roles(view) or 'no role left'}"))


@person.command()
@click.argument("mail")
@with_api
def remove(client: ControlClient, out: Output, mail: str) -> None:
    """Remove the person with all roles. Tokens that the person made end, too."""
    gone = client.delete(_path(mail))

    def print_text() -> None:
        line(f"removed {gone['mail']}")
        if gone["tokens"]:
            note(f"these tokens have ended with {gone['mail']}: {', '.join(gone['tokens'])}")
            note("to go on with one, give it a new secret (edge token rotate NAME)")

    out.result(gone, print_text)


@person.command("groups")
@with_api
def list_groups(client: ControlClient, out: Output) -> None:
    """List the groups of the login provider whose members hold roles."""
    found = client.get("/v1/groups")
    rows = [[each["group"], held_words(each["holds"]), each["by"]] for each in found]
    out.result(found, lambda: table(("group", "roles of its members", "by"), rows, "no groups are mapped"))


@person.command("map", short_help="Give the members of a group a role.")
@click.argument("group")
@click.argument("role")
@scoped
@with_api
def map_group(client: ControlClient, out: Output, group: str, role: str, scopes: list[str]) -> None:
    """Give a role to the members of GROUP, by its name at the login provider."""
    view = _each(client, "/v1/groups/grant", {"group": group, "role": role}, scopes)

    def print_text() -> None:
        line(f"members of {view['group']}: {held_words(view['holds'])}")
        note_absent(view)

    out.result(view, print_text)


@person.command("unmap")
@click.argument("group")
@click.argument("role")
@scoped
@with_api
def unmap_group(client: ControlClient, out: Output, group: str, role: str, scopes: list[str]) -> None:
    """Take a role from the members of GROUP."""
    view = _each(client, "/v1/groups/revoke", {"group": group, "role": role}, scopes)
    out.result(view, lambda: line(f"members of {view['group']}: {held_words(view['holds']) or 'no role left'}"))


def _each(client: ControlClient, path: str, asked: dict[str, str], scopes: list[str]) -> dict[str, Any]:
    """One request for each scope; the last answer has them all."""
    views: list[dict[str, Any]] = [client.post(path, asked | {"scope": scope}) for scope in scopes or ["everything"]]
    return views[-1] | {"absent": [scope for view in views for scope in view.get("absent", ())]}


def _roles(view: dict[str, Any]) -> str:
    more = ["others elsewhere"] if view["more"] else []
    return ", ".join([*([held_words(view["holds"])] if view["holds"] else []), *more])


def _path(mail: str) -> str:
    return f"/v1/people/{quote(mail, safe='')}"
