"""The whole table: every role, limited or not, for every permission, on its own app and on another."""

import pytest

from edge.control.access.roles import Permission, Role, allows, refusal

APP, OTHER = "com.acme.app", "com.other.app"
P = Permission

OWN = {P.READ_SELF, P.LIST_APPS}
OF_ONE_APP = {P.READ_APP, P.UPLOAD_BUNDLES, P.CHANGE_APP, P.STATE_OUTCOMES}

# (role, limited to) -> what it may do to APP; what is left out is refused.
GRANTED = {
    (Role.ADMIN, None): set(Permission),
    (Role.PUBLISHER, None): OWN | OF_ONE_APP | {P.READ_NODE},
    (Role.PUBLISHER, APP): OWN | OF_ONE_APP,
    (Role.PUBLISHER, OTHER): OWN,
    (Role.UPLOADER, None): OWN | {P.READ_APP, P.UPLOAD_BUNDLES, P.READ_NODE},
    (Role.UPLOADER, APP): OWN | {P.READ_APP, P.UPLOAD_BUNDLES},
    (Role.UPLOADER, OTHER): OWN,
    (Role.READER, None): OWN | {P.READ_APP, P.READ_NODE},
    (Role.READER, APP): OWN | {P.READ_APP},
    (Role.READER, OTHER): OWN,
    (Role.REPORTER, None): {P.READ_SELF, P.STATE_OUTCOMES},
    (Role.REPORTER, APP): {P.READ_SELF, P.STATE_OUTCOMES},
    (Role.REPORTER, OTHER): {P.READ_SELF},
    (Role.NODE, None): {P.READ_SELF, P.FOLLOW, P.SEND_HOME},
}
CELLS = [(role, scope, permission) for role, scope in GRANTED for permission in Permission]


@pytest.mark.parametrize(("role", "scope", "permission"), CELLS)
def test_every_cell_of_the_table(role, scope, permission):
    of_one_app = permission in OF_ONE_APP
    expected = permission in GRANTED[role, scope]
    assert allows(role, scope, permission, APP if of_one_app else None) is expected


def test_the_table_names_every_role():
    assert {role for role, _ in GRANTED} == set(Role)


@pytest.mark.parametrize("permission", sorted(OF_ONE_APP, key=lambda permission: permission.value))
def test_a_limited_token_may_do_nothing_where_no_app_is_named(permission):
    assert not allows(Role.PUBLISHER, APP, permission, None)


@pytest.mark.parametrize(
    ("role", "scope", "permission", "message"),
    [
        (
            Role.UPLOADER,
            APP,
            Permission.CHANGE_APP,
            "token 'ci' has role uploader: it may upload bundles but not change an app or offer anything; use a token "
            "with role publisher or admin",
        ),
        (
            Role.READER,
            None,
            Permission.UPLOAD_BUNDLES,
            "token 'ci' has role reader: it may read but not upload bundles; use a token with role uploader or "
            "publisher or admin",
        ),
        (Role.READER, APP, Permission.READ_APP, f"token 'ci' is limited to app {APP!r}: it may not read this app"),
    ],
)
def test_a_refusal_states_what_the_role_may_do_and_which_roles_may_do_the_rest(role, scope, permission, message):
    assert refusal("ci", role, scope, permission) == message


def test_every_refusal_has_words_and_no_internal_name():
    for role in Role:
        for permission in Permission:
            assert permission.value not in refusal("ci", role, APP, permission)
