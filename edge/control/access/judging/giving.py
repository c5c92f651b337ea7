"""What roles give in a document of people, and what one may give, take away or create by it. Pure.

Nobody gives more than he holds, nor takes away what he could not have given.
"""

from collections.abc import Iterable

from edge.control.access.grants import Grant, Hold, means_something
from edge.control.access.people_document import (
    HeldRole,
    PeopleDocument,
    PersonRecord,
    check_held,
    owner_of,
    person_of,
    unknown_person,
)
from edge.control.access.roles import FOR_ALL, GRANTED, PERMISSIONS, Permission, Role
from edge.control.access.scopes import (
    DEFAULT_ORGANISATION,
    EVERYTHING,
    AppScope,
    ChannelScope,
    OrganisationScope,
    RoleScope,
    owned_by,
    parse_organisation_name,
    parse_scope_text,
    scope_words,
)
from edge.domain.errors import Forbidden
from edge.domain.model import AppId


def holds_of(document: PeopleDocument, held: Iterable[HeldRole]) -> tuple[Hold, ...]:
    """A role or an organisation that is no longer there gives nothing, nor does an app of another owner by now."""
    found = (_hold_of(document, each) for each in held)
    return tuple(each for each in found if each is not None)


def _hold_of(document: PeopleDocument, held: HeldRole) -> Hold | None:
    permissions = permissions_of(document, held.role)
    scope = scope_of(document, held.scope)
    if scope is None or not permissions:
        return None
    if isinstance(scope, AppScope | ChannelScope) and held.owner and owner_of(document, scope.app) != held.owner:
        return None
    return Hold(held.role, permissions, scope)


def permissions_of(document: PeopleDocument, role: str) -> frozenset[Permission]:
    """Those of a role, none for one that is not there."""
    for each in Role:
        if each.value == role:
            return GRANTED[each]
    own = document.roles.get(role)
    return known_permissions(own.permissions) | FOR_ALL if own is not None else frozenset()


def scope_of(document: PeopleDocument, text: str) -> RoleScope | None:
    """As it is now; None for an organisation that is not there."""
    scope = parse_scope_text(text)
    if not isinstance(scope, OrganisationScope):
        return scope
    if scope.name != DEFAULT_ORGANISATION and scope.name not in document.organisations:
        return None
    return owned_by(scope.name, {name: frozenset(each.apps) for name, each in document.organisations.items()})


def reaches(grant: Grant, document: PeopleDocument, person: PersonRecord, groups: Iterable[str] = ()) -> bool:
    """Whether one may remove, invite and sign out the person: all that the person holds, also by `groups`, could be
    given by one, and the person was added for no other organisation. Who holds nothing is also in reach of who added
    the person."""
    held = [*person.holds, *held_by_groups(document, groups)]
    if not held and (person.by == grant.name or not person.added_for):
        return person.by == grant.name or grant.may_within(Permission.MANAGE_PEOPLE, EVERYTHING)
    if not all(_manages(grant, document, f"org:{name}") for name in person.added_for):
        return False
    return all(gives(grant, document, _as_given(document, each)) for each in held)


def knows(grant: Grant, document: PeopleDocument, person: PersonRecord) -> bool:
    """Whether one may see that there is such a person: who was added by one or for an organisation whose people one
    manages, or holds a role there."""
    if person.by == grant.name or grant.may_within(Permission.MANAGE_PEOPLE, EVERYTHING):
        return True
    homes = any(_manages(grant, document, f"org:{name}") for name in person.added_for)
    return homes or any(sees(grant, document, held) for held in person.holds)


def known_person(grant: Grant, document: PeopleDocument, name: str, groups: Iterable[str] = ()) -> PersonRecord:
    """Who is known to one, or in one's reach. Raises NotFound `unknown_person` alike for others and for nobody."""
    person = person_of(document, name)
    if knows(grant, document, person) or reaches(grant, document, person, groups):
        return person
    raise unknown_person(name)


def sees(grant: Grant, document: PeopleDocument, held: HeldRole) -> bool:
    """Whether one manages people where it is held; what is gone, only who does so everywhere."""
    return _manages(grant, document, _as_given(document, held).scope)


def held_by_groups(document: PeopleDocument, groups: Iterable[str]) -> list[HeldRole]:
    return [held for group in groups if group in document.groups for held in document.groups[group].holds]


def _manages(grant: Grant, document: PeopleDocument, scope: str) -> bool:
    return grant.may_within(Permission.MANAGE_PEOPLE, scope_of(document, scope) or EVERYTHING)


def _as_given(document: PeopleDocument, held: HeldRole) -> HeldRole:
    """A role that lapsed with its app's owner is that organisation's matter still, and not the new owner's."""
    app = getattr(parse_scope_text(held.scope), "app", None)
    if app is None or not held.owner or owner_of(document, app) == held.owner:
        return held
    return HeldRole(held.role, f"org:{held.owner}")


def organisations_managed(grant: Grant) -> tuple[str, ...]:
    """For which organisations one adds people; none for who manages all."""
    if grant.may_within(Permission.MANAGE_PEOPLE, EVERYTHING):
        return ()
    held = [each.within for each in grant.holds if Permission.MANAGE_PEOPLE in each.permissions]
    return tuple(sorted({each.name for each in held if isinstance(each, OrganisationScope)}))


def gives(grant: Grant, document: PeopleDocument, held: HeldRole, by: Permission = Permission.MANAGE_PEOPLE) -> bool:
    """Whether one may give or take away this: people there are managed by one, and all of it is one's own."""
    return _lacking(grant, document, held, by) is None


def check_gives(
    grant: Grant, document: PeopleDocument, held: HeldRole, by: Permission = Permission.MANAGE_PEOPLE
) -> None:
    """Raises Forbidden `forbidden`, and what `check_held` raises."""
    lacking = _lacking(grant, document, check_held(document, held), by)
    if lacking is not None:
        scope = scope_of(document, held.scope) or EVERYTHING
        raise Forbidden("forbidden", more_than_held(grant, lacking, scope))


def _lacking(
    grant: Grant, document: PeopleDocument, held: HeldRole, by: Permission = Permission.MANAGE_PEOPLE
) -> Permission | None:
    """What one would have to hold there; None if nothing is missing."""
    scope = scope_of(document, held.scope)
    if scope is None:
        return None if grant.may_within(by, EVERYTHING) else by
    wanted = sorted(permissions_of(document, held.role), key=lambda each: each.value)
    needed = [by, *(each for each in wanted if means_something(each, scope) and each not in FOR_ALL)]
    return next((each for each in needed if not grant.may_within(each, scope)), None)


def check_everywhere(grant: Grant) -> None:
    """For what concerns all organisations. Raises Forbidden `forbidden`."""
    if not grant.may_within(Permission.MANAGE_PEOPLE, EVERYTHING):
        raise Forbidden("forbidden", more_than_held(grant, Permission.MANAGE_PEOPLE, EVERYTHING))


def organisation_for(
    document: PeopleDocument, grant: Grant, app: AppId, wanted: str | None, *, existed: bool = False
) -> str:
    """The organisation that an app, which is to be created, will belong to: the one that owns its id already, the
    `wanted` one, or the caller's own. An app that `existed` is taken from its owner only by who may create it there:
    devices still ask for it. Raises Forbidden `forbidden`, NotFound `unknown_organisation`."""
    owner = owner_of(document, app)
    name = wanted or (owner if owner != DEFAULT_ORGANISATION else _own_organisation(grant))
    scope = scope_of(document, f"org:{parse_organisation_name(name)}")
    if scope is None or not grant.may_within(Permission.CREATE_APP, scope):
        raise Forbidden("forbidden", more_than_held(grant, Permission.CREATE_APP, OrganisationScope(name)))
    former = scope_of(document, f"org:{owner}")
    foreign = existed and former is not None and not grant.may_within(Permission.CREATE_APP, former)
    if owner not in (name, DEFAULT_ORGANISATION) or foreign:
        raise Forbidden("forbidden", f"app {app!r} belongs to organisation {owner!r}")
    return name


def _own_organisation(grant: Grant) -> str:
    """Of who may create apps in one organisation alone."""
    own = [hold.within for hold in grant.holds if Permission.CREATE_APP in hold.permissions]
    names = {each.name for each in own if isinstance(each, OrganisationScope)}
    if len(names) == 1 and EVERYTHING not in own:
        return next(iter(names))
    return DEFAULT_ORGANISATION


def known_permissions(names: Iterable[str]) -> frozenset[Permission]:
    wanted = set(names)
    return frozenset(each for each in Permission if each.value in wanted)


def more_than_held(grant: Grant, permission: Permission, scope: RoleScope) -> str:
    row = PERMISSIONS[permission]
    where = scope_words(scope)
    return (
        f"{grant.name} may not {row.words} ({permission.value}) for {where}, so neither give that nor take it away: "
        "ask somebody who may"
    )
