"""The whole table: every role, limited or not, for every permission, on its own app and on another."""

import pytest

from edge.control.roles import Permission, Role, allows

APP, OTHER = "com.acme.app", "com.other.app"
P = Permission

# (role, limited to) -> what it may do to APP; what is left out is refused.
GRANTED = {
    (Role.ADMIN, None): {P.LIST_APPS, P.READ_APP, P.CHANGE_APP, P.CREATE_APP, P.READ_NODE, P.MANAGE_TOKENS},
    (Role.PUBLISHER, None): {P.LIST_APPS, P.READ_APP, P.CHANGE_APP, P.READ_NODE},
    (Role.PUBLISHER, APP): {P.LIST_APPS, P.READ_APP, P.CHANGE_APP},
    (Role.PUBLISHER, OTHER): {P.LIST_APPS},
    (Role.READER, None): {P.LIST_APPS, P.READ_APP, P.READ_NODE},
    (Role.READER, APP): {P.LIST_APPS, P.READ_APP},
    (Role.READER, OTHER): {P.LIST_APPS},
    (Role.NODE, None): {P.LIST_APPS, P.READ_APP, P.READ_NODE},
}
CELLS = [(role, scope, permission) for role, scope in GRANTED for permission in Permission]


@pytest.mark.parametrize(("role", "scope", "permission"), CELLS)
def test_every_cell_of_the_table(role, scope, permission):
    of_one_app = permission in {P.READ_APP, P.CHANGE_APP}
    expected = permission in GRANTED[role, scope]
    assert allows(role, scope, permission, APP if of_one_app else None) is expected


def test_the_table_names_every_role():
    assert {role for role, _ in GRANTED} == set(Role)


@pytest.mark.parametrize("permission", [P.READ_APP, P.CHANGE_APP])
def test_a_limited_token_may_nothing_where_no_app_is_named(permission):
    assert not allows(Role.PUBLISHER, APP, permission, None)
