"""Features over the API: values as JSON, typed; the kill switch; what a change would give to whom; experiments."""

import pytest
from control_world import APP, DEVICE

FEATURES = f"/v1/apps/{APP}/features"
CHECKOUT = f"{FEATURES}/checkout"
BODY = {
    "app_id": APP,
    "device_id": DEVICE,
    "platform": "android",
    "version_name": "1.4.0",
    "version_build": "1.0.0",
    "plugin_version": "8.51.14",
    "is_prod": True,
    "is_emulator": False,
}


@pytest.fixture
async def app(api):
    await api("POST", "/v1/apps", {"app": APP})
    await api("PATCH", f"/v1/apps/{APP}/segments/droids", {"where": 'platform == "android"'})
    return api


async def test_a_feature_is_shown_as_it_was_set(app):
    made = await app(
        "PATCH",
        CHECKOUT,
        {
            "type": "float",
            "default": 1,
            "rules": [
                {"segment": "droids", "share": "12.5%", "value": 2.5},
                {"name": "qa", "where": 'custom_id == "qa"', "value": 3},
            ],
            "share": {"share": "10%", "value": 4},
            "needs": ">=1.4",
            "about": "How fast",
        },
    )
    shown = await app("GET", CHECKOUT)
    assert made == shown | {"app": APP, "revision": 3, "changed": True}
    assert (shown["type"], shown["default"], shown["version"], shown["on"]) == ("float", 1.0, 3, True)
    assert [(each["name"], each["share"], each["value"]) for each in shown["rules"]] == [
        ("rule-1", "12.5%", 2.5),
        ("qa", None, 3.0),
    ]
    assert [each["whom"] for each in shown["said"]] == [
        "bundle below 1.4",
        "12.5% of segment droids",
        'custom_id == "qa"',
        "10% of the others",
        "everybody else",
    ]
    assert await app("GET", FEATURES) == [shown]


async def test_a_number_is_stored_as_it_is_written(app):
    async def refusal(content):
        return await app("PATCH", CHECKOUT, content=content, status=422)

    assert await refusal(b'{"type": "integer", "default": 1.0}') == "invalid_value"
    assert await refusal(b'{"type": "integer", "default": 99999999999999999999}') == "invalid_value"
    assert await refusal(b'{"type": "string", "default": null}') == "invalid_value"


async def test_a_killed_feature_gives_its_default_until_it_is_revived(app):
    await app("PATCH", CHECKOUT, {"type": "boolean", "default": False, "rules": [{"segment": "droids", "value": True}]})
    assert (await app("POST", f"{CHECKOUT}/explain", BODY))["value"] is True
    assert (await app("POST", f"{CHECKOUT}/kill"))["on"] is False
    killed = await app("POST", f"{CHECKOUT}/explain", BODY)
    assert (killed["value"], killed["reason"], killed["metadata"]["why"]) == (False, "DISABLED", "killed")
    assert (await app("POST", f"{CHECKOUT}/kill"))["changed"] is False
    assert (await app("POST", f"{CHECKOUT}/revive"))["on"] is True


async def test_an_explanation_ends_with_the_step_that_decides(app):
    rules = [{"segment": "droids", "value": "blue", "share": "0%"}, {"where": "is_prod", "value": "red"}]
    await app("PATCH", CHECKOUT, {"type": "string", "default": "grey", "rules": rules})
    told = await app("POST", f"{CHECKOUT}/explain", BODY)
    assert [(each["step"], each["outcome"], each["decides"]) for each in told["steps"]] == [
        ("kill_switch", "on", False),
        ("rule rule-1", "matches, not drawn", False),
        ("rule rule-2", "matches", True),
    ]
    assert (told["value"], told["variant"], told["reason"]) == ("red", "rule-2", "TARGETING_MATCH")
    asked = await app("GET", f"{CHECKOUT}/explain?is_prod=false&device_id={DEVICE}")
    assert (asked["value"], asked["variant"]) == ("grey", "default")
    assert await app("GET", f"{FEATURES}/gone/explain?device_id={DEVICE}", status=404) == "unknown_feature"


async def test_a_dry_run_names_the_features_that_give_something_else(app):
    await app("PATCH", CHECKOUT, {"type": "boolean", "default": False, "rules": [{"segment": "droids", "value": True}]})
    needing = {"type": "boolean", "default": False, "prerequisites": [{"feature": "checkout"}]}
    await app("PATCH", f"{FEATURES}/express", needing)
    segment = f"/v1/apps/{APP}/segments/droids"
    foreseen = await app("PATCH", f"{segment}?dry_run=true", {"where": "is_prod"})
    assert [each["feature"] for each in foreseen["impact"]["features"]] == ["checkout", "express"]
    foreseen = await app("PATCH", f"{segment}?dry_run=true", {"priority": 3})
    assert foreseen["impact"]["features"] == []
    assert [each["feature"] for each in (await app("POST", f"{CHECKOUT}/preview", {"default": True}))["others"]] == [
        "express"
    ]
    assert await app("DELETE", CHECKOUT, status=409) == "feature_in_use"


async def test_an_experiment_on_a_feature_ends_with_one_value(app):
    await app("PATCH", CHECKOUT, {"type": "string", "default": "old"})
    arms = [{"name": "a", "value": "old", "share": "50"}, {"name": "b", "value": "new", "share": "50"}]
    begun = await app("POST", f"{CHECKOUT}/experiment", {"name": "look", "arms": arms, "hold_out": "10"})
    assert [arm["value"] for arm in begun["experiment"]["arms"]] == ["old", "new"]
    assert await app("DELETE", CHECKOUT, status=409) == "experiment_active"
    read = await app("GET", f"{CHECKOUT}/experiment/reading")
    assert (read["kind"], read["channel"]) == ("features", "feature:checkout")
    assert [(arm["name"], arm["value"]) for arm in read["arms"]] == [("a", '"old"'), ("b", '"new"')]
    kept = await app("POST", f"{CHECKOUT}/experiment/stop", {"keep": "b"})
    assert (kept["experiment"], kept["share"]) == (None, {"share": "100%", "value": "new"})
    assert (await app("DELETE", CHECKOUT))["changed"] is True
