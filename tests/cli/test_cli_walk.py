"""Every verb against a node that really runs, started as a user starts it: `edge serve` in a directory of its own."""

import json
import shlex
from urllib.request import Request, urlopen

import msgspec
import pytest
from running_node import app_name, hashes, hashes_in, web_build, write_folder, write_zip

DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"


@pytest.fixture
def app(node, request):
    """An app of this test's own."""
    name = app_name(request)
    node.text("app", "create", name)
    return name


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "build", web_build(1))


def test_apps_are_created_listed_and_shown(node, app):
    assert app in [each["app"] for each in node.json("app", "list")]
    assert node.json("app", "show", app)["revision"] == 1
    assert app in node.text("app", "list") and app in node.text("app", "show", app)
    assert node.failure("app", "create", app) == f"app {app!r} already exists"
    assert node.failure("app", "show", "com.acme.nobody") == "unknown app 'com.acme.nobody'"
    assert "invalid app id" in node.failure("app", "create", "my acme")


def test_a_damaged_app_is_listed_with_what_is_damaged(node, request):
    harmed = app_name(request)
    node.text("app", "create", harmed)
    (revision,) = (node.data_dir / "store" / "apps" / harmed / "revisions").iterdir()
    content = revision.read_bytes()
    revision.write_bytes(content[:100] + b"x" + content[101:])
    (listed,) = [each for each in node.json("app", "list") if each["app"] == harmed]
    assert (listed["revision"], listed["bundles"]) == (1, None) and "cannot be read" in listed["damaged"]
    shown = node.run("app", "list")
    (row,) = [line.split() for line in shown.stdout.splitlines() if line.startswith(harmed)]
    assert row == [harmed, "1", "-", "-", "-", "damaged"]
    assert f"{harmed} is damaged: revision 1 cannot be read" in shown.stderr and "edge store repair" in shown.stderr
    revision.write_bytes(content)
    assert {each["damaged"] for each in node.json("app", "list")} == {None}


def test_expose_metadata_is_told_to_the_node(node):
    made = node.json("app", "create", "com.acme.open", "--expose-metadata")
    assert (made["expose_metadata"], made["changed"]) == (True, True)


def test_a_folder_is_published_and_again_uploads_nothing(node, app, folder):
    first = node.json("bundle", "publish", app, folder, "--version", "1.0.0", "--comment", "größer")
    assert (first["version"], first["changed"], first["files"]) == ("1.0.0", True, len(web_build(1)))
    assert first["uploaded"] == len(web_build(1)) + 2
    again = node.json("bundle", "publish", app, folder, "--version", "1.0.0", "--comment", "größer")
    assert (again["changed"], again["uploaded"], again["uploaded_bytes"]) == (False, 0, 0)
    assert again["revision"] == first["revision"]


def test_a_new_version_uploads_only_what_changed(node, app, folder):
    node.json("bundle", "publish", app, folder, "--version", "1.0.0")
    (folder / "index.html").write_text("<!doctype html><title>changed</title>")
    second = node.json("bundle", "publish", app, folder, "--version", "1.0.1")
    assert second["uploaded"] == 3  # the page, the zip and the manifest


def test_a_zip_with_one_top_folder_is_the_same_bundle_as_its_folder(node, app, folder, tmp_path):
    archive = write_zip(tmp_path / "build.zip", web_build(1), top="dist/")
    node.json("bundle", "publish", app, folder, "--version", "1.0.0")
    zipped = node.json("bundle", "publish", app, archive, "--version", "1.0.0")
    assert (zipped["changed"], zipped["uploaded"]) == (False, 0)


def test_a_version_is_never_given_to_other_files(node, app, folder):
    node.json("bundle", "publish", app, folder, "--version", "1.0.0")
    (folder / "index.html").write_text("other")
    reason = node.failure("bundle", "publish", app, folder, "--version", "1.0.0")
    assert reason == "version '1.0.0' was published with other files; publish a new version"


def test_what_would_be_refused_is_told_before_packing(node, app, tmp_path):
    """The source has no index.html, which packing would complain about."""
    reason = node.failure("bundle", "publish", "com.acme.nobody", tmp_path, "--version", "1.0.0")
    assert reason.startswith("unknown app 'com.acme.nobody' (create it: edge app create com.acme.nobody")
    reason = node.failure("bundle", "publish", app, tmp_path, "--version", "1.0.0", "--channel", "nowhere")
    assert "unknown channel 'nowhere'" in reason
    assert "no files" in node.failure("bundle", "publish", app, tmp_path, "--version", "1.0.0")


def test_publishing_leaves_nothing_in_the_temporary_directory(node, app, folder, tmp_path, monkeypatch):
    import tempfile

    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    node.json("bundle", "publish", app, folder, "--version", "1.0.0")
    node.failure("bundle", "publish", app, folder, "--version", "1.0.0", "--comment", "another")
    assert list(scratch.iterdir()) == []


def test_bundles_are_listed_shown_and_deleted(node, app, folder):
    node.json("bundle", "publish", app, folder, "--version", "1.0.0", "--min-native", "1.0.0")
    (folder / "index.html").write_text("next")
    text = node.text("bundle", "publish", app, folder, "--version", "1.0.1+build.7", "--link", "https://acme.example/7")
    assert text.startswith(f"published 1.0.1+build.7 of {app} (revision 3)\n")
    assert [each["version"] for each in node.json("bundle", "list", app)] == ["1.0.1+build.7", "1.0.0"]
    shown = node.json("bundle", "show", app, "1.0.1+build.7")
    assert {"index.html", "assets/app.js.br"} <= {each["name"] for each in shown["entries"]}
    assert "https://acme.example/7" in node.text("bundle", "show", app, "1.0.1+build.7")
    assert node.json("bundle", "delete", app, "1.0.1+build.7", "--yes")["changed"]
    assert node.text("bundle", "list", app).splitlines()[1].startswith("1.0.0 ")
    assert "unknown bundle" in node.failure("bundle", "show", app, "1.0.1+build.7")


def test_channels_take_every_setting_and_keep_the_others(node, app, folder):
    made = node.json("channel", "create", app, "beta", "--self-set", "--no-ios", "--policy", "minor")
    assert (made["self_set"], made["ios"], made["android"], made["policy"]) == (True, False, True, "minor")
    node.json("bundle", "publish", app, folder, "--version", "1.0.0")
    flags = ("--bundle", "1.0.0", "--public", "--no-emulator", "--yes", "--no-dev", "--allow-under-native")
    after = node.json("channel", "set", app, "beta", *flags)
    found = node.json("channel", "show", app, "beta")
    assert {**after, **found} == after  # the same settings
    assert (found["bundle"], found["public"], found["self_set"], found["ios"]) == ("1.0.0", True, True, False)
    assert (found["emulator"], found["dev"], found["prod"], found["block_under_native"]) == (False, False, True, False)
    assert node.text("channel", "set", app, "beta", "--public", "--yes").startswith(
        "no change: channel beta: offers 1.0.0, public"
    )
    assert "beta" in node.text("channel", "list", app) and "minor" in node.text("channel", "show", app, "beta")
    assert "is offered by channel 'beta'" in node.failure("bundle", "delete", app, "1.0.0", "--yes")
    node.json("channel", "set", app, "beta", "--bundle", "builtin", "--yes")
    node.text("channel", "delete", app, "beta", "--yes")
    assert node.json("channel", "list", app) == []
    assert node.text("channel", "list", app) == "no channels yet\n"


def test_a_channel_named_as_a_branch_is_used_like_any_other(node, app, folder, tmp_path):
    name = "feature/login"
    node.text("channel", "create", app, name, "--public")
    node.text("bundle", "publish", app, folder, "--version", "1.0.0", "--channel", name)
    assert node.json("channel", "show", app, name)["bundle"] == "1.0.0"
    assert "has had no rollout" in node.failure("rollout", "show", app, name)
    node.text("window", "set", app, name, "daily 00:00-23:59 UTC")
    node.text("window", "clear", app, name)
    node.text("override", "set", app, DEVICE, name)
    node.text("override", "clear", app, DEVICE)
    assert node.device(app, tmp_path / "phone").exit_code == 0
    assert node.json("rollback", app, name, "--to", "builtin")["name"] == name
    node.text("channel", "delete", app, name, "--yes")


def test_a_second_public_channel_is_refused_unless_it_replaces(node, app):
    node.json("channel", "create", app, "old", "--public")
    assert "channel 'old' is already public" in node.failure("channel", "create", app, "new", "--public")
    assert node.json("channel", "create", app, "new", "--public", "--replace", "--yes")["public"]
    assert not node.json("channel", "show", app, "old")["public"]
    assert "channel 'new' is already public" in node.failure("channel", "set", app, "old", "--public", "--yes")
    assert node.json("channel", "set", app, "old", "--public", "--replace", "--yes")["public"]


def test_overrides_are_set_listed_and_cleared(node, app):
    node.json("channel", "create", app, "beta")
    assert node.json("override", "set", app, DEVICE.upper(), "beta")["device"] == DEVICE
    assert node.json("override", "list", app) == [{"device": DEVICE, "channel": "beta"}]
    assert DEVICE in node.text("override", "list", app)
    assert node.json("override", "clear", app, DEVICE)["changed"]
    assert node.text("override", "list", app) == "no overrides\n"
    assert "has no override" in node.failure("override", "clear", app, DEVICE)
    assert "is not a UUID" in node.failure("override", "set", app, "me", "beta")


def test_history_tells_every_revision_newest_first(node, app, folder):
    node.json("channel", "create", app, "stable", "--public")
    node.json("bundle", "publish", app, folder, "--version", "1.0.0", "--channel", "stable")
    revisions = node.json("history", app)
    kinds = [(each["revision"], each["kind"]) for each in revisions]
    assert kinds == [(3, "publish_bundle"), (2, "create_channel"), (1, "create_app")]
    assert [each["by"] for each in revisions] == ["admin"] * 3
    lines = node.text("history", app).splitlines()
    assert all(each["summary"] in line for each, line in zip(revisions, lines[1:], strict=True))
    assert "1.0.0" in lines[1] and "stable" in lines[2]
    assert "stable: nothing -> 1.0.0" in lines[1]
    assert len(node.json("history", app, "--limit", "1")) == 1
    page = node.run("history", app, "--limit", "1", "--before", "3")
    assert page.stdout.splitlines()[1].startswith("       2  ") and page.stderr == "for older revisions: --before 2\n"


def test_tokens_are_made_used_and_revoked(node, app):
    made = node.run("token", "create", "ci-reader", "--role", "reader", "--app", app)
    token = made.stdout.strip()
    assert made.exit_code == 0 and token.startswith("edge_") and "\n" not in token  # fit for $(...)
    assert token not in made.stderr and "not shown again" in made.stderr
    assert [each["app"] for each in node.json("app", "list", "--token", token)] == [app]
    assert "may not change channels" in node.failure("channel", "create", app, "x", env={"EDGE_TOKEN": token})
    listed = node.text("token", "list")
    assert "ci-reader" in listed and token not in listed
    assert "ci-reader" in [each["name"] for each in node.json("token", "list")]
    assert node.json("token", "revoke", "ci-reader") == {"name": "ci-reader", "revoked": True}
    assert "revoked" in node.failure("app", "list", "--token", token)
    assert "last admin" in node.failure("token", "revoke", "admin")
    second = node.json("token", "create", "ci-node", "--role", "node")
    assert second["token"].startswith("edge_")
    assert node.text("token", "revoke", "ci-node") == "revoked token ci-node\n"


def test_a_token_for_ci_uploads_for_ninety_days_and_offers_nothing(node, app, folder):
    node.json("channel", "create", app, "stable")
    made = node.run("token", "create", "ci-upload", "--role", "uploader", "--app", app, "--for", "90d")
    assert made.exit_code == 0 and f"ci-upload (uploader of app {app}, until 20" in made.stderr
    env = {"EDGE_TOKEN": made.stdout.strip()}
    assert node.json("bundle", "publish", app, folder, "--version", "1.0.0", env=env)["changed"]
    reason = node.failure("bundle", "publish", app, folder, "--version", "1.0.0", "--channel", "stable", env=env)
    assert reason == ("an uploader may upload but not offer a bundle: use --no-channel instead, or a publisher's token")
    (listed,) = [each for each in node.json("token", "list") if each["name"] == "ci-upload"]
    assert listed["expires"] == listed["created"] + 90 * 86_400 and listed["last_used"] % 86_400 == 0
    assert "invalid duration" in node.failure("token", "create", "x", "--role", "reader", "--for", "90")
    assert "use 1m to 366d" in node.failure("token", "create", "x", "--role", "reader", "--for", "1s")


def a_check(app, **changes):
    return {
        "app_id": app,
        "device_id": DEVICE,
        "platform": "android",
        "version_name": "1.0.0",
        "version_build": "1.0.0",
        "version_code": "1",
        "version_os": "14",
        "plugin_version": "8.51.14",
        "is_emulator": False,
        "is_prod": True,
        "defaultChannel": "",
        "custom_id": "",
    } | changes


def test_explain_shows_the_rules_in_order_and_the_answer(node, app, folder, tmp_path):
    node.json("channel", "create", app, "stable", "--public")
    node.json("bundle", "publish", app, folder, "--version", "1.0.1", "--channel", "stable")
    body = json.dumps(a_check(app))
    found = node.json("explain", app, "--body", "-", input=body)
    assert found["answer"]["version"] == "1.0.1" and len(found["steps"]) > 3
    file = tmp_path / "body.json"
    file.write_text(body)
    text = node.text("explain", app, "--body", file)
    assert f"asked     device_id={DEVICE}, platform=android, version_name=1.0.0" in text
    assert all(step["rule"] in text for step in found["steps"]) and '"version":"1.0.1"' in text
    assert "decision  offer; bundle=1.0.1, channel=stable\nnext      nothing: the device downloads it now" in text


def test_explain_names_the_rule_that_blocks(node, app):
    found = node.json("explain", app, "--body", "-", input=json.dumps(a_check(app)))
    assert found["decision"]["code"] == "no_channel"
    assert "app" in node.failure("explain", app, "--body", "-", input=json.dumps(a_check("com.acme.other")))


@pytest.mark.parametrize(("plugin", "platform"), [("8.51.14", "android"), ("8.51.14", "ios"), ("6.3.0", "android")])
def test_a_device_installs_what_was_published_and_stats_tell(node, app, folder, tmp_path, plugin, platform):
    state, as_device = tmp_path / "state", {"plugin": plugin, "platform": platform}
    node.json("channel", "create", app, "stable", "--public")
    node.json("bundle", "publish", app, folder, "--version", "1.0.1", "--channel", "stable")
    assert node.text("stats", app, "--events") == "no events yet\n"
    done = node.device(app, state, "--json", **as_device)
    outcome = msgspec.json.decode(done.stdout)
    assert (done.exit_code, outcome["result"], outcome["version"]) == (0, "updated", "1.0.1")
    assert hashes_in(outcome["folder"]) == hashes(web_build(1))
    assert outcome["received_bytes"] > 150_000 and len(outcome["requests"]) >= 2
    again = node.device(app, state, **as_device)
    assert again.exit_code == 0 and "up_to_date" in again.stdout and outcome["device_id"] in again.stdout
    counts = {(each["bundle"], each["action"]): each["n"] for each in node.json("stats", app, "--events")["counts"]}
    assert counts["1.0.1", "set"] == 1
    assert ["1.0.1", "set", "1"] in [line.split() for line in node.text("stats", app, "--events").splitlines()]


def test_a_report_that_comes_again_counts_once_and_stats_say_so(node, app):
    report = a_check(app) | {"action": "set", "version_name": "1.0.1", "timestamp": 1_760_000_000_000}
    for _ in range(3):
        with urlopen(Request(f"{node.devices}/stats", json.dumps([report]).encode())) as answer:
            assert answer.status == 200
    assert node.json("stats", app, "--events") == {
        "counts": [{"bundle": "1.0.1", "action": "set", "n": 1}],
        "duplicates": 2,
    }
    assert "2 duplicates were not counted" in node.text("stats", app, "--events")


def test_a_simulated_device_points_to_why_it_was_answered_so(node, app, folder, tmp_path):
    node.json("channel", "create", app, "beta")
    done = node.device(app, tmp_path / "state", "--json", "--channel", "beta", "--custom-id", "qa one")
    command = shlex.split(json.loads(done.stdout)["explain"])
    explained = node.json(*command[1:])
    assert (explained["asked"]["custom_id"], explained["asked"]["defaultChannel"]) == ("qa one", "beta")
    assert explained["decision"]["code"] == "no_channel" and explained["next"]


def test_a_device_whose_boot_fails_rolls_back_and_is_1(node, app, folder, tmp_path):
    node.json("channel", "create", app, "stable", "--public")
    node.json("bundle", "publish", app, folder, "--version", "1.0.1", "--channel", "stable")
    done = node.device(app, tmp_path / "state", "--fail-boot", "--device-id", DEVICE)
    assert done.exit_code == 1
    assert "rolled_back" in done.stdout and "update_fail" in done.stdout and DEVICE in done.stdout


def test_a_device_reuses_the_files_it_has(node, app, folder, tmp_path):
    node.json("channel", "create", app, "stable", "--public")
    node.json("bundle", "publish", app, folder, "--version", "1.0.1", "--channel", "stable")
    done = node.device(app, tmp_path / "state", "--json", "--builtin", folder)
    outcome = msgspec.json.decode(done.stdout)
    assert outcome["result"] == "updated" and "assets/photo.jpg" in outcome["reused"]
    assert outcome["received_bytes"] < 150_000


def test_a_device_with_nobody_to_ask_is_1(node, app, tmp_path):
    done = node.run(
        "device",
        "update",
        "--url",
        "http://127.0.0.1:1",
        "--app",
        app,
        "--state",
        tmp_path / "s",
        "--plugin",
        "8.51.14",
        "--platform",
        "ios",
    )
    assert done.exit_code == 1 and "failed" in done.stdout
