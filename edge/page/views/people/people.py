"""Who may do what: people and groups with their roles, organisations with their apps, the roles themselves, tokens.

People, roles and tokens are changed by forms; organisations and groups by commands, which are named where they are
needed.
"""

from typing import Any, NamedTuple
from urllib.parse import quote

from edge.control.shapes.access.people import GroupView, OrganisationView, PermissionTable, PersonView
from edge.control.shapes.access.tokens import TokenView
from edge.page.views.people.tables import (
    SHOWN,
    group_table,
    hold_table,
    lede_of,
    organisation_table,
    person_table,
    role_table,
    token_table,
)
from edge.page.views.visit import Crumb, PageRoute, Shown, Unread, Visit
from edge.page.words.numbers import named
from edge.page.words.times import moment

PEOPLE = "/people"


class MadeOnce(NamedTuple):
    """A secret that the next page shows, and no other."""

    lead: str
    rest: str
    secret: str


async def show_people(visit: Visit) -> Shown:
    people: list[PersonView] = await visit.ask("list_people", {})
    organisations: list[OrganisationView] = await visit.ask("list_organisations", {})
    groups: list[GroupView] = await visit.ask("list_groups", {})
    found = await visit.attempt("list_tokens", {}) if visit.allows("list_tokens") else None
    tokens: list[TokenView] = found if isinstance(found, list) else []
    table: PermissionTable = await visit.ask("show_permissions", {})
    values = {
        "lede": lede_of(people, organisations, tokens, visit.now),
        "people": person_table(people, visit.now),
        "may": _may(visit),
        "more_people": max(0, len(people) - SHOWN),
        "organisations": organisation_table(organisations, visit.now),
        "groups": group_table(groups) if groups else None,
        "tokens": token_table(tokens, visit.now, may=visit.allows("revoke_token")) if found is not None else None,
        "more_tokens": max(0, len(tokens) - SHOWN),
        "roles": role_table(table.roles),
        "unread": found if isinstance(found, Unread) else None,
    }
    return Shown("people.html", "People", values)


async def show_made(visit: Visit, made: MadeOnce) -> Shown:
    return Shown("made.html", made.lead, {"made": made, "back": PEOPLE})


async def show_person(visit: Visit) -> Shown:
    """What one may see and do of a person. Raises NotFound `unknown_person`."""
    person: PersonView = await visit.ask("show_person", {"person": visit.parts["person"]})
    values = {
        "mail": named(person.mail),
        "words": named(person.words),
        "holds": hold_table(person),
        "more": person.more,
        "tokens": ", ".join(named(each) for each in person.tokens),
        "query": quote(person.mail, safe=""),
        "added": f"Added {moment(person.created, visit.now)} by {named(person.by)}.",
        "may": _may(visit),
    }
    return Shown(
        "person.html",
        named(person.mail),
        values,
        crumbs=(Crumb("All apps", "/"), Crumb("People", PEOPLE), Crumb(named(person.mail))),
    )


def _may(visit: Visit) -> dict[str, Any]:
    """The operations that the visitor's role lets in."""
    names = ("add_person", "grant_role", "revoke_role", "invite_person", "sign_person_out", "remove_person")
    return {name: visit.allows(name) for name in (*names, "create_token")}


ROUTES = (PageRoute(PEOPLE, "people", show_people), PageRoute(f"{PEOPLE}/{{person}}", "people", show_person))
