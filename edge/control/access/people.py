"""Organisations, people, own roles and groups in one signed document of the store, and what people may do by it.

Nobody gives more than he holds, nor takes away what he could not have given: each change is judged on the document that
it is made of. Calls block: run them off the event loop.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import NamedTuple

from edge.control.access.grants import Grant, Hold
from edge.control.access.judging.giving import (
    check_everywhere,
    check_gives,
    gives,
    held_by_groups,
    holds_of,
    known_permissions,
    known_person,
    more_than_held,
    organisations_managed,
    reaches,
)
from edge.control.access.people_document import (
    PEOPLE_KIND,
    HeldRole,
    OwnRole,
    PeopleDocument,
    PersonRecord,
    parse_mail,
    parse_permissions,
    parse_role_name,
    parse_words,
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
from edge.control.access.roles import FOR_ALL, Permission
from edge.control.access.scopes import EVERYTHING, parse_organisation_name
from edge.control.access.shared_document import SharedDocument
from edge.domain.errors import Forbidden
from edge.domain.model import AppId
from edge.store.disk.room import Reserve
from edge.store.key_set import Trust
from edge.store.objects.port import ObjectStore
from edge.store.signing import Writer

ASKED_NAMED = 5  # people who may give more: enough to reach one
GROUPS_READ = 500  # of a login: providers that state more are cut, in their order


PermitPeople = Callable[[PeopleDocument, PeopleDocument], PeopleDocument]


def permitted(before: PeopleDocument, after: PeopleDocument) -> PeopleDocument:
    """The document after a change, of which nothing more is to be judged."""
    return after


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
        mapped = tuple(each for each in islice(groups, GROUPS_READ) if each in document.groups)
        held += held_by_groups(document, mapped)
        holds = holds_of(document, dict.fromkeys(held))
        return Grant(name, holds, mapped) if holds else None

    def held_for_good(self, name: str, since: float | None = None) -> tuple[Hold, ...] | None:
        """What a person holds without groups: all that a token may have of the person. None: no such person, or one
        who was added after `since`, who may be somebody else."""
        document = self.last_good()
        person = document.people.get(name)
        if person is None or (since is not None and since < person.created):
            return None
        return holds_of(document, person.holds)

    def mapped(self, groups: Iterable[str]) -> frozenset[str]:
        """Those of a provider's groups that hold a role here."""
        return frozenset(islice(groups, GROUPS_READ)) & self.last_good().groups.keys()

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

    def covers(self, grant: Grant, name: str, groups: Iterable[str] = ()) -> bool:
        """Whether all that the person holds could have been given by `grant`: who makes an invitation for a person, or
        changes how the person signs in, could become that person. `groups` are those of the person's last login.
        Raises NotFound `unknown_person` as `known_person`."""
        document = self.last_good()
        return reaches(grant, document, known_person(grant, document, name, groups), groups)

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

    def give_app(self, grant: Grant, name: str, app: AppId, permit: PermitPeople = permitted) -> None:
        """Who owns an app decides who may do what with it, so that is for who manages all people. Raises what `permit`
        raises of the document before and after."""
        check_everywhere(grant)
        self.change(lambda document: permit(document, with_owner(document, name, app)))

    def own_created(self, name: str, app: AppId) -> None:
        """The organisation owns an app that was created for it a moment ago."""
        self.change(lambda document: with_owner(document, name, app))

    def set_role(
        self,
        grant: Grant,
        name: str,
        permissions: Sequence[str],
        words: str,
        now: float,
        permit: PermitPeople = permitted,
    ) -> None:
        """Whoever holds the role has these permissions at once, so one must hold them everywhere, and the former ones.
        Raises Invalid `invalid_role_name`, `unknown_permission`, and what `permit` raises."""
        parse_role_name(name)
        wanted = parse_permissions(permissions)
        check_everywhere(grant)
        role = OwnRole(permissions=wanted, words=parse_words(words), created=now, by=grant.name)

        def edit(document: PeopleDocument) -> PeopleDocument:
            former = document.roles[name].permissions if name in document.roles else ()
            for each in sorted(known_permissions({*wanted, *former}) - FOR_ALL, key=lambda each: each.value):
                if not grant.may_within(each, EVERYTHING):
                    raise Forbidden("forbidden", more_than_held(grant, each, EVERYTHING))
            return permit(document, with_own_role(document, name, role))

        self.change(edit)

    def delete_role(self, grant: Grant, name: str) -> None:
        check_everywhere(grant)
        self.change(lambda document: without_own_role(document, name), lending=True)

    def add_person(self, grant: Grant, name: str, words: str, held: Sequence[HeldRole], now: float) -> None:
        """Raises Invalid `invalid_person_name`, Forbidden `forbidden`, and what `with_person` raises."""
        mail, homes = parse_mail(name), organisations_managed(grant)
        person = PersonRecord(words=parse_words(words), created=now, by=grant.name, added_for=homes)

        def edit(document: PeopleDocument) -> PeopleDocument:
            if not grant.might(Permission.MANAGE_PEOPLE):
                raise Forbidden("forbidden", f"{grant.name} may not manage people")
            added = with_person(document, mail, person)
            for each in held:
                check_gives(grant, document, each)
                added = with_person_hold(added, mail, each)
            return added

        self.change(edit)

    def remove_person(self, grant: Grant, name: str, groups: Iterable[str] = ()) -> None:
        """Whatever the person holds, also by the `groups` of the last login, must be in reach of `grant`. Raises
        NotFound `unknown_person`."""

        def edit(document: PeopleDocument) -> PeopleDocument:
            person = known_person(grant, document, name, groups)
            for held in person.holds:
                check_gives(grant, document, held)
            if not reaches(grant, document, person, groups):
                check_everywhere(grant)
            return without_person(document, name)

        self.change(edit, lending=True)

    def grant_role(self, grant: Grant, name: str, held: HeldRole) -> None:
        self._judged(grant, held, lambda document: with_person_hold(document, name, held))

    def revoke_role(self, grant: Grant, name: str, held: HeldRole) -> None:
        def edit(document: PeopleDocument) -> PeopleDocument:
            known_person(grant, document, name)
            return without_person_hold(document, name, held)

        self._judged(grant, held, edit, lending=True)

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
