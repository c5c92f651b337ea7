"""People, organisations, tokens and roles as tables. Pure."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from edge.control.access.roles import Permission
from edge.control.access.scopes import parse_scope_text, scope_words
from edge.control.shapes.access.people import GroupView, HeldView, OrganisationView, PersonView, RoleView
from edge.control.shapes.access.tokens import TokenView
from edge.page.words.numbers import cleaned, count, named
from edge.page.words.times import day, moment

SHOWN = 100  # rows of a table: the rest is a command's
HELD_SHOWN = 5  # roles in a cell
APPS_SHOWN = 5
SOON_SECONDS = 14 * 86_400.0  # before a token ends, it is worth a look


def lede_of(
    people: Sequence[PersonView], organisations: Sequence[OrganisationView], tokens: Sequence[TokenView], now: float
) -> tuple[str, str]:
    """How many there are, and what is worth a look."""
    lead = f"{_counted(len(people), 'person', 'people')} and {_counted(len(tokens), 'token', 'tokens')}"
    if len(organisations) > 1:
        lead += f" in {_counted(len(organisations), 'organisation', 'organisations')}"
    idle = sum(not person.holds for person in people)
    ending = sum(token.expires is not None and now < token.expires < now + SOON_SECONDS for token in tokens)
    over = sum(token.expires is not None and token.expires <= now for token in tokens)
    said = [
        *([f"{_counted(idle, 'person holds', 'people hold')} no role"] if idle else []),
        *([f"{_counted(ending, 'token ends', 'tokens end')} within two weeks"] if ending else []),
        *([f"{_counted(over, 'token has', 'tokens have')} expired"] if over else []),
    ]
    return f"{lead}.", f"{'; '.join(said)}." if said else ""


def person_table(people: Sequence[PersonView], now: float) -> dict[str, Any]:
    none = {"text": "Nobody yet: tokens alone get in.", "command": "edge person add anna@example.com --role viewer"}
    return _table(("Person", "Roles", "Tokens", "Added"), [_person(each, now) for each in people[:SHOWN]], none)


def _person(each: PersonView, now: float) -> list[Any]:
    roles = _held(each.holds)
    if each.more:
        roles = f"{roles}; others elsewhere" if roles else "roles elsewhere"
    return [
        {"text": named(each.mail), "href": f"/people/{quote(each.mail, safe='')}", "of": named(each.words)},
        roles or {"text": "no role: let in nowhere", "tone": "muted"},
        ", ".join(named(token) for token in each.tokens[:HELD_SHOWN]),
        {"text": day(each.created, now), "of": f"by {named(each.by)}"},
    ]


def hold_table(person: PersonView) -> dict[str, Any]:
    """One row for each role, with the way to take it away."""
    rows = [
        [
            {"text": named(each.role), "bold": True},
            named(scope_words(parse_scope_text(each.scope))),
            {"text": "lapsed: it gives nothing", "tone": "warn"} if each.lapsed else "",
            {"text": "Take away", "href": f"/people/acts/take-role?{urlencode(_about(person.mail, each))}"},
        ]
        for each in person.holds
    ]
    columns = ("Role", "Where", "State", "Act")
    return _table(columns, rows, {"text": "No role: let in nowhere, unless by a group.", "command": ""})


def _about(mail: str, held: HeldView) -> dict[str, str]:
    return {"person": mail, "role": held.role, "scope": held.scope}


def group_table(groups: Sequence[GroupView]) -> dict[str, Any]:
    rows = [
        [{"text": named(each.group), "bold": True}, _held(each.holds), f"by {named(each.by)}"]
        for each in groups[:SHOWN]
    ]
    return _table(("Group of the login provider", "Roles of its members", "Mapped"), rows, None)


def organisation_table(organisations: Sequence[OrganisationView], now: float) -> dict[str, Any]:
    rows = [
        [
            {"text": named(each.name), "bold": True},
            _apps(each),
            count(each.people),
            {"text": day(each.created, now), "of": f"by {named(each.by)}"} if each.created else "",
        ]
        for each in organisations[:SHOWN]
    ]
    columns = [{"name": "Organisation"}, {"name": "Apps"}, {"name": "People", "num": True}, {"name": "Created"}]
    return {"columns": columns, "rows": [{"cells": cells} for cells in rows], "none": None}


def _apps(view: OrganisationView) -> str:
    if view.name == "default":
        return "all that no other owns"
    shown = ", ".join(named(app) for app in view.apps[:APPS_SHOWN])
    more = len(view.apps) - APPS_SHOWN
    return f"{shown} and {count(more)} more" if more > 0 else shown or "none yet"


def token_table(tokens: Sequence[TokenView], now: float, *, may: bool) -> dict[str, Any]:
    """`may`: the visitor may revoke them."""
    none = {"text": "No tokens.", "command": "edge token create ci --role uploader"}
    columns = ("Token", "For", "From", "Ends", "Last used", *(("Act",) if may else ()))
    return _table(columns, [[*_token(each, now), *_moves(each, may)] for each in tokens[:SHOWN]], none)


def _moves(each: TokenView, may: bool) -> list[dict[str, str]]:
    about = urlencode({"token": each.name})
    rotate = {"more": f"/people/acts/rotate-token?{about}", "more_words": "New secret"}
    return [{"text": "Revoke", "href": f"/people/acts/revoke-token?{about}", **rotate}] if may else []


def _token(each: TokenView, now: float) -> list[Any]:
    scopes = [scope_words(parse_scope_text(scope)) for scope in each.scopes]
    return [
        {
            "text": named(each.name),
            "bold": True,
            "of": f"{named(each.role)}, by {named(each.by)}, {day(each.created, now)}",
        },
        {"text": ", ".join(named(scope) for scope in scopes[:HELD_SHOWN]), **_lessened(each)},
        ", ".join(each.networks[:HELD_SHOWN]) or "everywhere",
        _ends(each, now),
        day(each.last_used, now) if each.last_used else {"text": "never", "tone": "muted"},
    ]


def _lessened(token: TokenView) -> dict[str, str]:
    if token.gives == "all" or token.person is None:
        return {}
    what = "ended with" if token.gives == "nothing" else "gives less, as may"
    return {"of": f"{what} {named(token.person)}"}


def _ends(token: TokenView, now: float) -> Any:
    former = f"former secret until {moment(token.former_until, now)}" if token.former_until else ""
    if token.expires is None:
        return {"text": "never", "of": former}
    if token.expires <= now:
        return {"text": f"ended {day(token.expires, now)}", "tone": "warn", "of": former}
    soon = token.expires < now + SOON_SECONDS
    return {"text": day(token.expires, now), "of": former, **({"tone": "warn"} if soon else {})}


def role_table(roles: Sequence[RoleView]) -> dict[str, Any]:
    rows = [
        [
            {"text": named(each.name), "bold": True, "of": "made here" if each.own else ""},
            cleaned(each.words),
            "all of them" if len(each.permissions) == len(Permission) else ", ".join(each.permissions),
        ]
        for each in roles
    ]
    return _table(("Role", "Whoever holds it", "Permissions"), rows, None)


def _held(holds: Sequence[HeldView]) -> str:
    said = [_hold_words(each) for each in holds[:HELD_SHOWN]]
    more = len(holds) - HELD_SHOWN
    return ", ".join([*said, *([f"{count(more)} more"] if more > 0 else [])])


def _hold_words(each: HeldView) -> str:
    where = "" if each.scope == "everything" else f" of {scope_words(parse_scope_text(each.scope))}"
    return named(f"{each.role}{where}") + (" (lapsed)" if each.lapsed else "")


def _counted(number: int, one: str, many: str) -> str:
    return f"{count(number)} {one if number == 1 else many}"


def _table(columns: Sequence[str], rows: Sequence[list[Any]], none: dict[str, str] | None) -> dict[str, Any]:
    return {
        "columns": [{"name": name} for name in columns],
        "rows": [{"cells": cells} for cells in rows],
        "none": none,
    }
