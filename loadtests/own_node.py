"""A node for the load test: `edge serve` as another process, in a temporary directory, on loopback.

The limits per address are off, since all simulated devices share one address.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

STOP_SECONDS = 60.0  # the node first finishes what is in progress
LIMITS_OFF = {
    "EDGE_DEVICES_CONNECTIONS_PER_ADDRESS": "0",
    "EDGE_TELEMETRY_ADDRESS_EVENTS_PER_SECOND": "0",
    "EDGE_TELEMETRY_APP_EVENTS_PER_SECOND": "0",
}
OWN = {
    "EDGE_DEVICES_PORT": "0",
    "EDGE_CONTROL_PORT": "0",
    "EDGE_DEVICES_HOST": "127.0.0.1",
    "EDGE_LOG_LEVEL": "warning",
}


class OwnNode(NamedTuple):
    host: str  # the address for devices
    control: str
    token: str
    data_dir: Path


@contextlib.contextmanager
def own_node() -> Iterator[OwnNode]:
    """Raises RuntimeError if the node does not start or exits with an error: a crash under load is a finding."""
    with tempfile.TemporaryDirectory(prefix="edge-load-") as folder:
        others = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
        environment = others | OWN | LIMITS_OFF | {"EDGE_DATA_DIR": folder}
        command = [sys.executable, "-m", "edge", "serve", "--json"]
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield _said(process)
            finally:
                process.send_signal(signal.SIGTERM)
                code = _ended(process)
            if code:
                raise RuntimeError(f"the node exited with code {code}")


def _said(process: subprocess.Popen[str]) -> OwnNode:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("the node did not start; its error is above")
    said = json.loads(line)
    loopback = "http://127.0.0.1"
    token = Path(said["token_file"]).read_text().strip()
    return OwnNode(f"{loopback}:{said['devices']}", f"{loopback}:{said['control']}", token, Path(said["data_dir"]))


def _ended(process: subprocess.Popen[str]) -> int:
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def forget_pages(data_dir: Path) -> int:
    """Ask the kernel to drop the pages of every stored blob, so that the next read is from disk. Returns their
    number."""
    count = 0
    for path in (data_dir / "store" / "blobs").rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
            count += 1
    return count
