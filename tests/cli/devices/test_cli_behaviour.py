"""Segments by how a device is used, from its reports to the answers of workers, against a node that really runs."""

import json
import time
import urllib.request

import pytest
from running_node import app_name, serving_node, web_build, write_folder

POWER_USER, NEWCOMER, SHOPPER = (f"0000{n}a6b-eefe-490a-9c60-8e965132ae51" for n in "123")
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with serving_node(tmp_path_factory.mktemp("node"), EDGE_DEVICES_WORKERS="2") as running:
        yield running


@pytest.fixture
def app(node, request, tmp_path):
    name = app_name(request)
    node.text("app", "create", name)
    node.text("channel", "create", name, "production", "--public")
    for version, channel in (("1.0.1", ("--channel", "production")), ("1.1.0", ())):
        folder = write_folder(tmp_path / version, web_build(version))
        node.text("bundle", "publish", name, folder, "--version", version, *channel)
    node.text("channel", "create", name, "beta", "--bundle", "1.1.0")
    return name


def post(node, path, body):
    with urllib.request.urlopen(urllib.request.Request(f"{node.devices}{path}", json.dumps(body).encode())) as answer:
        return json.load(answer)


def fields(app, device):
    return {
        "app_id": app,
        "device_id": device,
        "platform": "android",
        "version_build": "1.0.0",
        "version_name": "1.0.0",
        "plugin_version": "8.51.14",
        "version_os": "14",
    }


def offered(node, app, device):
    return post(node, "/updates", fields(app, device))["version"]


def report_sessions(node, app, device, sessions):
    """As a plugin does that had no connection for days: all in one request, each event with its time."""
    now_ms = int(time.time() * 1000)
    events = [
        fields(app, device) | {"action": action, "timestamp": now_ms - number * HOUR_MS + length_ms}
        for number in range(sessions, 0, -1)
        for action, length_ms in (("app_moved_to_foreground", 0), ("app_moved_to_background", 300_000))
    ]
    post(node, "/stats", events)


def counted(node, app):
    """Everything that was acknowledged is counted, so every device that was not judged today is."""
    node.json("stats", app)


@pytest.mark.long
def test_a_device_becomes_a_power_user_in_every_worker(node, app):
    said = node.text(
        *("segment", "set", app, "power-users", "--where", "sessions_7d > 10", "--leave", "sessions_7d < 7"),
        *("--channel", "beta"),
    )
    leaves = "leaves by sessions_7d < 7"
    assert said == f"set segment power-users: sessions_7d > 10, {leaves}, sends to channel beta, priority 100\n"
    report_sessions(node, app, POWER_USER, 12)
    report_sessions(node, app, NEWCOMER, 2)
    counted(node, app)
    assert {offered(node, app, POWER_USER) for _ in range(8)} == {"1.1.0"}
    assert {offered(node, app, NEWCOMER) for _ in range(8)} == {"1.0.1"}
    tested = node.text("segment", "test", app, "power-users", "--device", POWER_USER)
    assert tested.startswith("in segment power-users: sessions_7d > 10\n")
    assert "leave sessions_7d < 7\njudged on " in tested and "12 sessions" in tested
    explained = node.text("explain", app, "--device", POWER_USER)
    assert "12 sessions" in explained
    behaviour = node.json("device", "show", app, POWER_USER)["behaviour"]
    assert (behaviour["sessions_7d"], behaviour["session_minutes_7d"], behaviour["features"]) == (12, 60, None)
    assert "sessions_7d 12" in node.text("device", "show", app, POWER_USER)
    node.text("segment", "set", app, "power-users", "--no-leave", "--where", "sessions_7d > 12")
    assert {offered(node, app, POWER_USER) for _ in range(8)} == {"1.0.1"}


def test_a_feature_is_known_from_the_apps_own_events(node, app):
    node.text("segment", "set", app, "shoppers", "--where", 'feature("checkout")', "--channel", "beta")
    events = [{"kind": "feature", "name": "checkout", "time": int(time.time() * 1000)}]
    post(node, "/events", {"app_id": app, "device_id": SHOPPER, "events": events})
    counted(node, app)
    assert offered(node, app, SHOPPER) == "1.1.0"
    assert offered(node, app, NEWCOMER) == "1.0.1"
    assert node.json("device", "show", app, SHOPPER)["behaviour"]["features"] == ["checkout"]


def test_an_erased_device_is_as_one_that_was_never_heard_of(node, app):
    node.text("segment", "set", app, "power-users", "--where", "sessions_7d > 10", "--channel", "beta")
    report_sessions(node, app, POWER_USER, 12)
    counted(node, app)
    # No check before it is erased: one that was heard of may be counted later than the erasure, which begins it anew.
    assert node.json("device", "show", app, POWER_USER)["behaviour"]["sessions_7d"] == 12
    node.text("device", "erase", app, POWER_USER)
    assert node.json("device", "show", app, POWER_USER)["behaviour"] is None
    assert offered(node, app, POWER_USER) == "1.0.1"


def test_a_way_out_of_what_a_check_says_is_refused(node, app):
    refused = node.failure("segment", "set", app, "x", "--where", "sessions_7d > 10", "--leave", "is_prod")
    assert "--leave takes conditions on how a device is used" in refused
    both = node.run("segment", "set", app, "x", "--where", "is_prod", "--leave", "sessions_7d < 7", "--no-leave")
    assert both.exit_code == 2 and "exclude each other" in both.stderr
