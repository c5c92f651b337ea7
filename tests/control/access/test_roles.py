"""The table of roles: what was there before there were people has exactly its rights, and each new role its own."""

import json
from pathlib import Path

import pytest

from edge.control.access.effects import check_offering
from edge.control.access.grants import Grant, hold_of, refusal
from edge.control.access.roles import GRANTED, PERMISSIONS, ROLE_WORDS, Permission, Role, roles_with
from edge.control.doors.table import OPERATIONS
from edge.control.operations import may_pass
from edge.domain.errors import Forbidden
from edge.domain.model import AppId, AppState

APP, OTHER = "com.acme.app", "com.other.app"
P = Permission
# Role and scope -> the operations that the table before this one granted of those that there were.
BEFORE = json.loads((Path(__file__).parent / "rights_before_people.json").read_text())
SCOPES = {"everything": None, "its app": APP, "another app": OTHER}
THEN = {name for granted in BEFORE.values() for name in granted}


def grant_of(role, app=None):
    return Grant("ci", (hold_of(role, app),))


def may_now(grant):
    """All that is asked of one app: the door, and what is asked behind it."""
    passed = {
        operation.name
        for operation in OPERATIONS
        if may_pass(operation, grant, APP if "{app}" in operation.path else None, "production")
    }
    state = AppState(app=AppId(APP), revision=1)
    try:
        check_offering(grant, state, "production", rolls_out=False)
        passed.add("publish_bundle to a channel")
    except Forbidden:
        pass
    return passed | ({"undo of a deletion"} if grant.may(P.DELETE_APP, APP) else set())


@pytest.mark.parametrize("who", BEFORE)
def test_a_role_of_before_has_exactly_the_rights_that_it_had(who):
    role, scope = who.split(", ")
    assert sorted(may_now(grant_of(Role(role), SCOPES[scope])) & THEN) == BEFORE[who]


def test_roles_of_before_gain_nothing_new_but_an_admin():
    new = {P.CHANGE_FEATURES, P.SEND_MESSAGES, P.MANAGE_PUSH, P.APPROVE_CHANGES, P.SET_RULES, P.MANAGE_PEOPLE}
    for role in (Role.PUBLISHER, Role.UPLOADER, Role.READER, Role.REPORTER, Role.NODE):
        assert not GRANTED[role] & (new | {P.READ_AUDIT}), role


VIEWS = {P.READ_SELF, P.LIST_APPS, P.READ_APP, P.READ_NODE}
NEW_ROLES = {
    Role.VIEWER: VIEWS,
    Role.SUPPORT: VIEWS | {P.LOOK_UP_DEVICES, P.LIFT_DEVICES, P.ERASE_DEVICES},
    Role.DEVELOPER: VIEWS | {P.LOOK_UP_DEVICES, P.UPLOAD_BUNDLES, P.CHANGE_TEST_CHANNELS},
    Role.RELEASER: VIEWS
    | {P.LOOK_UP_DEVICES, P.UPLOAD_BUNDLES, P.DELETE_BUNDLES, P.CHANGE_TEST_CHANNELS, P.CHANGE_CHANNELS}
    | {P.CHANGE_ROLLOUTS, P.ROLL_BACK, P.CHANGE_SEGMENTS, P.CHANGE_EXPERIMENTS, P.CHANGE_GUARD}
    | {P.CHANGE_FEATURES, P.APPROVE_CHANGES},
    Role.ADMIN: set(P),
}


@pytest.mark.parametrize("role", NEW_ROLES)
def test_each_new_role_has_its_permissions(role):
    assert GRANTED[role] == NEW_ROLES[role]


def test_every_role_and_permission_has_words():
    assert set(ROLE_WORDS) == set(Role) == set(GRANTED) and set(PERMISSIONS) == set(Permission)
    assert all(row.words and row.words[0].islower() for row in PERMISSIONS.values())


def test_every_permission_is_an_admins_at_least():
    assert all(Role.ADMIN in roles_with(permission) for permission in Permission)


def test_a_refusal_states_who_what_which_roles_and_whom_to_ask():
    assert refusal(grant_of(Role.READER), P.UPLOAD_BUNDLES, APP) == (
        "token 'ci' (reader) may not upload bundles in app 'com.acme.app': developer or uploader or releaser or "
        "publisher or admin may (upload_bundles); ask an admin for a token that may"
    )
    assert refusal(grant_of(Role.READER, APP), P.READ_APP, OTHER) == (
        "token 'ci' is limited to app com.acme.app: it may not read the app in app 'com.other.app'; "
        "ask an admin for a token that may"
    )
    assert refusal(Grant("anna@acme.com", ()), P.ROLL_BACK, APP, "production").startswith(
        "anna@acme.com (no role) may not roll back or withdraw in app 'com.acme.app' on channel 'production': releaser"
    )
