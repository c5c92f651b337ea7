"""`edge serve` as systemd runs it: sockets that it was passed, and a manager that hears of each step."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager

import pytest
from running_node import Node

PROMPT_SECONDS = 60.0  # for what takes seconds on a quiet machine
# Puts the sockets where systemd does, and names the process that they are for.
PASSING = """
import fcntl, os, sys
kept = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 100) for number in sys.argv[1:3]]
for target, source in enumerate(kept, 3):
    os.dup2(source, target)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "edge.socket:edge.socket"}
os.execv(sys.executable, [sys.executable, "-c", *sys.argv[3:]])
"""
PROGRAM = "import sys; from edge.cli.main import cli; cli(sys.argv[1:], prog_name='edge')"


class Manager:
    """Holds a node's sockets, as systemd does, and hears what it says."""

    def __init__(self, folder, devices, control, heard):
        self.folder, self.sockets, self.heard = folder, (devices, control), heard
        ports = {"devices": devices.getsockname()[1], "control": control.getsockname()[1]}
        self.node = Node(folder, ports)
        own = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
        self.environ = own | {f"EDGE_{name.upper()}_PORT": str(port) for name, port in ports.items()}
        self.environ |= {
            "EDGE_DEVICES_WORKERS": "1",
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": "60000000",
        }

    def start(self):
        """A node, once it has said that it serves."""
        numbers = [each.fileno() for each in self.sockets]
        command = [sys.executable, "-c", PASSING, *map(str, numbers), PROGRAM, "serve"]
        serving = subprocess.Popen(
            command, cwd=self.folder, env=self.environ, pass_fds=numbers, stdout=subprocess.DEVNULL
        )
        assert self.hear("READY=1")["MAINPID"] == str(serving.pid)
        return serving

    def hear(self, first):
        """The next message that begins so, as its fields."""
        while True:
            lines = self.heard.recv(4_096).decode().split("\n")
            if lines[0] == first:
                return dict(line.split("=", 1) for line in lines)

    def greet(self):
        """The node's own greeting, from a new connection."""
        with urllib.request.urlopen(f"{self.node.devices}/livez", timeout=PROMPT_SECONDS) as answer:
            return json.load(answer)


@contextmanager
def ended(serving):
    try:
        yield
    finally:
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(PROMPT_SECONDS) == 0


@pytest.fixture
def manager(tmp_path):
    with (
        socket.create_server(("127.0.0.1", 0), backlog=64) as devices,
        socket.create_server(("127.0.0.1", 0)) as control,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard,
    ):
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(PROMPT_SECONDS)
        yield Manager(tmp_path, devices, control, heard)


@pytest.mark.long
def test_who_connects_between_two_nodes_is_answered_by_the_next(manager):
    with ended(manager.start()):
        assert manager.greet() == {"status": "ok"}
    manager.hear("STOPPING=1")
    with socket.create_connection(manager.sockets[0].getsockname(), PROMPT_SECONDS) as waiting:
        waiting.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        with ended(manager.start()), waiting.makefile("rb") as answer:
            assert answer.read().endswith(b'{"status":"ok"}')


@pytest.mark.long
def test_the_manager_hears_which_process_is_the_main_one(manager):
    first = manager.start()
    manager.hear("WATCHDOG=1")
    pid = manager.node.json("restart")["pid"]
    manager.hear("RELOADING=1")
    assert manager.hear("READY=1")["MAINPID"] == str(pid)
    manager.hear("WATCHDOG=1")
    assert first.wait(PROMPT_SECONDS) == 0
    assert manager.greet() == {"status": "ok"}
    os.kill(pid, signal.SIGTERM)
    manager.hear("STOPPING=1")


@pytest.mark.long
def test_a_restart_that_fails_leaves_the_manager_with_the_old_process(manager):
    with ended(manager.start()):
        (manager.folder / "edge.toml").write_text("data_dir = 3\n")
        assert "data_dir" in manager.node.failure("restart", env={"EDGE_CONFIG": ""})
        manager.hear("RELOADING=1")
        manager.hear("READY=1")
        assert manager.greet() == {"status": "ok"}
