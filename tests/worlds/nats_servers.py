"""NATS servers from the examples in config/nats, on ports of their own.

with NatsServer(tmp_path / "hub", hub_config(tmp_path)) as hub: ...
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from benchmarks.ports import free_port

ROOT = Path(__file__).parent.parent.parent
PROGRAM = shutil.which("nats-server") or "/usr/sbin/nats-server"
PASSWORDS = {"NATS_ORIGIN_PASSWORD": "origin-secret", "NATS_REGION_PASSWORD": "region-secret"}
START_SECONDS = 120


class NatsServer:
    """`text` is a configuration with its ports in it. It may be killed, and started again at the same place."""

    def __init__(self, folder, text, port, environ=None):
        folder.mkdir(parents=True, exist_ok=True)
        self.file, self.port, self.url = folder / "nats.conf", port, f"nats://127.0.0.1:{port}"
        self.file.write_text(text)
        self._log = folder / "nats.log"
        self._environ = PASSWORDS | (environ or {})
        self._process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()

    def start(self):
        if not Path(PROGRAM).exists():
            pytest.skip("nats-server is not installed")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, "-c", str(self.file)], stdout=log, stderr=log, env=os.environ | self._environ
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None and time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.02)

    def kill(self):
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self):
        """It holds its connections, and says nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self._process.send_signal(signal.SIGCONT)

    def _answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as line:
                return line.recv(4) == b"INFO"
        except OSError:
            return False


def a_hub(folder, more=""):
    """As config/nats/hub.conf; `leaves` is the port of its leaf nodes."""
    port, leaves = free_port(), free_port()
    text = (ROOT / "config" / "nats" / "hub.conf").read_text()
    text = text.replace("127.0.0.1:4222", f"127.0.0.1:{port}").replace("0.0.0.0:7422", f"127.0.0.1:{leaves}")
    server = NatsServer(folder, text.replace("/var/lib/nats", str(folder / "jetstream")) + more, port)
    server.leaves = leaves
    return server


def a_leaf(folder, hub):
    """As config/nats/leaf.conf."""
    port = free_port()
    text = (ROOT / "config" / "nats" / "leaf.conf").read_text().replace("127.0.0.1:4222", f"127.0.0.1:{port}")
    address = f"nats-leaf://region:{PASSWORDS['NATS_REGION_PASSWORD']}@127.0.0.1:{hub.leaves}"
    return NatsServer(folder, text, port, {"NATS_HUB": address})
