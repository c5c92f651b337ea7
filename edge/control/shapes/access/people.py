"""Request bodies and answers about organisations, people, roles and groups. Times are in seconds since the epoch."""

from typing import Annotated

import msgspec

from edge.control.access.people_document import HOLD_LIMIT
from edge.control.shapes.common import AnswerBody, RequestBody


class HeldBody(RequestBody, frozen=True, kw_only=True):
    """A role, and where it is held: `everything`, `org:NAME`, `app:APP` or `app:APP/CHANNEL`."""

    role: str
    scope: str = "everything"


class HeldView(AnswerBody, frozen=True, kw_only=True):
    """`lapsed`: the app belongs to another organisation since, or the role or the organisation is gone, so it gives
    nothing."""

    role: str
    scope: str
    lapsed: bool


class OrganisationRequest(RequestBody, frozen=True, kw_only=True):
    name: str


class OrganisationView(AnswerBody, frozen=True, kw_only=True):
    """`apps` are those that it owns by name; `default` owns all that no other does. `people` counts those with a role
    in it."""

    name: str
    apps: list[str]
    people: int
    created: float | None
    by: str


class OrganisationDeleted(AnswerBody, frozen=True, kw_only=True):
    name: str
    deleted: bool


class AppOwned(AnswerBody, frozen=True, kw_only=True):
    """`lapsed` counts roles in the app that the former owner's people hold, which give nothing any more."""

    organisation: str
    app: str
    former: str
    lapsed: int


class PersonRequest(RequestBody, frozen=True, kw_only=True):
    """`mail` is the person's name here; `words` how people call the person."""

    mail: str
    words: str = ""
    holds: Annotated[list[HeldBody], msgspec.Meta(max_length=HOLD_LIMIT)] = msgspec.field(default_factory=list)


class PersonView(AnswerBody, frozen=True, kw_only=True):
    """`holds` are the roles that the caller may see; `more`: the person holds others elsewhere. `tokens` are the names
    of those that the person has in hand. `absent`, when roles were just given, are the scopes of apps and channels that
    are not there: roles count once they are."""

    mail: str
    words: str
    holds: list[HeldView]
    more: bool
    tokens: list[str]
    created: float
    by: str
    absent: list[str] = msgspec.field(default_factory=list)


class PersonRemoved(AnswerBody, frozen=True, kw_only=True):
    """`tokens` that the person had in hand end: who may create one gives it a new secret, and it goes on."""

    mail: str
    removed: bool
    tokens: list[str]


class GroupBody(HeldBody, frozen=True, kw_only=True):
    """A role for all members of what the login provider calls `group`."""

    group: str


class GroupView(AnswerBody, frozen=True, kw_only=True):
    """`absent` as of a person."""

    group: str
    holds: list[HeldView]
    by: str
    absent: list[str] = msgspec.field(default_factory=list)


class OwnRoleRequest(RequestBody, frozen=True, kw_only=True):
    permissions: list[str]
    words: str = ""


class RoleView(AnswerBody, frozen=True, kw_only=True):
    """`own`: it was made here and can be changed. `words` say what it is for."""

    name: str
    own: bool
    words: str
    permissions: list[str]


class RoleDeleted(AnswerBody, frozen=True, kw_only=True):
    name: str
    deleted: bool


class PermissionView(AnswerBody, frozen=True, kw_only=True):
    """`words` follow "may"; `scope` is the smallest part that it can be limited to: self, node, organisation, app or
    channel."""

    name: str
    words: str
    scope: str


class PermissionTable(AnswerBody, frozen=True, kw_only=True):
    """The one table of what there is to be allowed, and the roles made of it."""

    permissions: list[PermissionView]
    roles: list[RoleView]
