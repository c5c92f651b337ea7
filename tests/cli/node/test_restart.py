"""`edge restart` and SIGUSR2: a new process takes the node over, or the old one goes on and says why."""

import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import urllib.request
from contextlib import contextmanager

import pytest
from running_node import Node

PROGRAM = "import sys; from edge.cli.main import cli; cli(sys.argv[1:], prog_name='edge')"
PROMPT_SECONDS = 60.0  # for what takes seconds on a quiet machine
APP = "com.acme.app"
DEVICE = "00009a6b-eefe-490a-9c60-8e965132ae51"
STARTING = re.compile(r"restarting: process (\d+) is starting")


class Serving(Node):
    """A node that may go on as another process than the one that was started."""

    def __init__(self, folder, process):
        super().__init__(folder, json.loads(process.stdout.readline()))
        self.first, self.pid, self.log = process, process.pid, folder / "log"

    def settings(self):
        return {"EDGE_CONFIG": str(self.log.with_name("edge.toml"))}

    def restart(self):
        self.pid = self.json("restart", env=self.settings())["pid"]
        return self.pid

    def refusal(self):
        return self.failure("restart", env=self.settings())

    def successor(self):
        """The process that an attempt to restart has just started."""
        found = self.logged(STARTING)
        return int(found[1])

    def logged(self, pattern):
        with self.log.open() as log:
            text = ""
            while (found := pattern.search(text)) is None:
                # The file grows while we read it: wait for its writers as a reader of a log does.
                select.select([], [], [], 0.02)
                text += log.read()
                assert self.first.poll() is None or pattern.search(text), text
        return found

    def ask(self, method, path, **fields):
        """What the node answers a device; waits in its queue as long as nobody accepts."""
        body = {"device_id": DEVICE, "app_id": APP, "version_name": "1.0.0", "version_build": "1.0.0"}
        body |= {"platform": "android", "plugin_version": "6.14.0", "is_emulator": False, "is_prod": True} | fields
        asked = urllib.request.Request(self.devices + path, json.dumps(body).encode(), method=method)
        with urllib.request.urlopen(asked, timeout=PROMPT_SECONDS) as answer:
            return json.load(answer)

    def choose(self, channel):
        assert self.ask("POST", "/channel_self", channel=channel)["status"] == "ok"

    def choice(self):
        return self.ask("PUT", "/channel_self")["channel"]


@contextmanager
def serving(folder, config=""):
    settings = '[devices]\nport = 0\nworkers = 1\nhost = "127.0.0.1"\n[control]\nport = 0\n'
    (folder / "edge.toml").write_text(config or settings)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
    command = [sys.executable, "-c", PROGRAM, "serve", "--json", "--config", "edge.toml"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=log, text=True)
    with process:
        node = Serving(folder, process)
        try:
            yield node
        finally:
            stop(node.pid, signal.SIGTERM)
            if process.poll() is None:
                stop(process.pid, signal.SIGTERM)


def stop(pid, number):
    """Returns when the process has ended, which need not be our child."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(descriptor, number)
        assert select.select([descriptor], [], [], PROMPT_SECONDS)[0], "it does not end"
    except ProcessLookupError:
        pass
    finally:
        os.close(descriptor)


@pytest.fixture
def node(tmp_path):
    with serving(tmp_path) as node:
        node.text("app", "create", APP)
        node.text("channel", "create", APP, "production", "--public", "--yes")
        for name in ("beta", "gamma"):
            node.text("channel", "create", APP, name, "--self-set", "--yes")
        yield node


@contextmanager
def restarting(node):
    """An attempt to restart, in a thread; yields the process that it has started. What came of it is in the list."""
    outcomes = []
    attempt = threading.Thread(target=lambda: outcomes.append(node.run("restart", env=node.settings())))
    attempt.start()
    try:
        yield node.successor(), outcomes
    finally:
        attempt.join(PROMPT_SECONDS)
        assert not attempt.is_alive()


@pytest.mark.long
def test_a_new_process_has_the_ports_and_what_devices_chose(node):
    node.choose("beta")
    assert node.restart() != node.first.pid
    assert node.first.wait(PROMPT_SECONDS) == 0
    assert node.choice() == "beta"
    node.choose("gamma")
    second = node.pid
    assert node.restart() != second
    assert node.choice() == "gamma"
    assert [app["app"] for app in node.json("app", "list")] == [APP]


@pytest.mark.long
def test_sigusr2_restarts_too(node):
    node.first.send_signal(signal.SIGUSR2)
    node.pid = node.successor()
    assert node.first.wait(PROMPT_SECONDS) == 0
    node.choose("beta")
    assert node.choice() == "beta"


REFUSED = {
    "a fault": ("[devices]\nport = true\n", "devices.port"),
    "another port": ("[devices]\nport = 1\n[control]\nport = 0\n", "the devices port was 127.0.0.1:0"),
    "another place": ('data_dir = "elsewhere"\n[devices]\nport = 0\n[control]\nport = 0\n', "data_dir was"),
}


@pytest.mark.long
@pytest.mark.parametrize(("config", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_configuration_that_cannot_be_taken_leaves_the_old_process_serving(node, config, reason):
    file = node.log.with_name("edge.toml")
    good = file.read_text()
    file.write_text(config)
    # The file decides where the command looks for the node, so the directory is named beside it.
    assert reason in node.failure("restart", env={"EDGE_CONFIG": "", "EDGE_DATA_DIR": str(node.data_dir)})
    node.choose("beta")
    assert node.choice() == "beta"
    file.write_text(good)
    assert node.restart() != node.first.pid
    assert node.choice() == "beta"


@pytest.mark.long
def test_a_successor_that_is_killed_changes_nothing(node):
    with restarting(node) as (successor, outcomes):
        os.kill(successor, signal.SIGKILL)
    assert outcomes[0].exit_code == 1
    assert "the new process ended before it could" in outcomes[0].stderr
    node.choose("beta")
    assert node.restart() != node.first.pid


def test_one_restart_at_a_time(node):
    with restarting(node) as (successor, outcomes):
        assert "in progress" in node.refusal()
    assert outcomes[0].exit_code == 0
    node.pid = successor
    assert node.first.wait(PROMPT_SECONDS) == 0


@pytest.mark.long
def test_sigterm_during_a_restart_ends_both(node):
    with restarting(node) as (successor, _):
        node.first.send_signal(signal.SIGTERM)
        assert node.first.wait(PROMPT_SECONDS) == 0
        stop(successor, 0)  # returns when it has ended
    with pytest.raises(OSError, match="refused"):
        node.choice()


@pytest.mark.long
def test_a_successor_takes_the_node_of_a_process_that_was_killed(node):
    node.choose("beta")
    with restarting(node) as (successor, outcomes):
        node.first.kill()
        node.pid = successor
        assert node.choice() == "beta"
        # A worker of the killed process may have this connection; it stores nothing, and says so.
        while node.ask("POST", "/channel_self", channel="gamma").get("status") != "ok":
            assert node.choice() == "beta"
        assert node.choice() == "gamma"
    assert "see its log" in outcomes[0].stderr


@pytest.mark.long
def test_without_a_node_there_is_nothing_to_restart(tmp_path):
    alone = Node(tmp_path, {"devices": 1, "control": 2})
    assert alone.failure("restart").startswith(f"no node runs on {alone.data_dir}: start one with `edge serve`")
