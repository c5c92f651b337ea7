"""What admins do about people and tokens on the page, planned: the operation, its body, and the command that is it."""

import pytest

from edge.control.shapes.access.people import HeldBody
from edge.domain.errors import EdgeError
from edge.page.acts.people_plans import Choices, plan_people_act

CHOICES = Choices(["viewer", "releaser"], ["everything", "org:acme", "app:com.a"])
ANNA = {"person": "anna@example.com"}
ROLE = {"role": "viewer", "scope": "org:acme"}


def plan(act, fields):
    return plan_people_act(act, fields, CHOICES)


@pytest.mark.parametrize(("act", "fields", "operation", "command"), [
    ("add-person", {"mail": "a@b.c", "words": "An A", **ROLE}, "add_person",
     "edge person add a@b.c --name 'An A' --role viewer --org acme"),
    ("add-person", {"mail": "a@b.c", "role": "", "scope": "everything"}, "add_person", "edge person add a@b.c"),
    ("invite", ANNA, "invite_person", "edge person invite anna@example.com"),
    ("sign-out", ANNA, "sign_person_out", "edge person sign-out anna@example.com"),
    ("remove-person", ANNA, "remove_person", "edge person remove anna@example.com"),
    ("give-role", {**ANNA, "role": "viewer", "scope": "app:com.a", "channel": "beta"}, "grant_role",
     "edge person grant anna@example.com viewer --app com.a --channel beta"),
    ("take-role", {**ANNA, **ROLE}, "revoke_role", "edge person revoke anna@example.com viewer --org acme"),
    ("make-token", {"name": "ci", "role": "viewer", "scope": "everything", "lifetime": "90d"}, "create_token",
     "edge token create ci --role viewer --for 90d"),
    ("rotate-token", {"token": "ci"}, "rotate_token", "edge token rotate ci --keep 24h"),
    ("revoke-token", {"token": "ci"}, "revoke_token", "edge token revoke ci"),
])  # fmt: skip
def test_an_act_is_an_operation_and_a_command(act, fields, operation, command):
    found = plan(act, fields)
    assert (found.act.operation, found.command, found.asked) == (operation, command, ())
    assert found.touches and found.body != ()


def test_what_is_missing_is_asked_for():
    for act, fields in (("add-person", {}), ("give-role", ANNA), ("make-token", {"name": "ci"})):
        asked = plan(act, fields).asked
        assert {"role", "scope", "channel"} <= {each.name for each in asked}, act
        picked = next(each.value for each in asked if each.name == "role")
        assert picked == {"add-person": "", "give-role": "viewer", "make-token": "uploader"}[act]
    assert plan("take-role", {**ANNA, **ROLE}).body == HeldBody(role="viewer", scope="org:acme")


@pytest.mark.parametrize(("act", "fields", "code"), [
    ("nothing", {}, "unknown_act"),
    ("invite", {}, "invalid_form"),
    ("take-role", ANNA, "invalid_form"),
    ("give-role", {**ANNA, "role": "viewer", "scope": "x"}, "invalid_scope"),
    ("give-role", {**ANNA, **ROLE, "channel": "beta"}, "invalid_scope"),
    ("make-token", {"name": "ci", "role": "viewer", "scope": "everything", "lifetime": "x"}, "invalid_duration"),
])  # fmt: skip
def test_what_is_not_valid_is_refused(act, fields, code):
    with pytest.raises(EdgeError) as refused:
        plan(act, fields)
    assert refused.value.code == code
