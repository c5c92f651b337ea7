"""The one table of permissions and roles, pure: the doors of the API and the page, OpenAPI, help and refusals read it.

What the table does not grant is refused.
"""

import enum
from collections.abc import Mapping
from typing import NamedTuple


class PermissionGrain(enum.Enum):
    """The smallest part of the store that a permission can be limited to."""

    SELF = "self"  # never limited: about the one who asks
    NODE = "node"  # about the whole node: only for who may do it everywhere
    ORGANISATION = "organisation"
    APP = "app"
    CHANNEL = "channel"


class Permission(enum.Enum):
    """What an operation requires."""

    READ_SELF = "read_self"
    LIST_APPS = "list_apps"  # the answer lists only apps that the asker may read
    READ_APP = "read_app"
    READ_NODE = "read_node"
    LOOK_UP_DEVICES = "look_up_devices"
    LIFT_DEVICES = "lift_devices"
    ERASE_DEVICES = "erase_devices"
    UPLOAD_BUNDLES = "upload_bundles"  # without a channel: no device is offered them
    DELETE_BUNDLES = "delete_bundles"
    CHANGE_TEST_CHANNELS = "change_test_channels"
    CHANGE_CHANNELS = "change_channels"
    CHANGE_ROLLOUTS = "change_rollouts"
    ROLL_BACK = "roll_back"
    CHANGE_SEGMENTS = "change_segments"
    CHANGE_EXPERIMENTS = "change_experiments"
    CHANGE_GUARD = "change_guard"
    CHANGE_FEATURES = "change_features"
    SEND_MESSAGES = "send_messages"
    MANAGE_PUSH = "manage_push"
    STATE_OUTCOMES = "state_outcomes"  # figures alone depend on it
    APPROVE_CHANGES = "approve_changes"
    SET_RULES = "set_rules"
    CHANGE_APP = "change_app"
    CREATE_APP = "create_app"
    DELETE_APP = "delete_app"
    MANAGE_PEOPLE = "manage_people"
    MANAGE_TOKENS = "manage_tokens"
    MANAGE_WEBHOOKS = "manage_webhooks"
    MANAGE_STORE = "manage_store"
    READ_AUDIT = "read_audit"
    EXPORT_EVENTS = "export_events"
    SEND_HOME = "send_home"  # changes no release
    FOLLOW = "follow_node"


class PermissionRow(NamedTuple):
    """`words` follow "may"."""

    grain: PermissionGrain
    words: str


_ROWS = {
    Permission.READ_SELF: (PermissionGrain.SELF, "see what it may do itself"),
    Permission.LIST_APPS: (PermissionGrain.SELF, "list apps"),
    Permission.READ_APP: (PermissionGrain.APP, "read the app"),
    Permission.READ_NODE: (PermissionGrain.NODE, "read the node's status"),
    Permission.LOOK_UP_DEVICES: (PermissionGrain.APP, "look up single devices"),
    Permission.LIFT_DEVICES: (PermissionGrain.APP, "lift what is withheld from devices, or set overrides"),
    Permission.ERASE_DEVICES: (PermissionGrain.APP, "erase devices"),
    Permission.UPLOAD_BUNDLES: (PermissionGrain.APP, "upload bundles"),
    Permission.DELETE_BUNDLES: (PermissionGrain.APP, "delete bundles"),
    Permission.CHANGE_TEST_CHANNELS: (PermissionGrain.CHANNEL, "change test channels"),
    Permission.CHANGE_CHANNELS: (PermissionGrain.CHANNEL, "change channels or offer anything"),
    Permission.CHANGE_ROLLOUTS: (PermissionGrain.CHANNEL, "start or change rollouts"),
    Permission.ROLL_BACK: (PermissionGrain.CHANNEL, "roll back or withdraw"),
    Permission.CHANGE_SEGMENTS: (PermissionGrain.APP, "change segments or id sets"),
    Permission.CHANGE_EXPERIMENTS: (PermissionGrain.CHANNEL, "start or stop experiments"),
    Permission.CHANGE_GUARD: (PermissionGrain.CHANNEL, "change the guard"),
    Permission.CHANGE_FEATURES: (PermissionGrain.APP, "change features"),
    Permission.SEND_MESSAGES: (PermissionGrain.APP, "send messages"),
    Permission.MANAGE_PUSH: (PermissionGrain.APP, "manage the credentials of push services"),
    Permission.STATE_OUTCOMES: (PermissionGrain.APP, "state outcomes"),
    Permission.APPROVE_CHANGES: (PermissionGrain.CHANNEL, "approve changes"),
    Permission.SET_RULES: (PermissionGrain.APP, "set rules of approval or freezes"),
    Permission.CHANGE_APP: (PermissionGrain.APP, "change the app's other settings"),
    Permission.CREATE_APP: (PermissionGrain.ORGANISATION, "create apps"),
    Permission.DELETE_APP: (PermissionGrain.APP, "delete or restore apps"),
    Permission.MANAGE_PEOPLE: (PermissionGrain.ORGANISATION, "manage people, organisations or roles"),
    Permission.MANAGE_TOKENS: (PermissionGrain.ORGANISATION, "manage tokens"),
    Permission.MANAGE_WEBHOOKS: (PermissionGrain.NODE, "manage webhooks"),
    Permission.MANAGE_STORE: (PermissionGrain.NODE, "accept a restored store or forget nodes"),
    Permission.READ_AUDIT: (PermissionGrain.APP, "read the audit log"),
    Permission.EXPORT_EVENTS: (PermissionGrain.APP, "export events"),
    Permission.SEND_HOME: (PermissionGrain.NODE, "report as a node"),
    Permission.FOLLOW: (PermissionGrain.NODE, "follow this node"),
}
PERMISSIONS: Mapping[Permission, PermissionRow] = {each: PermissionRow(*_ROWS[each]) for each in Permission}

# What holds for the whole app even of who is limited to one of its channels: they could offer nothing there without.
CARRIED = frozenset({Permission.READ_APP, Permission.UPLOAD_BUNDLES})
# What `change_test_channels` gives of a channel that is marked as a test channel; see `effects`.
OF_TEST_CHANNELS = frozenset(
    {
        Permission.CHANGE_CHANNELS,
        Permission.CHANGE_ROLLOUTS,
        Permission.ROLL_BACK,
        Permission.CHANGE_EXPERIMENTS,
        Permission.CHANGE_GUARD,
    }
)

# Whoever has one of them may ask for an undo; what it takes back decides.
CHANGES = OF_TEST_CHANNELS | {
    Permission.CHANGE_TEST_CHANNELS,
    Permission.LIFT_DEVICES,
    Permission.DELETE_BUNDLES,
    Permission.CHANGE_SEGMENTS,
    Permission.CHANGE_FEATURES,
    Permission.SEND_MESSAGES,
    Permission.SET_RULES,
    Permission.DELETE_APP,
}


class Role(enum.Enum):
    """The roles that are always there; `people` adds an installation's own."""

    ADMIN = "admin"
    RELEASER = "releaser"
    DEVELOPER = "developer"
    SUPPORT = "support"
    VIEWER = "viewer"
    # As tokens had them before there were people: with exactly the rights that they had then.
    PUBLISHER = "publisher"
    UPLOADER = "uploader"  # for build machines: uploads bundles, offers none
    READER = "reader"
    REPORTER = "reporter"  # for the team's other systems: states outcomes
    NODE = "node"  # another node, which follows this one


# Tell nothing but what one may do anyway; own roles have them, too.
FOR_ALL = frozenset({Permission.READ_SELF, Permission.LIST_APPS})
_VIEWS = FOR_ALL | {Permission.READ_APP, Permission.READ_NODE}
_READS = _VIEWS | {Permission.LOOK_UP_DEVICES, Permission.EXPORT_EVENTS}
_UPLOADS = _READS | {Permission.UPLOAD_BUNDLES}
_DEVELOPS = _VIEWS | {Permission.LOOK_UP_DEVICES, Permission.UPLOAD_BUNDLES, Permission.CHANGE_TEST_CHANNELS}
_OFFERS = OF_TEST_CHANNELS | {
    Permission.CHANGE_TEST_CHANNELS,
    Permission.DELETE_BUNDLES,
    Permission.CHANGE_SEGMENTS,
}

GRANTED: Mapping[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission),
    Role.RELEASER: _DEVELOPS | _OFFERS | {Permission.CHANGE_FEATURES, Permission.APPROVE_CHANGES},
    Role.DEVELOPER: _DEVELOPS,
    Role.SUPPORT: _VIEWS | {Permission.LOOK_UP_DEVICES, Permission.LIFT_DEVICES, Permission.ERASE_DEVICES},
    Role.VIEWER: _VIEWS,
    Role.PUBLISHER: _UPLOADS
    | _OFFERS
    | {Permission.LIFT_DEVICES, Permission.ERASE_DEVICES, Permission.CHANGE_APP, Permission.STATE_OUTCOMES},
    Role.UPLOADER: _UPLOADS,
    Role.READER: _READS,
    Role.REPORTER: frozenset({Permission.READ_SELF, Permission.STATE_OUTCOMES}),
    Role.NODE: frozenset({Permission.READ_SELF, Permission.FOLLOW, Permission.SEND_HOME}),
}
ROLE_WORDS: Mapping[Role, str] = {  # each follows "it"
    Role.ADMIN: "may do everything",
    Role.RELEASER: "may upload, offer and take back bundles, change features, approve",
    Role.DEVELOPER: "may upload bundles and change test channels",
    Role.SUPPORT: "may look up devices, lift and erase them",
    Role.VIEWER: "may look",
    Role.PUBLISHER: "may upload and offer bundles",
    Role.UPLOADER: "may upload bundles",
    Role.READER: "may read",
    Role.REPORTER: "may state outcomes",
    Role.NODE: "may follow and report as a node",
}
LIMITABLE = frozenset(Role) - {Role.ADMIN, Role.NODE}  # their tokens may be limited to one app


def roles_with(permission: Permission) -> list[Role]:
    """Those that have it, the smallest first."""
    return sorted((role for role in Role if permission in GRANTED[role]), key=lambda role: len(GRANTED[role]))
