"""A feature's form: what it asks of the API and of the command, and beside which field a refusal stands."""

import pytest

from edge.control.routes.features.feature_views import settings_of, view_feature
from edge.domain.app_parts.stored_features import Feature, FeatureKind, Prerequisite
from edge.domain.model import AppId, AppState
from edge.page.acts.feature_forms import Nameable, plan_feature_form

KNOWN = Nameable(["beta"], {"checkout": "boolean", "colour": "string", "speed": "float"})
EXPRESS = Feature(
    name="express",
    kind=FeatureKind.BOOLEAN,
    default="false",
    salt="e",
    prerequisites=(Prerequisite(feature="checkout", value="true"), Prerequisite(feature="colour", value='"a, b"')),
    server_only=True,
)


def planned(fields, feature=EXPRESS):
    state = AppState(app=AppId("com.acme"), revision=1, features={"express": EXPRESS})
    view = view_feature(state, feature) if feature else None
    return plan_feature_form("com.acme", view, KNOWN, fields)


def written(plan) -> dict[str, str]:
    return {each.name: each.value for each in plan.asked}


def test_the_form_has_what_is_set_and_that_changes_nothing():
    form = written(planned({}))
    assert (form["prerequisites"], form["server_only"]) == ('checkout\ncolour="a, b"', "yes")
    assert "nothing is different" in next(each.error for each in planned(form).asked if each.name == "default")


def test_only_what_differs_is_changed_and_the_command_does_the_same():
    form = written(planned({}))
    plan = planned(form | {"prerequisites": "colour = a, b\r\nspeed=1", "server_only": ""})
    given = settings_of(plan.body)
    assert [(each.feature, each.value) for each in given.prerequisites] == [("colour", '"a, b"'), ("speed", "1")]
    assert (given.server_only, [each.many for each in plan.changes]) == (False, ["Prerequisites", "Given to"])
    assert plan.command == (
        "edge feature set com.acme express --prerequisite 'colour = a, b' --prerequisite speed=1 --for-devices"
    )
    assert planned(form | {"prerequisites": ""}).command.endswith("--no-prerequisites")


@pytest.mark.parametrize(
    ("field", "text", "code"),
    [
        ("default", "1", "invalid_value"),
        ("rules", "beta => 1", "invalid_value"),
        ("rules", "beta @ 200% => true", "invalid_share"),
        ("rules", "beta", "invalid_rule"),
        ("share", "200% => true", "invalid_share"),
        ("share", "20% => blue", "invalid_value"),
        ("prerequisites", "checkout\nspeed=fast", "invalid_value"),
        ("prerequisites", "checkout=1", "invalid_value"),
        ("prerequisites", "colour", "invalid_prerequisite"),
    ],
)
def test_a_refusal_stands_beside_its_field(field, text, code):
    refused = planned(written(planned({})) | {field: text})
    assert {each.name: each.error.rpartition(" ")[2] for each in refused.asked if each.error} == {field: f"[{code}]"}


def test_a_new_feature_is_asked_for_with_all_that_was_given():
    fields = {"name": "quick", "type": "string", "about": "", "default": "no", "prerequisites": "checkout"}
    plan = planned(fields | {"server_only": "yes", "rules": "", "share": "", "needs": "", "noted": ""}, None)
    assert plan.command == (
        "edge feature set com.acme quick --type string --default no --prerequisite checkout --server-only"
    )
    assert settings_of(plan.body).server_only is True
