"""The document of organisations, people, own roles and groups, and every change of it. Pure.

A person holds roles, each in a scope. `groups` map what a login provider calls a group to roles. An organisation owns
apps by their ids; `default`, which is always there, owns what no other owns.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from edge.control.access.roles import Permission, Role
from edge.control.access.scopes import DEFAULT_ORGANISATION, OrganisationScope, parse_scope_text
from edge.control.access.shared_document import DocumentKind, SharedFields
from edge.domain.errors import Conflict, Invalid, NotFound
from edge.domain.model import AppId
from edge.store.objects.port import PEOPLE_KEY

PEOPLE_DOMAIN = "edge-people"
PEOPLE_FORMAT = 1
PERSON_NAME_LIMIT = 128  # characters of a mail address; every revision carries the name of its author
WORDS_LIMIT = 128  # characters of a person's or a role's own words
ROLE_NAME_LIMIT = 64  # characters; as those of tokens
GROUP_NAME_LIMIT = 256  # characters; providers' names of groups are paths and ids
# The document is read whole by whoever asks, some 300 bytes a person: 1 MB at these limits.
PEOPLE_LIMIT = 2_000
ORGANISATION_LIMIT = 500
OWN_ROLE_LIMIT = 100
GROUP_LIMIT = 500
HOLD_LIMIT = 50  # roles of a person or of a group
OWNED_APP_LIMIT = 10_000  # of all organisations together, as many as a node is measured with

_MAIL = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*", re.ASCII)
_ROLE = re.compile(r"[a-z][a-z0-9_-]*", re.ASCII)
_BUILT_IN = frozenset(role.value for role in Role)


class HeldRole(msgspec.Struct, frozen=True, omit_defaults=True):
    """The name of a role, and where it is held, as `scopes` writes it. `owner` is the organisation that owned the app
    when it was given: once the app belongs to another, or is created by another, the role gives nothing there."""

    role: str
    scope: str
    owner: str = ""

    @property
    def place(self) -> tuple[str, str]:
        """What tells it from the others of a holder."""
        return self.role, self.scope


class OrganisationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`created` is in seconds since the epoch, `by` the name of who created it."""

    apps: tuple[AppId, ...] = ()
    created: float
    by: str


class OwnRole(msgspec.Struct, frozen=True, kw_only=True):
    """A role of this installation. Permissions that this release does not know give nothing."""

    permissions: tuple[str, ...]
    words: str = ""
    created: float
    by: str


class PersonRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`words` is how people call the person; `added_for` are the organisations whose admin added the person, none where
    that was somebody who manages all people."""

    words: str = ""
    holds: tuple[HeldRole, ...] = ()
    created: float
    by: str
    added_for: tuple[str, ...] = ()


class GroupRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What the members of a provider's group hold."""

    holds: tuple[HeldRole, ...]
    by: str


class PeopleDocument(SharedFields, frozen=True, kw_only=True):
    organisations: dict[str, OrganisationRecord] = msgspec.field(default_factory=dict)
    roles: dict[str, OwnRole] = msgspec.field(default_factory=dict)
    people: dict[str, PersonRecord] = msgspec.field(default_factory=dict)
    groups: dict[str, GroupRecord] = msgspec.field(default_factory=dict)

    @property
    def all_holds(self) -> Iterator[tuple[str, HeldRole]]:
        """Of people and of groups, with the name of each."""
        for name, person in self.people.items():
            yield from ((name, held) for held in person.holds)
        for name, group in self.groups.items():
            yield from ((name, held) for held in group.holds)


PEOPLE_KIND = DocumentKind(
    PEOPLE_KEY,
    PEOPLE_DOMAIN,
    "people.json",
    "the people document",
    "people and organisations",
    PEOPLE_FORMAT,
    PeopleDocument,
    lambda _: PEOPLE_FORMAT,
    lambda store: PeopleDocument(format=PEOPLE_FORMAT, store=store, sequence=0),
)


def parse_mail(text: str) -> str:
    """A mail address in its one form, lower case: the name of a person. Raises Invalid `invalid_person_name`."""
    name = text.strip().casefold()
    if len(name) > PERSON_NAME_LIMIT or _MAIL.fullmatch(name) is None:
        raise Invalid(
            "invalid_person_name",
            f"invalid mail address {text[:PERSON_NAME_LIMIT]!r}: use one of up to {PERSON_NAME_LIMIT} characters, such "
            "as anna@example.com",
        )
    return name


def parse_group(text: str) -> str:
    """A group as the provider names it. Raises Invalid `invalid_group_name`."""
    if not 0 < len(text) <= GROUP_NAME_LIMIT or not text.isprintable():
        raise Invalid("invalid_group_name", f"invalid group: use 1 to {GROUP_NAME_LIMIT} printable characters")
    return text


def parse_words(text: str) -> str:
    """Raises Invalid `invalid_words`."""
    words = text.strip()
    if len(words) > WORDS_LIMIT or not words.isprintable():
        raise Invalid("invalid_words", f"invalid description: use up to {WORDS_LIMIT} printable characters")
    return words


def parse_role_name(text: str) -> str:
    """Of an own role. Raises Invalid `invalid_role_name`."""
    if len(text) > ROLE_NAME_LIMIT or _ROLE.fullmatch(text) is None:
        raise Invalid(
            "invalid_role_name",
            f"invalid role name {text[:ROLE_NAME_LIMIT]!r}: use up to {ROLE_NAME_LIMIT} lower-case letters, digits, "
            "'_' and '-', starting with a letter",
        )
    if text in _BUILT_IN:
        raise Invalid("invalid_role_name", f"role {text!r} is always there and cannot be changed")
    return text


def parse_permissions(names: Sequence[str]) -> tuple[str, ...]:
    """Sorted, each once. Raises Invalid `unknown_permission`, `invalid_role`."""
    known = {each.value for each in Permission}
    for name in names:
        if name not in known:
            raise Invalid("unknown_permission", f"unknown permission {name[:ROLE_NAME_LIMIT]!r}: see `edge role list`")
    if not names:
        raise Invalid("invalid_role", "a role needs at least one permission")
    return tuple(sorted(set(names)))


def role_exists(document: PeopleDocument, role: str) -> bool:
    return role in _BUILT_IN or role in document.roles


def check_held(document: PeopleDocument, held: HeldRole) -> HeldRole:
    """In its one form, with the owner as it is now.

    Raises NotFound `unknown_role`, `unknown_organisation`, and what `parse_scope_text` raises.
    """
    if not role_exists(document, held.role):
        raise NotFound("unknown_role", f"unknown role {held.role[:ROLE_NAME_LIMIT]!r}: see `edge role list`")
    scope = parse_scope_text(held.scope)
    if isinstance(scope, OrganisationScope):
        organisation_of(document, scope.name)
    if held.role == Role.NODE.value and held.scope != "everything":
        raise Invalid("invalid_token_scope", "the role node is held for everything, or not at all")
    app = getattr(scope, "app", None)
    return HeldRole(held.role, str(scope), owner_of(document, app) if app is not None else "")


def organisation_of(document: PeopleDocument, name: str) -> OrganisationRecord:
    """Raises NotFound `unknown_organisation`."""
    if name == DEFAULT_ORGANISATION:
        return OrganisationRecord(created=0.0, by="")
    found = document.organisations.get(name)
    if found is None:
        raise NotFound("unknown_organisation", f"unknown organisation {name[:64]!r}")
    return found


def owner_of(document: PeopleDocument, app: str) -> str:
    """The organisation that owns the app."""
    owners = (name for name, record in document.organisations.items() if app in record.apps)
    return next(owners, DEFAULT_ORGANISATION)


def person_of(document: PeopleDocument, name: str) -> PersonRecord:
    """Raises NotFound `unknown_person`."""
    found = document.people.get(name)
    if found is None:
        raise unknown_person(name)
    return found


def unknown_person(name: str) -> NotFound:
    """The one answer to whoever may not know whether there is such a person."""
    return NotFound("unknown_person", f"unknown person {name[:PERSON_NAME_LIMIT]!r}: `edge person add` adds one")


def with_organisation(document: PeopleDocument, name: str, by: str, at: float) -> PeopleDocument:
    """Raises Conflict `organisation_exists`, `too_many_organisations`."""
    if name == DEFAULT_ORGANISATION or name in document.organisations:
        raise Conflict("organisation_exists", f"organisation {name!r} already exists")
    if len(document.organisations) >= ORGANISATION_LIMIT:
        raise Conflict("too_many_organisations", f"there are {ORGANISATION_LIMIT} organisations, which is the limit")
    added = OrganisationRecord(created=at, by=by)
    return replace(document, organisations={**document.organisations, name: added})


def without_organisation(document: PeopleDocument, name: str) -> PeopleDocument:
    """Raises NotFound `unknown_organisation`, Conflict `organisation_in_use` while it owns apps or roles are held in
    it: another of the same name must not inherit them."""
    if name == DEFAULT_ORGANISATION:
        raise Conflict("organisation_in_use", f"organisation {name!r} owns what no other owns, and stays")
    record = organisation_of(document, name)
    holders = sorted({holder for holder, held in document.all_holds if held.scope == f"org:{name}"})
    if record.apps or holders:
        used = f"owns {len(record.apps)} app(s)" if record.apps else f"has roles held by {', '.join(holders[:5])}"
        raise Conflict("organisation_in_use", f"organisation {name!r} {used}: end that first")
    kept = {other: held for other, held in document.organisations.items() if other != name}
    people = {
        mail: replace(person, added_for=tuple(each for each in person.added_for if each != name))
        for mail, person in document.people.items()
    }
    return replace(document, organisations=kept, people=people)


def with_owner(document: PeopleDocument, name: str, app: AppId) -> PeopleDocument:
    """The app belongs to this organisation from now on. Raises NotFound `unknown_organisation`, Conflict
    `too_many_apps`."""
    organisation_of(document, name)
    if owner_of(document, app) == name:
        return document
    kept = {
        other: replace(record, apps=tuple(each for each in record.apps if each != app))
        if app in record.apps
        else record
        for other, record in document.organisations.items()
    }
    if name != DEFAULT_ORGANISATION:
        if sum(len(record.apps) for record in kept.values()) >= OWNED_APP_LIMIT:
            raise Conflict("too_many_apps", f"organisations own {OWNED_APP_LIMIT} apps together, which is the limit")
        kept[name] = replace(kept[name], apps=tuple(sorted((*kept[name].apps, app))))
    return replace(document, organisations=kept)


def with_own_role(document: PeopleDocument, name: str, role: OwnRole) -> PeopleDocument:
    """Create or replace it. Raises Conflict `too_many_roles`."""
    if name not in document.roles and len(document.roles) >= OWN_ROLE_LIMIT:
        raise Conflict("too_many_roles", f"there are {OWN_ROLE_LIMIT} own roles, which is the limit")
    before = document.roles.get(name)
    if before is not None and (before.permissions, before.words) == (role.permissions, role.words):
        return document
    return replace(document, roles={**document.roles, name: role})


def without_own_role(document: PeopleDocument, name: str) -> PeopleDocument:
    """Raises NotFound `unknown_role`, Conflict `role_in_use`: another of the same name must not be held at once."""
    if name not in document.roles:
        raise NotFound("unknown_role", f"unknown own role {name[:ROLE_NAME_LIMIT]!r}")
    holders = sorted({holder for holder, held in document.all_holds if held.role == name})
    if holders:
        raise Conflict("role_in_use", f"role {name!r} is held by {', '.join(holders[:5])}: revoke it first")
    return replace(document, roles={other: held for other, held in document.roles.items() if other != name})


def with_person(document: PeopleDocument, name: str, person: PersonRecord) -> PeopleDocument:
    """Raises Conflict `person_exists`, `too_many_people`, and what `check_held` raises."""
    if name in document.people:
        raise Conflict("person_exists", f"{name} is here already: `edge person grant {name} ROLE` adds a role")
    if len(document.people) >= PEOPLE_LIMIT:
        raise Conflict("too_many_people", f"there are {PEOPLE_LIMIT} people, which is the limit; remove one first")
    checked = tuple(check_held(document, held) for held in person.holds)
    return replace(document, people={**document.people, name: replace(person, holds=checked)})


def without_person(document: PeopleDocument, name: str) -> PeopleDocument:
    """Raises NotFound `unknown_person`."""
    person_of(document, name)
    return replace(document, people={other: held for other, held in document.people.items() if other != name})


def with_person_hold(document: PeopleDocument, name: str, held: HeldRole) -> PeopleDocument:
    """Raises NotFound `unknown_person`, Conflict `too_many_holds`, and what `check_held` raises."""
    person = person_of(document, name)
    holds = _with_hold(person.holds, check_held(document, held))
    return _with_people(document, name, replace(person, holds=holds)) if holds != person.holds else document


def without_person_hold(document: PeopleDocument, name: str, held: HeldRole) -> PeopleDocument:
    """Raises NotFound `unknown_person`, `not_held`."""
    person = person_of(document, name)
    return _with_people(document, name, replace(person, holds=_without_hold(name, person.holds, held)))


def with_group(document: PeopleDocument, group: str, held: HeldRole, by: str) -> PeopleDocument:
    """Its members hold the role. Raises Conflict `too_many_groups`, `too_many_holds`, and what `check_held` raises."""
    if group not in document.groups and len(document.groups) >= GROUP_LIMIT:
        raise Conflict("too_many_groups", f"roles are mapped to {GROUP_LIMIT} groups, which is the limit")
    before = document.groups[group].holds if group in document.groups else ()
    holds = _with_hold(before, check_held(document, held))
    if holds == before:
        return document
    return replace(document, groups={**document.groups, group: GroupRecord(holds=holds, by=by)})


def without_group(document: PeopleDocument, group: str, held: HeldRole) -> PeopleDocument:
    """Raises NotFound `not_held`."""
    before = document.groups.get(group)
    holds = _without_hold(group, before.holds if before is not None else (), held)
    kept: Mapping[str, GroupRecord] = {name: each for name, each in document.groups.items() if name != group}
    if holds and before is not None:
        kept = {**kept, group: replace(before, holds=holds)}
    return replace(document, groups=dict(kept))


def _with_people(document: PeopleDocument, name: str, person: PersonRecord) -> PeopleDocument:
    return replace(document, people={**document.people, name: person})


def _with_hold(holds: tuple[HeldRole, ...], held: HeldRole) -> tuple[HeldRole, ...]:
    others = tuple(each for each in holds if each.place != held.place)
    if held in holds:
        return holds
    if len(others) >= HOLD_LIMIT:
        raise Conflict("too_many_holds", f"{HOLD_LIMIT} roles are held already, which is the limit")
    return (*others, held)


def _without_hold(name: str, holds: tuple[HeldRole, ...], held: HeldRole) -> tuple[HeldRole, ...]:
    others = tuple(each for each in holds if each.place != held.place)
    if others == holds:
        raise NotFound("not_held", f"{name} does not hold role {held.role!r} for {held.scope}")
    return others
