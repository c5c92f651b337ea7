"""Who asks, and what they may do: roles, each held in a scope. Pure.

`may` decides one question exactly. `might` is for the door, where it is not known yet which channel or organisation an
operation is about: what it lets through is judged again by its effect.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from edge.control.access.roles import (
    CARRIED,
    GRANTED,
    OF_TEST_CHANNELS,
    PERMISSIONS,
    Permission,
    PermissionGrain,
    Role,
    roles_with,
)
from edge.control.access.scopes import (
    EVERYTHING,
    AppScope,
    ChannelScope,
    Everything,
    OrganisationScope,
    RoleScope,
    covers,
    narrower,
    scope_words,
)
from edge.domain.model import AppId

HELD_NAMED = 3  # of many scopes, in a refusal


@dataclass(frozen=True, slots=True)
class Hold:
    """A role held in a scope. `permissions` are the role's as they are now."""

    role: str
    permissions: frozenset[Permission]
    within: RoleScope

    def gives(self, permission: Permission, app: str | None, channel: str | None) -> bool:
        """Of an organisation's permissions only those that are held everywhere; see `Grant.may_in`."""
        if permission not in self.permissions:
            return False
        grain, within = PERMISSIONS[permission].grain, self.within
        if grain is PermissionGrain.SELF or isinstance(within, Everything):
            return True
        if app is None or grain in (PermissionGrain.NODE, PermissionGrain.ORGANISATION):
            return False
        match within:
            case OrganisationScope():
                return within.has(app)
            case AppScope():
                return within.app == app
            case ChannelScope():
                carried = permission in CARRIED or (grain is PermissionGrain.CHANNEL and channel == within.channel)
                return within.app == app and carried

    def touches(self, permission: Permission, app: str | None) -> bool:
        """Whether it gives the permission for any part of the app; without an app, in any organisation."""
        if permission not in self.permissions:
            return False
        grain, within = PERMISSIONS[permission].grain, self.within
        if grain is PermissionGrain.ORGANISATION:
            return isinstance(within, Everything | OrganisationScope)
        if grain is PermissionGrain.CHANNEL and isinstance(within, ChannelScope):
            return within.app == app
        return self.gives(permission, app, None)

    @property
    def words(self) -> str:
        return self.role if isinstance(self.within, Everything) else f"{self.role} of {scope_words(self.within)}"


class Grant(NamedTuple):
    """The token or the person of a request. `name` is a token's, or a person's mail address. `groups` are those of a
    provider that some of what a person holds comes from."""

    name: str
    holds: tuple[Hold, ...]
    groups: tuple[str, ...] = ()

    @property
    def is_person(self) -> bool:
        """A token's name has no "@"."""
        return "@" in self.name

    def may(self, permission: Permission, app: str | None = None, channel: str | None = None) -> bool:
        """Without an app: everywhere. Without a channel: in all of the app."""
        return any(hold.gives(permission, app, channel) for hold in self.holds)

    def might(
        self, permission: Permission, app: str | None = None, channel: str | None = None, *, test: bool = True
    ) -> bool:
        """Whether the permission is held for any part of what is named; of what may be a `test` channel, what stands
        for it."""
        if channel is not None and self.may(permission, app, channel):
            return True
        if channel is None and any(hold.touches(permission, app) for hold in self.holds):
            return True
        return test and permission in OF_TEST_CHANNELS and self.might(Permission.CHANGE_TEST_CHANNELS, app, channel)

    def may_within(self, permission: Permission, scope: RoleScope) -> bool:
        """Whether the permission is held in all of a scope."""
        return any(
            permission in hold.permissions
            and means_something(permission, hold.within)
            and (covers(hold.within, scope) or PERMISSIONS[permission].grain is PermissionGrain.SELF)
            for hold in self.holds
        )

    def is_role(self, role: Role) -> bool:
        return any(hold.role == role.value for hold in self.holds)

    @property
    def words(self) -> str:
        """The roles and where they are held: "releaser of app com.acme.app, viewer of organisation acme"."""
        return ", ".join(hold.words for hold in self.holds) or "no role"

    @property
    def roles(self) -> str:
        """The names alone."""
        return ", ".join(dict.fromkeys(hold.role for hold in self.holds)) or "no role"

    @property
    def permissions(self) -> list[str]:
        """The names of all that is held anywhere, sorted."""
        return sorted({permission.value for hold in self.holds for permission in hold.permissions})


NOBODY = Grant("nobody", ())


def bounded(holds: Iterable[Hold], limits: Iterable[Hold]) -> tuple[Hold, ...]:
    """What both give: of a token, no more than the person may in whose hands it is."""
    limits, found = tuple(limits), dict[Hold, None]()
    for hold, limit in product(holds, limits):
        within = narrower(hold.within, limit.within)
        permissions = hold.permissions & limit.permissions
        if within is not None and permissions:
            found[Hold(hold.role, permissions, within)] = None
    return tuple(found)


def means_something(permission: Permission, scope: RoleScope) -> bool:
    """Whether a role that is held there gives the permission to anybody at all."""
    grain = PERMISSIONS[permission].grain
    if grain is PermissionGrain.NODE:
        return isinstance(scope, Everything)
    return grain is not PermissionGrain.ORGANISATION or isinstance(scope, Everything | OrganisationScope)


def hold_of(role: Role, app: str | None = None) -> Hold:
    """Of one app, or everywhere."""
    return Hold(role.value, GRANTED[role], EVERYTHING if app is None else AppScope(AppId(app)))


def refusal(grant: Grant, permission: Permission, app: str | None = None, channel: str | None = None) -> str:
    """Why `might` or `may` refuses: who asks, what is missing, which roles have it, and whom to ask."""
    who = grant.name if grant.is_person else f"token {grant.name!r}"
    words, about = PERMISSIONS[permission].words, _about(app, channel)
    held = [scope_words(hold.within) for hold in grant.holds if permission in hold.permissions]
    if held:
        limits = " and ".join(held[:HELD_NAMED])
        return f"{who} is limited to {limits}: it may not {words}{about}; {_ask(grant)}"
    owners = " or ".join(role.value for role in roles_with(permission))
    return f"{who} ({grant.words}) may not {words}{about}: {owners} may ({permission.value}); {_ask(grant)}"


def _about(app: str | None, channel: str | None) -> str:
    if app is None:
        return ""
    return f" in app {app!r}" if channel is None else f" in app {app!r} on channel {channel!r}"


def _ask(grant: Grant) -> str:
    return "ask an admin (edge whoami names some)" if grant.is_person else "ask an admin for a token that may"
