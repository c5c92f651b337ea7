"""The demo as a person runs it: twice in one folder, stopped by Ctrl-C; and the check that proves itself."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from contextlib import closing

import pytest

from edge.cli.demo.release import APP, BAD, BETA, NATIVE, RELEASES, STORY
from edge.cli.demo.segments import ENTERPRISE, SEGMENTS, TESTER
from edge.cli.terminal.client import ControlClient, app_path

START_SECONDS = 120.0
FREE_PORTS = {"EDGE_DEVICES_PORT": "0", "EDGE_CONTROL_PORT": "0", "EDGE_DEVICES_WORKERS": "1"}


def demo(folder, *words: str) -> subprocess.Popen:
    environment = os.environ | FREE_PORTS
    command = [sys.executable, "-m", "edge", "demo", *words]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def stop(process: subprocess.Popen) -> tuple[int, str]:
    process.send_signal(signal.SIGINT)
    said = "".join(process.communicate(timeout=START_SECONDS))
    return process.returncode, said


@pytest.mark.long  # some 90 seconds
def test_the_check_lives_through_the_story_and_says_every_step(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "edge", "demo", "--check", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    said = json.loads(done.stdout)
    assert (done.returncode, said["passed"]) == (0, True), said
    steps = [each["step"] for each in said["steps"]]
    devices = ["publish", "check", "download", "verify and install", "report", "check again", "count", "fleet"]
    assert steps[: len(devices) + 1] == [*devices, "power user"]
    assert list(dict.fromkeys(steps[len(devices) + 1 :])) == ["story", "fleet of 200", "webhook", "login link", "page"]
    story = " ".join(each["result"] for each in said["steps"] if each["step"] == "story")
    assert re.search(rf"the guard has paused {BAD.version} after \d+ s: \d+ of \d+ installs failed", story)
    assert "the experiment shows: one-step has more devices with checkout" in story
    assert not list(tmp_path.iterdir())


@pytest.mark.long
def test_a_second_run_finds_its_state_and_ctrl_c_stops_it(tmp_path):
    for expected in ("published", "found"):
        process = demo(tmp_path, "--fleet", "0", "--json")
        facts = json.loads(process.stdout.readline())
        assert facts["releases"] == {release.version: expected for release in (*RELEASES, BETA, *STORY)}
        with urllib.request.urlopen(f"http://127.0.0.1:{facts['device_port']}/readyz") as answer:
            assert json.load(answer) == {"ready": True}
        assert stop(process) == (0, "")


def ask(port, **changed):
    """What the node answers a device: the version, or the code of why there is none."""
    question = {"platform": "android", "device_id": "00009a6b-eefe-490a-9c60-8e965132ae51", "app_id": APP} | changed
    question |= {"version_build": NATIVE, "version_name": NATIVE, "plugin_version": "8.51.14"}
    address = f"http://127.0.0.1:{port}/updates"
    with urllib.request.urlopen(urllib.request.Request(address, json.dumps(question).encode())) as answer:
        said = json.load(answer)
    return said.get("error") or said["version"]


def control(folder, facts):
    token = (folder / "edge-data" / "node" / "admin.token").read_text().strip()
    return closing(ControlClient(f"http://127.0.0.1:{facts['control_port']}", token))


@pytest.mark.long
def test_segments_lead_where_they_say_and_stay_as_somebody_changed_them(tmp_path):
    process = demo(tmp_path, "--fleet", "0", "--json")
    facts = json.loads(process.stdout.readline())
    port = facts["device_port"]
    assert facts["segments"] == [each.name for each in SEGMENTS]
    assert [ask(port, custom_id=each) for each in (TESTER, "anna", "carla", "")] == [BETA.version] * 2 + ["1.0.2"] * 2
    assert ask(port, custom_id="corp-7") in ("1.0.2", "outside_maintenance_window")
    with control(tmp_path, facts) as client:
        client.patch(app_path(APP, "segments", "enterprise"), {"where": "is_emulator", "channel": None})
        revision = client.patch(app_path(APP, "channels", ENTERPRISE), {"windows": []})["revision"]
    assert stop(process) == (0, "")
    process = demo(tmp_path, "--fleet", "0", "--json")
    facts = json.loads(process.stdout.readline())
    with control(tmp_path, facts) as client:
        assert client.get(app_path(APP))["revision"] == revision
        assert client.get(app_path(APP, "segments", "enterprise"))["where"] == "is_emulator"
    assert stop(process) == (0, "")


@pytest.mark.long
def test_a_fleet_lives_until_ctrl_c(tmp_path):
    process = demo(tmp_path, "--fleet", "2")
    while "2 devices: " not in (line := process.stdout.readline()):
        assert line
    code, said = stop(process)
    assert (code, "Traceback" in said) == (0, False)


@pytest.mark.long
def test_people_get_a_request_that_works_as_it_is_printed(tmp_path):
    process = demo(tmp_path, "--fleet", "0")
    said = ""
    while "Ctrl-C stops" not in said:
        said += process.stdout.readline()
    curl = next(line for line in said.splitlines() if line.strip().startswith("curl"))
    question = curl.partition(" -d '")[2].rstrip("'")
    address = curl.split()[2]
    request = urllib.request.Request(address, question.encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        assert json.load(answer)["version"] == RELEASES[-1].version
    assert APP in said
    (link,) = re.findall(r"http://127\.0\.0\.1:\d+/login\?link=\S+", said)
    with urllib.request.urlopen(link) as answer:
        assert answer.status == 200
    code, rest = stop(process)
    assert (code, "the next run continues" in rest) == (0, True)


@pytest.mark.long
def test_a_second_node_on_the_same_data_is_one_line(tmp_path):
    first = demo(tmp_path, "--fleet", "0", "--json")
    assert first.stdout.readline()
    done = subprocess.run(
        [sys.executable, "-m", "edge", "demo"],
        cwd=tmp_path,
        env=os.environ | FREE_PORTS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "edge: edge-data/node/telemetry/facts is in use: another node runs on this data\n"
    stop(first)


@pytest.mark.long
def test_a_taken_port_is_one_line(tmp_path):
    first = demo(tmp_path / ".", "--fleet", "0", "--json")
    port = json.loads(first.stdout.readline())["device_port"]
    other = tmp_path / "other"
    other.mkdir()
    taken = os.environ | FREE_PORTS | {"EDGE_DEVICES_PORT": str(port)}
    done = subprocess.run(
        [sys.executable, "-m", "edge", "serve"], cwd=other, env=taken, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    said = f"edge: cannot listen on *:{port}: Address already in use; "
    assert done.stderr.splitlines()[-1].startswith(said) and "EDGE_DEVICES_PORT" in done.stderr
    assert "Traceback" not in done.stderr
    stop(first)
