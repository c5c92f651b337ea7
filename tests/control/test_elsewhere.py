"""A node that follows reads, and refuses every change by the name of the node that makes it."""

import pytest

from edge.control.access.roles import Permission
from edge.control.doors.table import OPERATIONS
from edge.control.operations import check_here
from edge.domain.errors import Conflict

ORIGIN = "https://origin.example.com:8081"
MADE_HERE = {"create_login_link"}


def refused() -> set[str]:
    found = set()
    for operation in OPERATIONS:
        try:
            check_here(operation, ORIGIN)
        except Conflict as error:
            assert error.code == "not_the_origin" and ORIGIN in error.message
            found.add(operation.name)
    return found


def test_whatever_changes_an_app_is_refused_where_the_origin_is_elsewhere():
    assert {operation.name for operation in OPERATIONS if operation.changes or operation.takes_id} <= refused()
    changing = {Permission.MANAGE_TOKENS, Permission.MANAGE_STORE, Permission.MANAGE_WEBHOOKS, Permission.SEND_HOME}
    others = {each.name for each in OPERATIONS if each.permission in changing and each.method != "GET"}
    assert others - MADE_HERE <= refused()


def test_whatever_reads_is_answered():
    reads = {operation.name for operation in OPERATIONS if operation.method == "GET"}
    assert not refused() & (reads | {"explain", "preview_rollout", "follow_documents"})


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_nothing_is_refused_on_the_node_that_holds_the_truth(operation):
    check_here(operation, "")
