"""Starting and stopping the programs of a benchmark: servers on one core, load generators on another."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.output.report import Missing

START_SECONDS = 300.0  # 10,000 apps take a minute to load; a server that needs longer is broken
END_SECONDS = 60.0

PACKAGES = {"nginx": "nginx-light", "wrk": "wrk", "caddy": "caddy"}


def find_program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def need_program(name: str) -> str:
    """Raises Missing, which names the package."""
    found = find_program(name)
    if found is None:
        raise Missing(f"{name} is not installed; its Debian package is {PACKAGES.get(name, name)}")
    return found


def cores(pin: bool) -> tuple[set[int], set[int]]:
    """The cores for servers and for load generators; with one core, or unpinned, both may use all."""
    usable = sorted(os.sched_getaffinity(0))
    if not pin or len(usable) < 2:
        return set(usable), set(usable)
    return {usable[0]}, {usable[1]}


def module(name: str, *words: object) -> list[str]:
    return [sys.executable, "-m", name, *(str(word) for word in words)]


@contextmanager
def pinned(on: set[int]) -> Iterator[None]:
    """Pin what is started in the block to these cores: a child inherits them from the thread that starts it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, on)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def running(command: Sequence[str], on: set[int], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """The program, stopped with SIGTERM after the block, and killed if it does not stop."""
    with pinned(on):
        process = subprocess.Popen(command, text=True, **options)
    with process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def await_port(port: int, process: subprocess.Popen[str]) -> None:
    """Wait until the port accepts. Raises RuntimeError if the program exits first or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} exited with code {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"{process.args!r} does not listen on {port}")


def environment(changes: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without the node's variables, plus `changes`."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
    return own | {"PYTHONPATH": str(Path(__file__).parent.parent)} | dict(changes)
