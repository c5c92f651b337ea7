"""Organisations, people, own roles and groups in one signed document of the store, and what people may do by it.

Nobody gives more than he holds, nor takes away what he could not have given: each change is judged on the document that
it is made of. Calls block: run them off the event loop.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from edge.control.access.grants import Grant, Hold, means_something
from edge.control.access.people_document import (
    PEOPLE_KIND,
    HeldRole,
    OwnRole,
    PeopleDocument,
    PersonRecord,
    check_held,
    owner_of,
    parse_mail,
    parse_permissions,
    parse_role_name,
    parse_words,
    person_of,
    with_group,
    with_organisation,
    with_own_role,
    with_owner,
    with_person,
    with_person_hold,
    without_group,
    without_organisation,
    without_own_role,
    without_person,
    without_person_hold,
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
from edge.control.access.shared_document import SharedDocument
from edge.domain.errors import Forbidden
from edge.domain.model import AppId
from edge.store.disk.room import Reserve
from edge.store.key_set import Trust
from edge.store.objects.port import ObjectStore
from edge.store.signing import Writer

ASKED_NAMED = 5  # people who may give more: enough to reach one
GROUPS_READ = 500  # of a login: providers that state more are cut, in their order


class AcceptedPeople(NamedTuple):
    """Why the document was refused; who of the restored one is removed again, and who was missing."""

    problem: str
    removed: list[str]
    brought_back: list[str]


class People(SharedDocument[PeopleDocument]):
    """The store's people and organisations."""

    def __init__(
        self,
        store: ObjectStore,
        trust: Trust,
        writer: Writer | None,
        reserve: Reserve | None = None,
        copy: ObjectStore | None = None,
    ) -> None:
        """As of `SharedDocument`."""
        super().__init__(PEOPLE_KIND, store, trust, writer, reserve, copy)

    def find(self, name: str) -> PersonRecord | None:
        """The person with this mail address, in its one form."""
        return self.last_good().people.get(name)

    def grant_of(self, name: str, now: float, groups: Iterable[str] = ()) -> Grant | None:
        """What a person may do: by own roles, and by those of the provider's groups that the login stated. None: no
        such person, or nothing is held."""
        document = self.last_good()
        person = document.people.get(name)
        held = list(person.holds) if person is not None else []
        mapped = tuple(each for each, _ in zip(groups, range(GROUPS_READ), strict=False) if each in document.groups)
        for group in mapped:
            held += document.groups[group].holds
        holds = holds_of(document, dict.fromkeys(held))
        return Grant(name, holds, mapped) if holds else None

    def holds_of(self, held: Iterable[HeldRole]) -> tuple[Hold, ...]:
        """What these roles are now, as a token holds them."""
        return holds_of(self.last_good(), held)

    def whom_to_ask(self, grant: Grant) -> list[str]:
        """Some of the people who may give a person more where roles are held already, by name; for a person without
        such a place, of those who may everywhere."""
        document = self.last_good()
        scopes = [hold.within for hold in grant.holds] or [EVERYTHING]
        found = []
        for name, person in sorted(document.people.items()):
            other = Grant(name, holds_of(document, person.holds))
            if name != grant.name and any(other.may_within(Permission.MANAGE_PEOPLE, scope) for scope in scopes):
                found.append(name)
        return found[:ASKED_NAMED]

    def covers(self, grant: Grant, name: str) -> bool:
        """Whether all that the person holds could have been given by `grant`: who makes an invitation for a person, or
        changes how the person signs in, could become that person."""
        document = self.last_good()
        person = document.people.get(name)
        return person is not None and reaches(grant, document, person)

    def may_give(self, grant: Grant, held: HeldRole) -> bool:
        return gives(grant, self.last_good(), held)

    def create_organisation(self, grant: Grant, name: str, now: float) -> None:
        """Raises Forbidden `forbidden`, Invalid `invalid_organisation_name`, and what `with_organisation` raises."""
        parse_organisation_name(name)
        check_everywhere(grant)
        self.change(lambda document: with_organisation(document, name, grant.name, now))

    def delete_organisation(self, grant: Grant, name: str) -> None:
        check_everywhere(grant)
        self.change(lambda document: without_organisation(document, name), lending=True)

    def give_app(self, grant: Grant, name: str, app: AppId) -> None:
        """Who owns an app decides who may do what with it, so that is for who manages all people."""
        check_everywhere(grant)
        self.change(lambda document: with_owner(document, name, app))

    def own_created(self, name: str, app: AppId) -> None:
        """The organisation owns an app that was created for it a moment ago."""
        self.change(lambda document: with_owner(document, name, app))

    def set_role(self, grant: Grant, name: str, permissions: Sequence[str], words: str, now: float) -> None:
        """Whoever holds the role has these permissions at once, so one must hold them everywhere, and the former ones.
        Raises Invalid `invalid_role_name`, `unknown_permission`."""
        parse_role_name(name)
        wanted = parse_permissions(permissions)
        check_everywhere(grant)
        role = OwnRole(permissions=wanted, words=parse_words(words), created=now, by=grant.name)

        def edit(document: PeopleDocument) -> PeopleDocument:
            former = document.roles[name].permissions if name in document.roles else ()
            for each in sorted(_known({*wanted, *former}) - FOR_ALL, key=lambda each: each.value):
                if not grant.may_within(each, EVERYTHING):
                    raise Forbidden("forbidden", _more_than_held(grant, each, EVERYTHING))
            return with_own_role(document, name, role)

        self.change(edit)

    def delete_role(self, grant: Grant, name: str) -> None:
        check_everywhere(grant)
        self.change(lambda document: without_own_role(document, name), lending=True)

    def add_person(self, grant: Grant, name: str, words: str, held: Sequence[HeldRole], now: float) -> None:
        """Raises Invalid `invalid_person_name`, Forbidden `forbidden`, and what `with_person` raises."""
        mail, person = parse_mail(name), PersonRecord(words=parse_words(words), created=now, by=grant.name)

        def edit(document: PeopleDocument) -> PeopleDocument:
            if not grant.might(Permission.MANAGE_PEOPLE):
                raise Forbidden("forbidden", f"{grant.name} may not manage people")
            added = with_person(document, mail, person)
            for each in held:
                check_gives(grant, document, each)
                added = with_person_hold(added, mail, each)
            return added

        self.change(edit)

    def remove_person(self, grant: Grant, name: str) -> None:
        """Whatever the person holds must be in reach of `grant`. Raises NotFound `unknown_person`."""

        def edit(document: PeopleDocument) -> PeopleDocument:
            person = person_of(document, name)
            for held in person.holds:
                check_gives(grant, document, held)
            if not reaches(grant, document, person):
                check_everywhere(grant)
            return without_person(document, name)

        self.change(edit, lending=True)

    def grant_role(self, grant: Grant, name: str, held: HeldRole) -> None:
        self._judged(grant, held, lambda document: with_person_hold(document, name, held))

    def revoke_role(self, grant: Grant, name: str, held: HeldRole) -> None:
        self._judged(grant, held, lambda document: without_person_hold(document, name, held), lending=True)

    def map_group(self, grant: Grant, group: str, held: HeldRole) -> None:
        """Members of a provider's group hold the role from now on."""
        self._judged(grant, held, lambda document: with_group(document, group, held, grant.name))

    def unmap_group(self, grant: Grant, group: str, held: HeldRole) -> None:
        self._judged(grant, held, lambda document: without_group(document, group, held), lending=True)

    def accept_restored(self, *, dry: bool, above: int = 0) -> AcceptedPeople | None:
        """As `accept_restored_document`."""
        accepted = self.accept_restored_document(dry=dry, above=above)
        if accepted is None:
            return None
        there = set(accepted.restored.people) if accepted.restored is not None else set[str]()
        kept = set(accepted.kept.people)
        return AcceptedPeople(accepted.problem, sorted(there - kept), sorted(kept - there))

    def _judged(
        self,
        grant: Grant,
        held: HeldRole,
        edit: Callable[[PeopleDocument], PeopleDocument],
        *,
        lending: bool = False,
    ) -> None:
        def judged(document: PeopleDocument) -> PeopleDocument:
            check_gives(grant, document, held)
            return edit(document)

        self.change(judged, lending=lending)


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
    return _known(own.permissions) | FOR_ALL if own is not None else frozenset()


def scope_of(document: PeopleDocument, text: str) -> RoleScope | None:
    """As it is now; None for an organisation that is not there."""
    scope = parse_scope_text(text)
    if not isinstance(scope, OrganisationScope):
        return scope
    if scope.name != DEFAULT_ORGANISATION and scope.name not in document.organisations:
        return None
    return owned_by(scope.name, {name: frozenset(each.apps) for name, each in document.organisations.items()})


def reaches(grant: Grant, document: PeopleDocument, person: PersonRecord) -> bool:
    """Who holds nothing may hold anything by groups of the provider, so is in reach of whoever added him, and of who
    manages all people."""
    if not person.holds:
        return person.by == grant.name or grant.may_within(Permission.MANAGE_PEOPLE, EVERYTHING)
    return all(gives(grant, document, held) for held in person.holds)


def gives(grant: Grant, document: PeopleDocument, held: HeldRole) -> bool:
    """Whether one may give or take away this: people there are managed by one, and all of it is one's own."""
    return _lacking(grant, document, held) is None


def check_gives(
    grant: Grant, document: PeopleDocument, held: HeldRole, by: Permission = Permission.MANAGE_PEOPLE
) -> None:
    """Raises Forbidden `forbidden`, and what `check_held` raises."""
    lacking = _lacking(grant, document, check_held(document, held), by)
    if lacking is not None:
        scope = scope_of(document, held.scope) or EVERYTHING
        raise Forbidden("forbidden", _more_than_held(grant, lacking, scope))


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
        raise Forbidden("forbidden", _more_than_held(grant, Permission.MANAGE_PEOPLE, EVERYTHING))


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
        raise Forbidden("forbidden", _more_than_held(grant, Permission.CREATE_APP, OrganisationScope(name)))
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


def _known(names: Iterable[str]) -> frozenset[Permission]:
    wanted = set(names)
    return frozenset(each for each in Permission if each.value in wanted)


def _more_than_held(grant: Grant, permission: Permission, scope: RoleScope) -> str:
    row = PERMISSIONS[permission]
    where = scope_words(scope)
    return (
        f"{grant.name} may not {row.words} ({permission.value}) for {where}, so neither give that nor take it away: "
        "ask somebody who may"
    )
