"""Who may do what: people and groups with their roles, organisations with their apps, the roles themselves, tokens.

What changes it are commands: each of them is named where it is needed.
"""

from edge.control.shapes.access.people import GroupView, OrganisationView, PermissionTable, PersonView
from edge.control.shapes.access.tokens import TokenView
from edge.page.views.people.tables import (
    SHOWN,
    group_table,
    lede_of,
    organisation_table,
    person_table,
    role_table,
    token_table,
)
from edge.page.views.visit import PageRoute, Shown, Unread, Visit


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
        "more_people": max(0, len(people) - SHOWN),
        "organisations": organisation_table(organisations),
        "groups": group_table(groups) if groups else None,
        "tokens": token_table(tokens, visit.now) if found is not None else None,
        "more_tokens": max(0, len(tokens) - SHOWN),
        "roles": role_table(table.roles),
        "unread": found if isinstance(found, Unread) else None,
    }
    return Shown("people.html", "People", values)


ROUTES = (PageRoute("/people", "people", show_people),)
