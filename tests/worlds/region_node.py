"""One node as a process of its own, which can be killed, stopped, started again, put on another clock or an older code.

Ports are free ones, chosen at each start. Everything of the node is in its folder: `edge.toml`, `edge-data`, `log`.
"""

import asyncio
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from edge.cli.terminal.client import ControlClient
from tests.worlds.clocks import ShiftedClock

ROOT = Path(__file__).parent.parent.parent
START_SECONDS, STOP_SECONDS = 180.0, 45.0
LAST_RELEASE = "15c19fdf"  # the last commit that knows one node only


class Missing(Exception):
    """The machine or the source tree lacks what the world needs; the message says what."""


class RegionNode:
    """`code` is the folder whose `edge` runs. `settings` are written before each start: change them meanwhile."""

    def __init__(self, folder: Path, name: str, settings: dict[str, Any], code: Path = ROOT) -> None:
        self.folder, self.name, self.settings, self.code = folder, name, settings, code
        self.devices_port = self.control_port = 0
        self.process: subprocess.Popen[str] | None = None
        self.started_seconds = 0.0  # that the last start took, until it served
        self.environment: dict[str, str] = {}
        folder.mkdir(parents=True, exist_ok=True)
        self._clock = ShiftedClock(folder / "clock")

    @property
    def config(self) -> Path:
        return self.folder / "edge.toml"

    @property
    def data_dir(self) -> Path:
        return Path(self.settings.get("data_dir") or self.folder / "edge-data")

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def devices_url(self) -> str:
        return f"http://127.0.0.1:{self.devices_port}"

    @property
    def control_url(self) -> str:
        return f"http://127.0.0.1:{self.control_port}"

    @property
    def is_up(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def serves(self) -> bool:
        """Whether it was started and neither stopped nor killed since."""
        return self.is_up and self.devices_port != 0

    @property
    def admin_token(self) -> str:
        return (self.data_dir / "node" / "admin.token").read_text().strip()

    def client(self, token: str = "") -> ControlClient:
        """To be closed. Without a token, as the node's first admin."""
        return ControlClient(self.control_url, token or self.admin_token)

    async def start(self) -> None:
        """Returns when it serves. Raises RuntimeError with the end of its log."""
        await asyncio.to_thread(self.start_now)

    def start_now(self) -> None:
        assert not self.is_up, f"{self.name} runs"
        self.config.write_text(toml_of({"data_dir": "edge-data", **self.settings}))
        begun = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "edge", "serve", "--json", "--config", str(self.config)],
                cwd=self.folder,
                env=self._environ(),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        assert self.process.stdout is not None
        with self.process.stdout as stdout:
            line = _first_line(stdout, START_SECONDS)
        if not line:
            self.kill()
            raise RuntimeError(f"{self.name} did not start: {self.said(2_000)}")
        ports = json.loads(line)
        self.started_seconds = time.monotonic() - begun
        self.devices_port, self.control_port = ports["devices"], ports["control"]

    def kill(self) -> None:
        """The node with all its processes, as the kernel does it; what the disk's cache has is kept."""
        self._signal(signal.SIGKILL)
        self.devices_port = self.control_port = 0
        if self.process is not None:
            self.process.wait()

    def pause(self) -> None:
        """Every process of it stops where it is; its connections stay open and nobody answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    async def stop(self) -> None:
        """As an operator stops it. Kills what does not end."""
        if self.process is None:
            return
        self.devices_port = self.control_port = 0
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self.process.wait, STOP_SECONDS)
        self._signal(signal.SIGKILL)  # what is left of it
        self.process.wait()

    async def restart(self) -> None:
        if self.is_up:
            await self.stop()
        await self.start()

    def set_clock(self, offset_seconds: float) -> None:
        """The wall clock is wrong by that much, at once and after a restart; the monotonic one goes on."""
        self._clock.set(offset_seconds)

    def said(self, last_bytes: int = 0) -> str:
        """Its log, or the end of it."""
        content = self.log.read_bytes() if self.log.exists() else b""
        return content[-last_bytes:].decode(errors="replace")

    def cpu_seconds(self) -> float:
        """Of all its processes that run now."""
        assert self.process is not None
        return sum(_cpu_seconds(pid) for pid in pids_of_session(self.process.pid))

    def memory_bytes(self) -> int:
        """What its processes hold alone and their part of what they share."""
        assert self.process is not None
        return sum(_memory_bytes(pid) for pid in pids_of_session(self.process.pid))

    async def is_ready(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"{self.devices_url}/readyz", timeout=aiohttp.ClientTimeout(5)) as answer:
                return answer.status == 200
        except (OSError, aiohttp.ClientError, TimeoutError):
            return False

    def _signal(self, number: int) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def _environ(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
        return own | self._clock.environ(self.code) | self.environment


def toml_of(settings: Mapping[str, Any]) -> str:
    """Options at the top, then a table for each mapping."""
    own = {name: value for name, value in settings.items() if not isinstance(value, Mapping)}
    lines = [f"{name} = {_toml_value(value)}" for name, value in own.items()]
    for section, options in settings.items():
        if isinstance(options, Mapping):
            lines += [f"[{section}]", *(f"{name} = {_toml_value(value)}" for name, value in options.items())]
    return "\n".join(lines) + "\n"


def last_release(folder: Path) -> Path:
    """The code of the last release in this folder, for a node that runs it. Raises Missing."""
    if (folder / "edge").exists():
        return folder
    packed = subprocess.run(["git", "-C", str(ROOT), "archive", LAST_RELEASE, "edge"], capture_output=True)
    if packed.returncode:
        raise Missing(f"commit {LAST_RELEASE} is not in this clone: {packed.stderr.decode().strip()}")
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed.stdout, check=True)
    return folder


def pids_of_session(session: int) -> list[int]:
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (each / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == session:
                    found.append(int(each.name))
    return found


def _cpu_seconds(pid: int) -> float:
    """By the kernel's own clock of the process, in nanoseconds; `stat` has steps of 10 ms. 0 for one that has ended."""
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


def _memory_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


def _toml_value(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value)  # what we write is the same in both


def _first_line(stream: Any, seconds: float) -> str:
    """ "" at its end, or after so many seconds."""
    ready, _, _ = select.select([stream], [], [], seconds)
    return str(stream.readline()) if ready else ""
