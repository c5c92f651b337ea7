"""Organisations and people: who holds which role where. Nobody gives more than he holds (`access/people`)."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from edge.control.access.judging.giving import gives, holds_of, known_person, knows, scope_of, sees
from edge.control.access.people import PermitPeople, permitted
from edge.control.access.people_document import (
    HeldRole,
    OrganisationRecord,
    PeopleDocument,
    PersonRecord,
    owner_of,
    parse_mail,
    person_of,
)
from edge.control.access.roles import Permission
from edge.control.access.scopes import DEFAULT_ORGANISATION, AppScope, ChannelScope, OrganisationScope
from edge.control.access.token_document import held_by
from edge.control.calls import Call
from edge.control.login.inviters import Inviters
from edge.control.operations import Operation
from edge.control.routes.administration.absent import absent_scopes
from edge.control.shapes.access.people import (
    AppOwned,
    HeldBody,
    HeldView,
    OrganisationDeleted,
    OrganisationRequest,
    OrganisationView,
    PersonRemoved,
    PersonRequest,
    PersonView,
)
from edge.domain.errors import Conflict
from edge.domain.model import parse_app_id

_PERSON = "/v1/people/{person}"


async def handle_list_organisations(call: Call[None]) -> list[OrganisationView]:
    """By name: those whose people the caller manages."""
    document = await asyncio.to_thread(call.ports.people.last_good)
    default = OrganisationRecord(created=0.0, by="")
    named = {DEFAULT_ORGANISATION: default, **dict(sorted(document.organisations.items()))}
    return [_view_organisation(document, name, each) for name, each in named.items() if _manages(call, document, name)]


async def handle_create_organisation(call: Call[OrganisationRequest]) -> OrganisationView:
    people, name = call.ports.people, call.body.name
    await asyncio.to_thread(people.create_organisation, call.grant, name, call.ports.clock.now())
    document = await asyncio.to_thread(people.last_good)
    return _view_organisation(document, name, document.organisations[name])


async def handle_delete_organisation(call: Call[None]) -> OrganisationDeleted:
    """Raises Conflict `organisation_in_use` also while tokens are limited to it: another must not inherit them."""
    name = call.part("organisation")

    def delete() -> None:
        held = [token for token, each in call.ports.tokens.records().items() if _is_in(each, f"org:{name}")]
        if held:
            named = ", ".join(held[:5])
            raise Conflict("organisation_in_use", f"organisation {name!r} has tokens: revoke {named} first")
        call.ports.people.delete_organisation(call.grant, name)

    await asyncio.to_thread(delete)
    return OrganisationDeleted(name=name, deleted=True)


async def handle_own(call: Call[None]) -> AppOwned:
    name, app, people = call.part("organisation"), parse_app_id(call.part("app")), call.ports.people
    before = await asyncio.to_thread(people.last_good)
    await asyncio.to_thread(people.give_app, call.grant, name, app, permit_widening(call))
    after = await asyncio.to_thread(people.last_good)
    lapsed = sum(
        len(holds_of(before, [held])) > len(holds_of(after, [held]))
        for _, held in before.all_holds
        if getattr(scope_of(before, held.scope), "app", None) == app
    )
    return AppOwned(organisation=name, app=app, former=owner_of(before, app), lapsed=lapsed)


async def handle_list_people(call: Call[None]) -> list[PersonView]:
    """By mail address: those who hold a role where the caller manages people, or were added for an organisation there,
    or by the caller."""
    document = await asyncio.to_thread(call.ports.people.last_good)
    made = await asyncio.to_thread(_tokens_made, call)
    known = ((name, each) for name, each in sorted(document.people.items()) if knows(call.grant, document, each))
    views = (_view_person(call, document, name, person, made) for name, person in known)
    return list(views)


async def handle_show_person(call: Call[None]) -> PersonView:
    return await _person_view(call, parse_mail(call.part("person")))


async def handle_add_person(call: Call[PersonRequest]) -> PersonView:
    body, people = call.body, call.ports.people
    held = [HeldRole(each.role, each.scope) for each in body.holds]
    name, known = parse_mail(body.mail), await asyncio.to_thread(people.find, parse_mail(body.mail))
    if known is None:
        await _forget(call, name)  # what somebody of this address had before, and a removal could not take away
    await asyncio.to_thread(people.add_person, call.grant, body.mail, body.words, held, call.ports.clock.now())
    return await _person_view(call, name, [each.scope for each in body.holds])


async def handle_remove_person(call: Call[None]) -> PersonRemoved:
    name = parse_mail(call.part("person"))
    login, people = call.ports.login, call.ports.people
    groups = await asyncio.to_thread(login.accounts.stated_groups, name) if login is not None else frozenset()
    await asyncio.to_thread(people.remove_person, call.grant, name, groups)
    await _forget(call, name)
    made = await asyncio.to_thread(_tokens_made, call)
    return PersonRemoved(mail=name, removed=True, tokens=made.get(name, []))


async def _forget(call: Call[Any], name: str) -> None:
    """What somebody of this address signs in with is nobody's now."""
    if call.ports.login is not None:
        await asyncio.to_thread(call.ports.login.accounts.forget, name)


async def handle_grant(call: Call[HeldBody]) -> PersonView:
    name, held = parse_mail(call.part("person")), HeldRole(call.body.role, call.body.scope)
    await asyncio.to_thread(_check_invited, call, name, held)
    await asyncio.to_thread(call.ports.people.grant_role, call.grant, name, held)
    return await _person_view(call, name, [held.scope])


def _check_invited(call: Call[Any], name: str, held: HeldRole) -> None:
    """Raises Conflict `invited_by_other`. Who may not give the role is told that, and nothing of the person."""
    login, document = call.ports.login, call.ports.people.last_good()
    if login is not None and gives(call.grant, document, held):
        Inviters(login.accounts, call.ports.tokens).check_given(call.grant, document, name, held)


def permit_widening(call: Call[Any]) -> PermitPeople:
    """For a change that gives more to whoever holds a role already: raises Conflict `invited_by_other`."""
    login = call.ports.login
    return permitted if login is None else Inviters(login.accounts, call.ports.tokens).check_widened


async def handle_revoke(call: Call[HeldBody]) -> PersonView:
    name, held = parse_mail(call.part("person")), HeldRole(call.body.role, call.body.scope)
    await asyncio.to_thread(call.ports.people.revoke_role, call.grant, name, held)
    return await _person_view(call, name, of_late=True)


async def _person_view(call: Call[Any], name: str, given: Sequence[str] = (), *, of_late: bool = False) -> PersonView:
    """`given` are the scopes of the roles that the caller has just given; `of_late`: who was known to the caller until
    a moment ago is shown, too. Raises NotFound `unknown_person`."""
    document = await asyncio.to_thread(call.ports.people.last_good)
    person = person_of(document, name) if of_late else known_person(call.grant, document, name)
    absent = await asyncio.to_thread(absent_scopes, call.ports.releases, given)
    view = _view_person(call, document, name, person, await asyncio.to_thread(_tokens_made, call))
    return msgspec.structs.replace(view, absent=absent)


def _view_person(
    call: Call[Any], document: PeopleDocument, name: str, person: PersonRecord, made: dict[str, list[str]]
) -> PersonView:
    seen = [each for each in person.holds if sees(call.grant, document, each)]
    return PersonView(
        mail=name,
        words=person.words,
        holds=view_holds(document, seen),
        more=len(seen) < len(person.holds),
        tokens=made.get(name, []),
        created=person.created,
        by=person.by,
    )


def view_holds(document: PeopleDocument, holds: list[HeldRole]) -> list[HeldView]:
    return [HeldView(role=each.role, scope=each.scope, lapsed=not holds_of(document, [each])) for each in holds]


def _view_organisation(document: PeopleDocument, name: str, record: OrganisationRecord) -> OrganisationView:
    return OrganisationView(
        name=name,
        apps=list(record.apps),
        people=sum(any(_lies_in(document, each, name) for each in person.holds) for person in document.people.values()),
        created=record.created or None,
        by=record.by,
    )


def _lies_in(document: PeopleDocument, held: HeldRole, organisation: str) -> bool:
    match scope_of(document, held.scope):
        case OrganisationScope(name=name):
            return name == organisation
        case AppScope(app=app) | ChannelScope(app=app):
            return owner_of(document, app) == organisation
        case _:
            return False


def _manages(call: Call[Any], document: PeopleDocument, organisation: str) -> bool:
    scope = scope_of(document, f"org:{organisation}")
    return scope is not None and call.grant.may_within(Permission.MANAGE_PEOPLE, scope)


def _is_in(record: Any, scope: str) -> bool:
    return any(each.scope == scope for each in held_by(record))


def _tokens_made(call: Call[Any]) -> dict[str, list[str]]:
    """The names of the tokens that the caller may see, by the person in whose hands they are. Blocks."""
    made: dict[str, list[str]] = {}
    for name, record in call.ports.tokens.seen_by(call.grant).items():
        made.setdefault(record.person, []).append(name)
    return made


OPERATIONS = (
    Operation(
        name="list_organisations",
        method="GET",
        path="/v1/organisations",
        summary="List the organisations whose people one manages, with the apps that they own",
        permission=Permission.MANAGE_PEOPLE,
        handle=handle_list_organisations,
        answer=list[OrganisationView],
    ),
    Operation(
        name="create_organisation",
        method="POST",
        path="/v1/organisations",
        summary="Create an organisation; roles held in it are for the apps that it owns",
        permission=Permission.MANAGE_PEOPLE,
        handle=handle_create_organisation,
        answer=OrganisationView,
        body=OrganisationRequest,
        refusals=(404, 409),
    ),
    Operation(
        name="delete_organisation",
        method="DELETE",
        path="/v1/organisations/{organisation}",
        summary="Delete an organisation that owns nothing and in which nobody holds a role",
        permission=Permission.MANAGE_PEOPLE,
        handle=handle_delete_organisation,
        answer=OrganisationDeleted,
        refusals=(404, 409),
    ),
    Operation(
        name="own_app",
        method="PUT",
        path="/v1/organisations/{organisation}/apps/{app}",
        summary="Give an app to an organisation; roles in it that people of the former owner hold give nothing then",
        permission=Permission.MANAGE_PEOPLE,
        handle=handle_own,
        answer=AppOwned,
        refusals=(409,),
    ),
    Operation(
        name="list_people",
        method="GET",
        path="/v1/people",
        summary="List the people by mail address, with the roles that they hold where one manages people",
        permission=Permission.MANAGE_PEOPLE,
        handle=handle_list_people,
        answer=list[PersonView],
    ),
    Operation(
        name="show_person",
        method="GET",
        path=_PERSON,
        summary="Show a person and the roles that one may see",
        permission=Permission.MANAGE_PEOPLE,
        handle=handle_show_person,
        answer=PersonView,
        refusals=(404,),
    ),
    Operation(
        name="add_person",
        method="POST",
        path="/v1/people",
        summary="Add a person, with roles",
        permission=Permission.MANAGE_PEOPLE,
        handle=handle_add_person,
        answer=PersonView,
        body=PersonRequest,
        refusals=(404, 409),
    ),
    Operation(
        name="remove_person",
        method="DELETE",
        path=_PERSON,
        summary="Remove a person with all roles; tokens that the person made end, too",
        permission=Permission.MANAGE_PEOPLE,
        handle=handle_remove_person,
        answer=PersonRemoved,
        refusals=(404, 409),
    ),
    Operation(
        name="grant_role",
        method="POST",
        path=f"{_PERSON}/grant",
        summary="Give a person a role, for everything or in a scope; only what one holds there oneself",
        permission=Permission.MANAGE_PEOPLE,
        handle=handle_grant,
        answer=PersonView,
        body=HeldBody,
        refusals=(404, 409),
    ),
    Operation(
        name="revoke_role",
        method="POST",
        path=f"{_PERSON}/revoke",
        summary="Take a role from a person",
        permission=Permission.MANAGE_PEOPLE,
        handle=handle_revoke,
        answer=PersonView,
        body=HeldBody,
        refusals=(404, 409),
    ),
)
