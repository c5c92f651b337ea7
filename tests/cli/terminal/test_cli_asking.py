"""Before a change takes something from devices: what is said, what is asked, and that a no changes nothing."""

import pytest
from running_node import app_name, at_terminal, web_build, write_folder

DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"


@pytest.fixture
def app(node, request, tmp_path):
    """1.0.0, then 1.1.0, which one device runs, on the public channel."""
    name = app_name(request)
    node.text("app", "create", name)
    node.text("channel", "create", name, "stable", "--public")
    folder = write_folder(tmp_path / "build", web_build(1))
    for version in ("1.0.0", "1.1.0"):
        (folder / "index.html").write_text(version)
        node.text("bundle", "publish", name, folder, "--version", version, "--channel", "stable")
    assert node.device(name, tmp_path / "phone").exit_code == 0
    return name


def asked(app):
    return {
        "withdraw": ("bundle", "withdraw", app, "1.1.0", "--reason", "white screen"),
        "delete a bundle": ("bundle", "delete", app, "0.9.0"),
        "delete a channel": ("channel", "delete", app, "stable"),
        "builtin": ("channel", "set", app, "stable", "--bundle", "builtin"),
        "public": ("channel", "set", app, "quiet", "--public", "--replace"),
        "public at once": ("channel", "create", app, "beta", "--public", "--replace"),
        "promote": ("rollout", "promote", app, "stable"),
        "undo": ("undo", app),
        "delete an app": ("app", "delete", app),
        "a forced setting": ("channel", "set", app, "stable", "--bundle", "2.0.0", "--force"),
        "a downgrade": ("channel", "set", app, "stable", "--bundle", "1.0.0", "--downgrade"),
        "a forced publish": ("bundle", "publish", app, ".", "--version", "2.0.0", "--channel", "stable", "--force"),
        "prune": ("bundle", "prune", app, "--keep", "0"),
    }


def prepared(app, folder):
    """What some of these need to change anything."""
    return {
        "public": ("channel", "create", app, "quiet"),
        "promote": ("rollout", "start", app, "stable", "--bundle", "1.0.0", "--steps", "1", "--downgrade"),
        "prune": ("bundle", "publish", app, folder, "--version", "0.9.0"),
        "delete a bundle": ("bundle", "publish", app, folder, "--version", "0.9.0"),
        "a forced setting": ("bundle", "publish", app, folder, "--version", "2.0.0"),
    }


NAMED = {
    "withdraw": "withdrawing 1.1.0 of {app} needs confirmation: add --yes, or --dry-run to see which devices it",
    "delete a bundle": "deleting 0.9.0 of {app} needs confirmation: add --yes, or --dry-run to see what it would",
    "undo": "undoing revision 4 of {app} needs confirmation",
    "prune": "pruning 1 bundle of {app} needs confirmation",
    "a forced publish": "publishing 2.0.0 of {app} to channel stable needs confirmation",
}


@pytest.mark.parametrize("kind", asked(""))
def test_a_script_says_yes_or_nothing_is_changed(node, app, kind, tmp_path):
    if kind in prepared(app, ""):
        node.text(*prepared(app, write_folder(tmp_path / "old", web_build(2)))[kind])
    before = node.json("app", "show", app)["revision"]
    done = node.run(*asked(app)[kind])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "needs confirmation: add --yes" in done.stderr and "nothing was changed" in done.stderr
    assert NAMED.get(kind, "").format(app=app) in done.stderr
    assert node.json("app", "show", app)["revision"] == before


@pytest.mark.parametrize(
    "wrong",
    [
        ("bundle", "withdraw", "APP", "9.9.9", "--reason", "x"),
        ("bundle", "publish", "APP", ".", "--version", "2.0.0", "--channel", "nope", "--force"),
        ("channel", "set", "APP", "nope", "--public"),
        ("channel", "delete", "APP", "nope"),
        ("rollout", "promote", "APP", "nope"),
    ],
    ids=lambda wrong: " ".join(wrong[:2]),
)
def test_what_is_not_there_is_refused_before_anybody_is_asked(node, app, wrong):
    assert "unknown " in node.failure(*(app if part == "APP" else part for part in wrong))


def test_what_changes_nothing_needs_no_yes(node, app):
    assert node.text("channel", "set", app, "stable", "--public").startswith("no change:")


def test_devices_that_keep_what_they_run_are_not_said_to_change(node, app, tmp_path):
    folder = write_folder(tmp_path / "next", web_build(3))
    node.text("bundle", "publish", app, folder, "--version", "1.2.0", "--channel", "stable")
    text = node.text("channel", "delete", app, "stable", "--dry-run")
    assert "; 1 of them affected:\n" in text and "1 device keeps 1.1.0 and will not get 1.2.0" in text


@pytest.mark.parametrize("answer", ["n\n", "\n", "\x04"])
def test_a_no_changes_nothing_and_shows_whom_it_would_have_touched(node, app, answer):
    before = node.json("app", "show", app)["revision"]
    code, seen = at_terminal(node, *asked(app)["withdraw"], typed=answer)
    assert code == 1
    assert "channel stable: offers 1.0.0 instead of 1.1.0, falls back to 1.0.0" in seen
    assert "1 known device" in seen and "1 device: 1.0.0 instead of 1.1.0" in seen and "1 device on 1.1.0 now" in seen
    assert node.json("app", "show", app)["revision"] == before


def test_a_yes_does_it(node, app):
    code, seen = at_terminal(node, *asked(app)["withdraw"], typed="y\n")
    assert (code, f"withdrew 1.1.0 of {app}: white screen" in seen) == (0, True)
    assert node.json("channel", "show", app, "stable")["withdrawn"] == "white screen"


def test_an_undo_names_what_it_takes_back_and_whose_it_was_and_takes_back_no_other(node, app):
    code, seen = at_terminal(node, "undo", app, typed="y\n")
    assert code == 0
    what = "publish_bundle version=1.1.0 channel=stable (stable: 1.0.0 -> 1.1.0)"
    assert f"undo revision 4 of {app}: {what}, by admin at 20" in seen
    assert node.json("channel", "show", app, "stable")["bundle"] == "1.0.0"


def test_a_dry_run_tells_the_same_and_changes_nothing(node, app):
    before = node.json("app", "show", app)["revision"]
    text = node.text(*asked(app)["withdraw"], "--dry-run")
    assert text.startswith(f"withdraw 1.1.0 of {app}: white screen\n")
    found = node.json(*asked(app)["withdraw"], "--dry-run")
    assert (found["dry_run"], found["changed"], found["withdrawn"]) == (True, True, "white screen")
    assert found["impact"]["devices"]["moves"] == [{"runs": "1.1.0", "was": "1.1.0", "becomes": "1.0.0", "devices": 1}]
    assert "unknown bundle" in node.failure("bundle", "withdraw", app, "9.9.9", "--reason", "x", "--dry-run")
    assert node.json("app", "show", app)["revision"] == before


def test_stops_are_never_asked_about(node, app):
    node.text("rollout", "start", app, "stable", "--bundle", "1.0.0", "--steps", "1", "--downgrade")
    node.text("rollout", "pause", app, "stable")
    node.text("rollout", "rollback", app, "stable")
    assert node.json("rollback", app, "stable")["bundle"] == "1.0.0"


def test_an_app_is_deleted_when_its_id_is_typed_and_its_devices_hear_nothing_new(node, app, tmp_path):
    code, seen = at_terminal(node, "app", "delete", app, typed="y\n")
    assert (code, f"type {app} to confirm" in seen, "nothing was changed" in seen) == (1, True, True)
    assert "channel stable: is deleted; it offers 1.1.0" in seen and "removed: 1.0.0, 1.1.0" in seen
    code, seen = at_terminal(node, "app", "delete", app, typed=f"{app}\n")
    assert (code, f"deleted app {app}" in seen) == (0, True)
    assert "unknown app" in node.failure("app", "show", app)
    again = node.device(app, tmp_path / "phone")
    assert again.exit_code == 0 and "1.1.0" in again.stdout
    node.text("undo", app, "--yes")
    assert node.json("channel", "show", app, "stable")["bundle"] == "1.1.0"


def test_an_offer_that_no_known_device_can_take_is_warned_of(node, app, tmp_path):
    folder = write_folder(tmp_path / "major", web_build(3))
    publish = ("bundle", "publish", app, folder, "--version", "99.0.0")
    warning = "warning: 0 of 1 known device can take it: 1 is blocked by disable_auto_update_to_major (Cannot"
    assert "known device" not in node.run(*publish).stderr
    assert warning in node.run("channel", "set", app, "stable", "--bundle", "99.0.0").stderr
    assert warning in node.run(*publish, "--channel", "stable").stderr
    assert "known device" not in node.run("channel", "set", app, "stable", "--policy", "none").stderr
    assert "known device" not in node.run(*publish, "--channel", "stable").stderr


def test_pruning_says_what_goes_and_how_much_that_is(node, app, tmp_path):
    folder = write_folder(tmp_path / "old", web_build(2))
    node.text("bundle", "publish", app, folder, "--version", "0.9.0")
    text = node.text("bundle", "prune", app, "--keep", "0", "--dry-run")
    assert text.startswith(f"prune 1 bundle of {app}, ") and "kB to be freed by garbage collection" in text
    assert "removed: 0.9.0" in text
    assert node.text("bundle", "prune", app, "--keep", "3", "--yes").startswith(
        f"no change: {app} has nothing to prune"
    )
    done = node.json("bundle", "prune", app, "--keep", "0", "--yes")
    assert ([each["version"] for each in done["removed"]], done["kept"]) == (["0.9.0"], 2)


def test_a_publish_by_force_says_what_it_ends_and_one_without_asks_nothing(node, app, tmp_path):
    folder = write_folder(tmp_path / "next", web_build(3))
    node.text("rollout", "start", app, "stable", "--bundle", "1.0.0", "--steps", "1", "--downgrade")
    publish = ("bundle", "publish", app, str(folder), "--version", "1.2.0", "--channel", "stable", "--force")
    code, seen = at_terminal(node, *publish, typed="n\n")
    assert (code, "offers 1.2.0 instead of 1.1.0, the rollout of 1.0.0 ends" in seen) == (1, True)
    assert node.json("channel", "show", app, "stable")["bundle"] == "1.1.0"
    seen = node.json(*publish, "--dry-run")
    assert (seen["dry_run"], seen["impact"]["channels"][0]["after"]["bundle"]) == (True, "1.2.0")
    assert node.json(*publish, "--yes")["changed"]
