"""Rollouts, ways back and explain as a person types them, against a node that really runs."""

import json
import urllib.request
import uuid

import pytest
from running_node import app_name, write_folder

from edge.cli.releases.history import bundle_changes
from edge.domain.buckets import bucket_of
from edge.domain.schedule.rollout import life_cycle_diagram, life_cycle_lines

DEVICES = [str(uuid.UUID(int=number)) for number in range(40)]
PLAN = ("--bundle", "1.1.0", "--steps", "1,50,100")


@pytest.fixture
def app(node, request, tmp_path):
    """An app of this test's own: 1.0.1 on the public channel `stable`, 1.1.0 published."""
    name = app_name(request)
    node.text("app", "create", name)
    node.text("channel", "create", name, "stable", "--public")
    for version, more in (("1.0.1", ("--channel", "stable")), ("1.1.0", ())):
        folder = write_folder(tmp_path / version, {"index.html": version.encode()})
        node.text("bundle", "publish", name, folder, "--version", version, *more)
    return name


def report(node, app, device, **changes):
    event = {
        "app_id": app,
        "device_id": device,
        "platform": "ios",
        "version_build": "1.0.0",
        "version_name": "1.0.1",
        "version_os": "17.4",
        "plugin_version": "8.51.14",
        "is_emulator": False,
        "is_prod": True,
        "action": "app_moved_to_foreground",
    }
    body = json.dumps([event | changes]).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{node.devices}/stats", body)) as answer:
        assert answer.status == 200


def test_help_and_diagram_come_from_the_one_table(node):
    shown = node.text("rollout", "--help")
    assert all(line in shown for line in life_cycle_lines())
    assert node.text("rollout", "diagram") == life_cycle_diagram() + "\n"
    assert node.json("rollout", "diagram") == {"diagram": life_cycle_diagram()}


def test_a_rollout_from_start_to_promotion(node, app):
    text = node.text("rollout", "start", app, "stable", *PLAN, "--every", "1h30m", "--hold-out", "spring=2.5")
    assert text.startswith("started: 1.1.0 on channel stable at 1% (step 1 of 3), the next step at 20")
    found = node.json("rollout", "show", app, "stable")
    assert (found["phase"], found["every_seconds"], found["hold_out"]) == ("running", 5_400, "2.5%")
    shown = node.text("rollout", "show", app, "stable")
    for line in ("share      1%", "every      1h30m", "hold-out   2.5% (spring)", "steps      1%, 50%, 100%"):
        assert line in shown
    assert "rollout             1.1.0 running" in node.text("channel", "show", app, "stable")
    done, nobody, waits = node.text("rollout", "pause", app, "stable").splitlines()
    assert done.startswith("paused: 1.1.0 on channel stable at 1% (step 1 of 3) (")
    assert nobody == "no device is offered 1.1.0 now; devices that run it keep it; resume continues at 1%"
    assert waits == "no known device has downloaded it without starting it"
    shown = node.text("rollout", "show", app, "stable")
    assert "phase      paused, since 20" in shown and f"edge rollout resume {app} stable" in shown
    assert "rollout 1.1.0 paused" in node.text("channel", "list", app)
    assert "share      1%, offered to no new device" in node.text("rollout", "show", app, "stable")
    reason = node.failure("rollout", "advance", app, "stable")
    assert reason == "advance needs a rollout that is running; this one is paused"
    assert node.json("rollout", "resume", app, "stable")["phase"] == "running"
    assert node.json("rollout", "advance", app, "stable")["share"] == "50%"
    assert node.text("rollout", "promote", app, "stable", "--yes").startswith(
        "promoted: 1.1.0 on channel stable at 100%"
    )
    assert node.json("channel", "show", app, "stable")["bundle"] == "1.1.0"
    assert "needs a rollout that is running or paused" in node.failure("rollout", "rollback", app, "stable")


def test_nothing_is_published_past_a_rollout_unless_by_force(node, app, tmp_path):
    node.text("rollout", "start", app, "stable", *PLAN)
    folder = write_folder(tmp_path / "1.2.0", {"index.html": b"1.2.0"})
    publish = ("bundle", "publish", app, folder, "--version", "1.2.0", "--channel", "stable")
    assert f"`edge rollout promote {app} stable`" in node.failure(*publish)  # before anything is packed or sent
    assert node.json("bundle", "list", app)[0]["version"] == "1.1.0"
    assert node.json("channel", "show", app, "stable")["bundle"] == "1.0.1"
    first, ended, *_ = node.text(*publish, "--force", "--yes").splitlines()
    assert "offered on stable instead of 1.0.1 (since 20" in first and ", by admin)" in first
    assert ended == "this ended the rollout of 1.1.0: rolled back"
    latest = node.json("history", app, "--limit", "1")[0]
    assert bundle_changes(latest) == ["stable: 1.0.1 -> 1.2.0 (rollout 1.1.0 ended)"]


def test_a_late_job_does_not_overwrite_a_newer_release(node, app, tmp_path):
    folder = write_folder(tmp_path / "1.0.2", {"index.html": b"1.0.2"})
    node.text("channel", "set", app, "stable", "--bundle", "1.1.0", "--if-current", "1.0.1")
    publish = ("bundle", "publish", app, folder, "--version", "1.0.2", "--channel", "stable")
    assert "1.0.2 is below 1.1.0, which channel 'stable' has offered since 20" in node.failure(*publish)
    assert "channel 'stable' has offered 1.1.0 since" in node.failure(
        *publish, "--downgrade", "--if-current", "1.0.1", "--yes"
    )
    after = node.json(*publish, "--downgrade", "--if-current", "1.1.0", "--yes")
    assert (after["replaced"]["bundle"], after["replaced"]["by"], after["channels"]) == ("1.1.0", "admin", ["stable"])
    assert node.run("bundle", "publish", app, folder, "--version", "1.0.2", "--downgrade").exit_code == 2


@pytest.mark.parametrize(
    ("plan", "reason"),
    [
        (("--steps", "50,1"), "step 2: 1% is not above the previous 50%"),
        (("--steps", "1,,5"), "share '' is not a percentage like 5, 12.5% or 0.001"),
        (("--steps", "1", "--every", "6"), "invalid duration '6': use the units d, h, m and s"),
        (("--steps", "1", "--every", "1s"), "a step must last 1m to 90d, or 0: until advanced"),
        (("--steps", "1", "--segment", "vips"), "unknown segment 'vips' for app"),
        (("--steps", "1", "--hold-out", "a b=5"), "invalid group name 'a b': use 1 to 64"),
        (("--steps", "1", "--hold-out", "5=a b"), "share 'a b' is not a percentage"),
    ],
)
def test_a_plan_that_is_wrong_is_one_line_and_nothing_happens(node, app, plan, reason):
    before = node.json("app", "show", app)["revision"]
    for verb in ("start", "preview"):
        assert reason in node.failure("rollout", verb, app, "stable", "--bundle", "1.1.0", *plan)
    assert node.json("app", "show", app)["revision"] == before


def test_a_preview_names_the_known_devices_that_a_start_with_its_id_then_reaches(node, app):
    for device in DEVICES:
        report(node, app, device)
    report(node, app, DEVICES[0], plugin_version="4.0.0")
    before = node.json("app", "show", app)
    seen = node.json("rollout", "preview", app, "stable", *PLAN, "--devices", "100")
    assert node.json("app", "show", app) == before
    assert [step["buckets"] for step in seen["steps"]] == [1_000, 50_000, 100_000]
    known = seen["known"]
    assert (known["devices"], known["elsewhere"], known["cut"]) == (len(DEVICES), 0, False)
    assert seen["steps"][-1]["held_back"] == {"unsupported_plugin_version": 1}
    node.text("rollout", "start", app, "stable", *PLAN, "--id", seen["id"])
    node.text("rollout", "advance", app, "stable")
    reached = {device for step in seen["steps"][:2] for device in step["joining"]}
    salt = f"rollout\0{app}\0{seen['id']}\0".encode()
    assert reached == {device for device in DEVICES[1:] if bucket_of(salt, device) < 50_000}
    for device in DEVICES[:8]:
        decision = node.json("explain", app, "--device", device)["decision"]
        assert (decision["outcome"] == "offer") is (device in reached)


def test_a_preview_reads_well(node, app):
    for device in DEVICES[:5]:
        report(node, app, device)
    lines = node.text("rollout", "preview", app, "stable", *PLAN, "--every", "6h", "--devices", "1").splitlines()
    assert lines[0].split() == ["SHARE", "BEGINS", "OF", "100,000", "OFFERED", "HAS", "IT", "HELD", "BACK", "WHY"]
    assert [line.split()[0] for line in lines[1:4]] == ["1%", "50%", "100%"]
    assert "at once" in lines[1] and "after 6h" in lines[2] and "after 12h" in lines[3]
    assert lines[5].startswith("5 known devices from reports since 20") and lines[5].endswith("; all on stable")
    assert lines[-1].startswith("nothing was changed; `start --id ")
    assert "by hand" in node.text("rollout", "preview", app, "stable", *PLAN)


def test_a_rollback_and_its_undo(node, app):
    node.text("channel", "set", app, "stable", "--bundle", "1.1.0")
    done = node.text("rollback", app, "stable")
    assert done.startswith("rolled back channel stable: offers 1.0.1 instead of 1.1.0 (since 20")
    first, moved = done.splitlines()
    assert first.endswith(", by admin) (revision 6)") and moved == "0 of 0 known devices will move at the next check"
    assert "to offer 1.1.0 again, which was rolled back" in node.failure("rollback", app, "stable")
    reason = node.failure("undo", app, "--yes")
    assert reason.startswith("this undo would offer '1.1.0', which was rolled back, on channel 'stable' again")
    text = node.text("undo", app, "--force", "--yes")
    assert text.startswith(
        f"undid revision 6 of {app}: roll_back channel=stable (stable: 1.1.0 -> 1.0.1), by admin at 20"
    )
    assert text.endswith(" (revision 7)\n")
    assert node.json("channel", "show", app, "stable")["bundle"] == "1.1.0"
    assert node.json("rollback", app, "stable", "--to", "builtin")["bundle"] == "builtin"
    assert "no change: channel stable: offers builtin" in node.text("rollback", app, "stable", "--to", "builtin")
    assert "unknown bundle '9.9.9'" in node.failure("rollback", app, "stable", "--to", "9.9.9")


def test_a_job_that_runs_again_does_not_offer_what_was_rolled_back(node, app, tmp_path):
    folder = str(tmp_path / "1.1.0")
    publish = ("bundle", "publish", app, folder, "--version", "1.1.0", "--channel", "stable")
    assert node.text(*publish).startswith(f"offered 1.1.0 of {app} on stable instead of 1.0.1 (since 20")
    node.text("rollback", app, "stable")
    refused = node.failure(*publish)
    assert refused.startswith("channel 'stable' was rolled back from 1.1.0 at 20") and "(by 'admin')" in refused
    assert refused.endswith("publish a higher version, or pass --again if you mean it")
    assert "was rolled back from 1.1.0" in node.failure("rollout", "start", app, "stable", *PLAN)
    assert "1.1.0 at 20" in node.text("channel", "show", app, "stable")
    assert node.json(*publish, "--again", "--yes")["channels"] == ["stable"]
    assert node.json("channel", "show", app, "stable")["taken_back"] == []


def test_a_withdrawn_bundles_stand_in_is_what_a_channel_shows_and_what_is_replaced(node, app):
    node.text("channel", "set", app, "stable", "--bundle", "1.1.0")
    node.text("bundle", "withdraw", app, "1.1.0", "--reason", "white screen", "--yes")
    assert "1.0.1 (1.1.0 withdrawn)" in node.text("channel", "list", app)
    shown = node.json("channel", "show", app, "stable")
    assert (shown["bundle"], shown["served"], shown["withdrawn"]) == ("1.1.0", "1.0.1", "white screen")
    done = node.text("channel", "set", app, "stable", "--bundle", "builtin", "--yes")
    assert "offers builtin instead of 1.0.1 (1.1.0 withdrawn)" in done


def test_a_rollback_that_only_ends_a_rollout_says_so_and_whom_it_moves(node, app):
    node.text("rollout", "start", app, "stable", "--bundle", "1.1.0", "--steps", "100")
    report(node, app, DEVICES[7], version_name="1.1.0")
    first, moved = node.text("rollback", app, "stable").splitlines()
    assert first.startswith("ended the rollout of 1.1.0; stable offers 1.0.1 to all devices (revision ")
    assert moved == "1 of 1 known device will move at the next check"
    node.text("rollout", "start", app, "stable", "--bundle", "1.1.0", "--steps", "100", "--again")
    _, offers, moved = node.text("rollout", "rollback", app, "stable").splitlines()
    assert offers == "all devices on stable are offered 1.0.1 now" and moved.startswith("1 of 1 known device")


def test_a_step_that_lasts_until_it_is_advanced_says_so(node, app):
    node.text("rollout", "start", app, "stable", *PLAN)
    shown = node.text("rollout", "show", app, "stable")
    assert f"next step  when advanced by hand (edge rollout advance {app} stable)" in shown


def test_an_undo_only_of_the_revision_that_was_meant(node, app):
    assert "undo takes back only the latest revision" in node.failure("undo", app, "--yes", "--revision", "3")
    done = node.json("undo", app, "--revision", "4", "--yes")
    assert (done["undone"]["kind"], done["revision"], done["changed"]) == ("publish_bundle", 5, True)
    assert [each["version"] for each in node.json("bundle", "list", app)] == ["1.0.1"]


def test_a_bundle_is_withdrawn_with_its_reason(node, app):
    node.text("channel", "set", app, "stable", "--bundle", "1.1.0")
    text = node.text("bundle", "withdraw", app, "1.1.0", "--reason", "white screen on iOS", "--yes")
    assert text == f"withdrew 1.1.0 of {app}: white screen on iOS (revision 6)\n"
    again = node.text("bundle", "withdraw", app, "1.1.0", "--reason", "another", "--yes")
    assert again.startswith(f"no change: 1.1.0 of {app} is already withdrawn") and "white screen" in again
    assert "white screen on iOS" in node.text("bundle", "list", app)
    assert "was withdrawn: white screen on iOS" in node.failure("channel", "create", app, "beta", "--bundle", "1.1.0")
    found = node.json("explain", app, "--device", DEVICES[0], "--version-name", "1.1.0")
    assert (found["decision"]["outcome"], found["decision"]["bundle"]) == ("offer", "1.0.1")


def test_explain_asks_as_the_device_last_reported(node, app):
    report(node, app, DEVICES[3], custom_id="vip", is_prod=False)
    found = node.json("explain", app, "--device", DEVICES[3])
    assert found["reported"] is not None
    asked = found["asked"]
    assert (asked["platform"], asked["version_name"], asked["custom_id"]) == ("ios", "1.0.1", "vip")
    assert (asked["is_prod"], asked["version_os"], asked["plugin_version"]) == (False, "17.4", "8.51.14")
    assert found["decision"] == {"outcome": "up_to_date", "code": "up_to_date", "channel": "stable"}
    other = node.json("explain", app, "--device", DEVICES[3], "--version-name", "1.0.0", "--country", "de")
    assert (other["asked"]["version_name"], other["asked"]["country"]) == ("1.0.0", "DE")
    assert other["decision"]["outcome"] == "offer"


def test_explain_by_options_and_by_body_is_one_answer(node, app):
    given = ("--device", DEVICES[4], "--platform", "ios", "--version-name", "1.0.0", "--native", "1.0.0")
    found = node.json("explain", app, *given, "--plugin", "8.51.14", "--emulator", "--dev", "--country", "DE")
    body = {
        "app_id": app,
        "device_id": DEVICES[4],
        "platform": "ios",
        "version_name": "1.0.0",
        "version_build": "1.0.0",
        "plugin_version": "8.51.14",
        "is_emulator": True,
        "is_prod": False,
    }
    assert node.json("explain", app, "--body", "-", "--country", "DE", input=json.dumps(body)) == found


def test_explain_ends_with_why_the_device_did_not_update(node, app):
    node.text("rollout", "start", app, "stable", "--bundle", "1.1.0", "--steps", "0.001,100")
    report(node, app, DEVICES[5])
    lines = node.text("explain", app, "--device", DEVICES[5]).splitlines()
    assert lines[1].strip().startswith("fields not given are from the device's report of 20")
    steps = [line for line in lines if line[:1].isdigit()]
    assert any(line.split()[1:3] == ["channel_public", "decides"] for line in steps)
    assert any("rules" in line and "not_on_this_channel" in line and "key_id_mismatch" in line for line in steps)
    assert lines[-2] == (
        "decision  up_to_date; channel=stable; "
        "rollout_share_not_reached: The rollout's share does not reach the device yet"
    )
    assert (
        lines[-1].startswith("next      wait for the next step") and f"edge rollout advance {app} stable" in lines[-1]
    )
    lines = node.text(
        "explain", app, "--device", DEVICES[5], "--native", "2.0.0", "--version-name", "2.0.0"
    ).splitlines()
    assert lines[-2].startswith("decision  blocked; target=1.0.1; disable_auto_update_under_native: ")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (("--device", "me"), "device id 'me' is not a UUID"),
        (("--device", DEVICES[0], "--country", "Germany"), "use a two-letter code"),
        (("--device", DEVICES[0], "--platform", "windows"), "Cannot parse body; platform: Platform is not supported"),
    ],
)
def test_a_question_that_cannot_be_is_one_line(node, app, given, reason):
    assert reason in node.failure("explain", app, *given)


def test_explain_names_the_option_for_a_device_that_is_made_up(node, app):
    given = ("--platform", "android", "--plugin", "8.51.14", "--native", "1.0.0", "--version-name", "1.0.0")
    done = node.run("explain", app, *given)
    assert (done.exit_code, "--device is missing" in done.stderr) == (2, True)
    assert node.json("explain", app, "--device", done.stderr.split()[-1], *given)["steps"]


def test_the_codes_of_decisions_are_counted(node, app):
    node.text("rollout", "start", app, "stable", "--bundle", "1.1.0", "--steps", "0.001,100")
    body = json.dumps(
        {
            "app_id": app,
            "device_id": DEVICES[6],
            "platform": "ios",
            "version_name": "1.0.1",
            "version_build": "1.0.0",
            "plugin_version": "8.51.14",
        }
    ).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{node.devices}/updates", body)) as answer:
        assert json.load(answer)["kind"] == "up_to_date"
    token = (node.data_dir / "node" / "admin.token").read_text().strip()
    asks = urllib.request.Request(f"{node.control}/v1/metrics", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(asks) as answer:
        assert b'edge_decisions_total{worker="0",outcome="rollout_share_not_reached"} 1\n' in answer.read()


def test_a_device_without_a_report_is_asked_about_as_a_fresh_one_and_this_is_said(node, app):
    sentence = "the node has no report from this device; asked as a fresh Android device"
    assert sentence in node.text("explain", app, "--device", DEVICES[6]).splitlines()
    assert sentence.replace("Android", "iOS") in node.text("explain", app, "--device", DEVICES[6], "--platform", "ios")
    tested = node.text("segment", "test", app, "vip", "--where", "is_prod", "--device", DEVICES[6])
    assert tested.splitlines()[0] == sentence
