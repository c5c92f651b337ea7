"""The guard, a publish that starts a rollout, and reasons, as a person types them, against a node that really runs."""

import pytest
from running_node import app_name, write_folder


@pytest.fixture
def app(node, request, tmp_path):
    """An app of this test's own: 1.0.1 on the public channel `stable`."""
    name = app_name(request)
    node.text("app", "create", name)
    node.text("channel", "create", name, "stable", "--public")
    folder = write_folder(tmp_path / "1.0.1", {"index.html": b"1.0.1"})
    node.text("bundle", "publish", name, folder, "--version", "1.0.1", "--channel", "stable")
    return name


def test_rules_are_set_shown_and_switched_off(node, app):
    said = node.text("guard", "set", app, "stable", "--max-failure", "1.5%", "--silence", "pause", "--everything")
    assert "1.5% (update_fail)" in said
    assert node.json("guard", "show", app, "stable")["max_failure"] == "1.5%"
    shown = node.text("guard", "show", app, "stable")
    assert "rollouts and plain publishes" in shown
    assert "publish of 1.0.1 since" in shown
    assert "watches  nothing" in node.text("guard", "off", app, "stable", "--reason", "a demo")
    assert "watches  rollouts" in node.text(
        "guard", "set", app, "stable", "--trusted-prefix", "203.0.113.0/24"
    ).replace("watches   ", "watches ")
    listed = node.json("guard", "history", app, "stable")["entries"]
    assert [each["reason"] for each in listed] == ["", "a demo", ""]
    assert "a demo" in node.text("guard", "history", app, "stable")


def test_a_publish_starts_a_guarded_rollout_in_one_change(node, app, tmp_path):
    folder = write_folder(tmp_path / "1.1.0", {"index.html": b"1.1.0"})
    options = ("--version", "1.1.0", "--channel", "stable", "--rollout", "1,5,25,100", "--every", "6h")
    said = node.text("bundle", "publish", app, folder, *options, "--reason", "spring release")
    assert f"published 1.1.0 of {app}, offered to 1% on stable" in said
    assert "step 1 of 4 (1%, 5%, 25%, 100%); the next step at 20" in said
    assert "the guard pauses it if more than 2% of the installs fail" in said
    (line,) = node.json("history", app, "--limit", "1")
    assert (line["kind"], line["reason"]) == ("publish_bundle", "spring release")
    assert "because: spring release" in node.text("history", app, "--limit", "1")
    shown = node.text("rollout", "show", app, "stable")
    assert "pauses it above 2% of update_fail" in shown
    again = node.text("bundle", "publish", app, folder, *options)
    assert "no change: 1.1.0" in again


def test_a_resume_says_that_the_count_begins_again(node, app, tmp_path):
    folder = write_folder(tmp_path / "1.1.0", {"index.html": b"1.1.0"})
    node.text("bundle", "publish", app, folder, "--version", "1.1.0", "--channel", "stable", "--rollout", "1,100")
    node.text("rollout", "pause", app, "stable")
    assert "the guard counts from now on" in node.text("rollout", "resume", app, "stable", "--reason", "a false alarm")
    assert "counted from its last resume on (1)" in node.text("guard", "show", app, "stable")


def test_steps_can_wait_for_the_guard(node, app, tmp_path):
    node.text("guard", "set", app, "stable", "--auto-advance")
    folder = write_folder(tmp_path / "1.1.0", {"index.html": b"1.1.0"})
    options = ("--version", "1.1.0", "--channel", "stable", "--rollout", "1,100", "--every", "1h")
    assert "the next step begins once the guard knows enough" in node.text("bundle", "publish", app, folder, *options)
    assert "once the guard knows enough" in node.text("rollout", "show", app, "stable")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--rollout", "1,100"), "--rollout needs --channel"),
        (("--channel", "stable", "--every", "6h"), "--every needs --rollout"),
    ],
)
def test_a_rollout_needs_its_parts(node, tmp_path, options, reason):
    folder = write_folder(tmp_path / "1.1.0", {"index.html": b"1.1.0"})
    run = node.run("bundle", "publish", "com.example.any", folder, "--version", "1.1.0", *options)
    assert (run.exit_code, reason in run.stderr) == (2, True)
