"""Who may do what: the one table of roles and permissions, pure.

A token has a role, and some roles' tokens may be limited to one app. What the table does not grant is refused.
"""

import enum
from collections.abc import Mapping


class Role(enum.Enum):
    """What a token is for."""

    ADMIN = "admin"
    PUBLISHER = "publisher"
    UPLOADER = "uploader"  # for build machines: uploads bundles, offers none
    READER = "reader"
    REPORTER = "reporter"  # for the team's other systems: states outcomes
    NODE = "node"  # another node, which follows this one


class Permission(enum.Enum):
    """What an operation requires."""

    READ_SELF = "read_self"  # the token itself
    LIST_APPS = "list_apps"  # the answer lists only apps that the token may read
    READ_APP = "read_app"
    UPLOAD_BUNDLES = "upload_bundles"  # without a channel: no device is offered them
    CHANGE_APP = "change_app"  # everything else in it, above all what its channels offer
    STATE_OUTCOMES = "state_outcomes"  # what the team's systems say of devices; figures alone depend on it
    CREATE_APP = "create_app"
    DELETE_APP = "delete_app"
    READ_NODE = "read_node"
    MANAGE_TOKENS = "manage_tokens"
    MANAGE_STORE = "manage_store"
    SEND_HOME = "send_home"  # what a node says of itself and of its devices; it changes no release
    MANAGE_WEBHOOKS = "manage_webhooks"  # which make the node send requests
    FOLLOW = "follow_node"  # read the truth whole, as it is stored and signed


_FOR_ALL = frozenset({Permission.READ_SELF, Permission.LIST_APPS})
_READS = _FOR_ALL | {Permission.READ_APP, Permission.READ_NODE}

GRANTED: Mapping[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission),
    Role.PUBLISHER: _READS | {Permission.UPLOAD_BUNDLES, Permission.CHANGE_APP, Permission.STATE_OUTCOMES},
    Role.UPLOADER: _READS | {Permission.UPLOAD_BUNDLES},
    Role.READER: _READS,
    Role.REPORTER: frozenset({Permission.READ_SELF, Permission.STATE_OUTCOMES}),
    Role.NODE: frozenset({Permission.READ_SELF, Permission.FOLLOW, Permission.SEND_HOME}),
}
LIMITABLE = frozenset(
    {Role.PUBLISHER, Role.UPLOADER, Role.READER, Role.REPORTER}
)  # their tokens may be limited to one app
_MAY: Mapping[Role, str] = {
    Role.ADMIN: "may do everything",
    Role.PUBLISHER: "may upload and offer bundles",
    Role.UPLOADER: "may upload bundles",
    Role.READER: "may read",
    Role.REPORTER: "may state outcomes",
    Role.NODE: "may follow and report as a node",
}
_MISSING: Mapping[Permission, str] = {
    Permission.READ_SELF: "read its own token",
    Permission.LIST_APPS: "list apps",
    Permission.READ_APP: "read this app",
    Permission.UPLOAD_BUNDLES: "upload bundles",
    Permission.CHANGE_APP: "change an app or offer anything",
    Permission.STATE_OUTCOMES: "state outcomes",
    Permission.CREATE_APP: "create apps",
    Permission.DELETE_APP: "delete or restore apps",
    Permission.READ_NODE: "read the node's status",
    Permission.MANAGE_TOKENS: "manage tokens",
    Permission.MANAGE_STORE: "accept a restored store",
    Permission.SEND_HOME: "report as a node",
    Permission.MANAGE_WEBHOOKS: "manage webhooks",
    Permission.FOLLOW: "follow this node",
}
_PER_APP = frozenset({Permission.READ_APP, Permission.UPLOAD_BUNDLES, Permission.CHANGE_APP, Permission.STATE_OUTCOMES})


def allows(role: Role, scope_app: str | None, permission: Permission, app: str | None = None) -> bool:
    """Whether a token of `role`, limited to `scope_app` (None: not limited), may do this (to `app`, where given).

    A node's status names every app, so a limited token does not see it.
    """
    if permission not in GRANTED[role]:
        return False
    if scope_app is None or permission in _FOR_ALL:
        return True
    return permission in _PER_APP and app == scope_app


def refusal(token: str, role: Role, scope_app: str | None, permission: Permission) -> str:
    """Why `allows` refuses: what the token may do, what it lacks, and which roles have it."""
    if permission in GRANTED[role]:
        return f"token {token!r} is limited to app {scope_app!r}: it may not {_MISSING[permission]}"
    owners = " or ".join(each.value for each in reversed(tuple(Role)) if permission in GRANTED[each])
    return (
        f"token {token!r} has role {role.value}: it {_MAY[role]} but not {_MISSING[permission]}; "
        f"use a token with role {owners}"
    )
