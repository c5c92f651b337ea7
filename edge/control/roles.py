"""Who may do what: the one table of roles and permissions, pure.

A token has a role and, where nobody administers with it, perhaps one app that it is limited to. What the table does
not grant is refused.
"""

import enum
from collections.abc import Mapping


class Role(enum.Enum):
    ADMIN = "admin"
    PUBLISHER = "publisher"
    UPLOADER = "uploader"  # for build machines: puts bundles there, and has nobody offered one
    READER = "reader"
    NODE = "node"  # another node that follows this one


class Permission(enum.Enum):
    READ_SELF = "read_self"  # the token itself
    LIST_APPS = "list_apps"  # the answer itself shows only apps that the token may read
    READ_APP = "read_app"
    UPLOAD_BUNDLES = "upload_bundles"  # without a channel: nothing is offered by it
    CHANGE_APP = "change_app"  # everything else about it, above all what its channels offer
    CREATE_APP = "create_app"
    DELETE_APP = "delete_app"
    READ_NODE = "read_node"
    MANAGE_TOKENS = "manage_tokens"


_OF_EVERYBODY = frozenset({Permission.READ_SELF, Permission.LIST_APPS})
_READS = _OF_EVERYBODY | {Permission.READ_APP, Permission.READ_NODE}

GRANTED: Mapping[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission),
    Role.PUBLISHER: _READS | {Permission.UPLOAD_BUNDLES, Permission.CHANGE_APP},
    Role.UPLOADER: _READS | {Permission.UPLOAD_BUNDLES},
    Role.READER: _READS,
    Role.NODE: _READS,
}
LIMITABLE = frozenset({Role.PUBLISHER, Role.UPLOADER, Role.READER})  # roles whose tokens may be limited to one app
_MAY: Mapping[Role, str] = {
    Role.ADMIN: "may do everything",
    Role.PUBLISHER: "may upload and offer bundles",
    Role.UPLOADER: "may upload bundles",
    Role.READER: "may read",
    Role.NODE: "may read",
}
_MISSING: Mapping[Permission, str] = {
    Permission.READ_SELF: "read its own token",
    Permission.LIST_APPS: "list apps",
    Permission.READ_APP: "read this app",
    Permission.UPLOAD_BUNDLES: "upload bundles",
    Permission.CHANGE_APP: "change an app or offer anything",
    Permission.CREATE_APP: "create apps",
    Permission.DELETE_APP: "delete apps or bring them back",
    Permission.READ_NODE: "read the node's status",
    Permission.MANAGE_TOKENS: "manage tokens",
}
_OF_ONE_APP = frozenset({Permission.READ_APP, Permission.UPLOAD_BUNDLES, Permission.CHANGE_APP})


def allows(role: Role, scope_app: str | None, permission: Permission, app: str | None = None) -> bool:
    """Whether a token of `role`, limited to `scope_app` or to nothing (None), may do this, to `app` if it is about one.

    The status of a node names every app, so a limited token does not see it.
    """
    if permission not in GRANTED[role]:
        return False
    if scope_app is None or permission in _OF_EVERYBODY:
        return True
    return permission in _OF_ONE_APP and app == scope_app


def refusal(token: str, role: Role, scope_app: str | None, permission: Permission) -> str:
    """Why `allows` says no: what the token may do, what is missing, and whose token has it."""
    if permission in GRANTED[role]:
        return f"token {token!r} is for app {scope_app!r} alone: it may not {_MISSING[permission]}"
    owners = [f"{_a(each)}'s" for each in reversed(tuple(Role)) if permission in GRANTED[each]]
    return (
        f"{_a(role)} {_MAY[role]} but not {_MISSING[permission]}: instead of {token!r} use {' or '.join(owners)} token"
    )


def _a(role: Role) -> str:
    return f"{'an' if role.value[0] in 'aeiou' else 'a'} {role.value}"
