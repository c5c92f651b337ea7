"""`edge feature` on a node: made, foreseen, explained, killed, tried, undone."""

import json

from running_node import app_name

DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"


def test_a_feature_lives_from_its_first_value_to_its_end(node, request):
    app = app_name(request)
    node.text("app", "create", app)
    node.text("segment", "set", app, "beta", "--where", 'custom_id == "beta"')
    made = node.text(
        "feature", "set", app, "checkout", "--type", "boolean", "--default", "false", "--rule", "beta => true"
    )
    assert made == "set feature checkout\n  segment beta → true\n  everybody else → false\n"
    node.text("feature", "set", app, "speed", "--type", "number", "--default", "1.0", "--prerequisite", "checkout")
    assert [(each["name"], each["type"]) for each in node.json("feature", "list", app)] == [
        ("checkout", "boolean"),
        ("speed", "float"),
    ]
    assert "needed by   speed" in node.text("feature", "show", app, "checkout")
    foreseen = node.json("feature", "preview", app, "checkout", "--share", "50% => true")
    assert (foreseen["devices"], [each["feature"] for each in foreseen["others"]]) == (0, ["speed"])
    assert node.json("feature", "set", app, "checkout", "--default", "true", "--dry-run")["dry_run"] is True
    said = json.dumps({"targetingKey": DEVICE, "custom_id": "beta", "platform": "ios"})
    told = node.text("feature", "explain", app, "checkout", "--context", said)
    assert "rule rule-1" in told and "checkout = true: variant rule-1, TARGETING_MATCH (rule)" in told
    assert node.json("feature", "explain", app, "checkout", DEVICE)["value"] is False
    assert (
        node.json("feature", "explain", app, "checkout", "--context", '{"targetingKey": "a"}')["asked"]["platform"]
        == ""
    )
    node.text(
        "feature", "set", app, "classic", "--type", "boolean", "--default", "false",
        "--rule", "true => true", "--prerequisite", "checkout=false",
    )  # fmt: skip
    warned = "; this may turn on classic, which needs what every device then gets\n"
    assert f"kill feature checkout of {app}{warned}" in node.text("feature", "kill", app, "checkout", "--dry-run")
    assert "if killed   may turn on classic" in node.text("feature", "show", app, "checkout")
    assert node.text("feature", "kill", app, "checkout") == f"killed checkout: everybody gets false{warned}"
    assert node.json("feature", "explain", app, "checkout", "--context", said)["reason"] == "DISABLED"
    node.text("feature", "revive", app, "checkout", "--yes")
    assert node.json("feature", "used", app, "checkout")["given"] == []
    assert "kill_feature" in node.text("history", app) and "revive_feature" in node.text("history", app)


def test_an_experiment_on_a_feature_is_started_shown_and_stopped(node, request):
    app = app_name(request)
    node.text("app", "create", app)
    node.text("feature", "set", app, "colour", "--type", "string", "--default", "grey", "--note")
    arms = ("--arm", "old=grey:50", "--arm", "new=light blue:50")
    begun = node.text(
        "experiment", "start", app, "feature:colour", "look", *arms, "--hold-out", "10", "--asks", "Which?"
    )
    assert begun == 'started experiment look: old 50% "grey", new 50% "light blue" on feature colour\n'
    assert node.json("experiment", "show", app, "feature:colour")["kind"] == "features"
    assert "every device that asks for it" in node.text("experiment", "show", app, "feature:colour")
    assert "feature:colour" in node.text("experiment", "show", app)
    shown = node.text("feature", "show", app, "colour")
    assert "said that they used colour" in shown and f"edge experiment show {app} feature:colour" in shown
    stopped = node.text("experiment", "stop", app, "feature:colour", "--keep", "new")
    assert stopped == 'stopped the experiment; colour gives "light blue" to everybody that no rule takes\n'
    assert node.json("undo", app, "--yes", "--force")["changed"] is True
    assert node.json("feature", "show", app, "colour")["experiment"]["name"] == "look"
