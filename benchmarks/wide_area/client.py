"""The far end of the link: times single checks, downloads and whole updates of a simulated device.

    python -m benchmarks.wide_area.client FOLDER

One JSON command a line on standard input, `[operation, arguments]`; one line of JSON for each. Checks and downloads use
plain sockets, so that what is timed is the network and the server; an update is the device simulator's, with everything
a device does to install it. All times are seconds from the first SYN to the last byte.
"""

import asyncio
import contextlib
import gc
import json
import os
import shutil
import socket
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from edge.device.identity import Identity, build_info
from edge.device.ledger import LedgerRequest, UpdateOutcome, UpdateResult
from edge.device.profile import build_profile
from edge.device.setup import DeviceSetup
from edge.device.simulators.capacitor import Device
from edge.device.updating.manifest_download import parallel_files
from edge.domain.model import Platform

PLUGIN = "8.51.23"  # takes manifests and reads brotli
TIMEOUT_SECONDS = 60.0  # of one socket operation: the longest transfer of the bench takes less
CHUNK_BYTES = 64 * 1024
SCRATCH_BYTES = 1 << 20
START_SECONDS = 10.0  # that a server gets until it listens


class Connection:
    """One HTTP/1.1 connection that knows only bodies with a Content-Length."""

    def __init__(self, address: str, port: int) -> None:
        self._host = f"{address}:{port}"
        self._socket = socket.create_connection((address, port), TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self) -> None:
        self._socket.close()

    def post(self, path: str, body: bytes, encoding: str = "identity") -> bytes:
        """The answer's body as it was sent. Raises ConnectionError for any status but 200."""
        head = f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
        head += f"Accept-Encoding: {encoding}\r\n"
        self._socket.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        received, length = self._head()
        while len(received) < length:
            received += self._some()
        return received

    def get(self, path: str, scratch: bytearray) -> int:
        """The length of the answer's body, of which nothing is kept. Raises like `post`."""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())
        received, length = self._head()
        left = length - len(received)
        while left > 0:
            count = self._socket.recv_into(scratch)
            if not count:
                raise ConnectionError(f"{path} ended {left} bytes early")
            left -= count
        return length

    def _head(self) -> tuple[bytes, int]:
        """What has come of the body, and how long it will be."""
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._some()
        lines = received[:end].decode("latin-1").split("\r\n")
        if lines[0].split()[1] != "200":
            raise ConnectionError(f"{self._host} answered {lines[0]!r}")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        return received[end + 4 :], int(fields["content-length"])

    def _some(self) -> bytes:
        chunk = self._socket.recv(CHUNK_BYTES)
        if not chunk:
            raise ConnectionError("the server closed the connection")
        return chunk


class WanClient:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._scratch = bytearray(SCRATCH_BYTES)

    def ready(self, address: str, port: int) -> bool:
        """Returns once something listens there. Raises ConnectionError after START_SECONDS."""
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                Connection(address, port).close()
            except ConnectionRefusedError:
                if time.monotonic() > until:
                    raise
            else:
                return True

    def check(self, address: str, port: int, app: str) -> dict[str, Any]:
        """A check on a new connection, and a second one on the same."""
        bodies = [self._check_body(app) for _ in range(2)]
        started = time.monotonic()
        with contextlib.closing(Connection(address, port)) as connection:
            answer = connection.post("/updates", bodies[0])
            new = time.monotonic()
            connection.post("/updates", bodies[1])
            kept = time.monotonic()
        return {"new": new - started, "kept": kept - new, "answer": json.loads(answer)}

    def answer(self, address: str, port: int, app: str) -> dict[str, Any]:
        """How long the answer to a device's check is on the line."""
        with contextlib.closing(Connection(address, port)) as connection:
            return {"bytes": len(connection.post("/updates", self._check_body(app), "gzip"))}

    def download(self, address: str, port: int, path: str) -> dict[str, Any]:
        """A whole body on a new connection."""
        started = time.monotonic()
        with contextlib.closing(Connection(address, port)) as connection:
            received = connection.get(path, self._scratch)
            ended = time.monotonic()
        return {"seconds": ended - started, "bytes": received}

    def install(self, address: str, port: int, app: str) -> dict[str, Any]:
        """A device of its own takes what is offered; later updates start from the state it has then."""
        return asyncio.run(_update(self._state(app), f"http://{address}:{port}", app))

    def update(self, address: str, port: int, app: str, channel: str = "") -> dict[str, Any]:
        """The same device takes what is offered now, in a copy: it is where it was for the next time. With `channel`,
        what that one offers."""
        copy = self._folder / "copy"
        shutil.copytree(self._state(app), copy)
        try:
            return asyncio.run(_update(copy, f"http://{address}:{port}", app, channel))
        finally:
            shutil.rmtree(copy)

    def _state(self, app: str) -> Path:
        return self._folder / f"device-{app}"

    def _check_body(self, app: str) -> bytes:
        profile = build_profile(Platform.ANDROID, PLUGIN)
        # A device of its own each time: one that checks again at once has to wait.
        identity = Identity(app=app, device_id=str(uuid.uuid4()))
        return json.dumps(build_info(profile, identity, identity.version_build, "")).encode()


async def _update(state: Path, url: str, app: str, channel: str = "") -> dict[str, Any]:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session:
        device = Device(
            DeviceSetup(
                build_profile(Platform.ANDROID, PLUGIN),
                Identity(app=app, device_id=str(uuid.uuid4()), default_channel=channel),
                state,
                session,
                update_url=f"{url}/updates",
                stats_url=f"{url}/stats",
            )
        )
        outcome = await device.check_and_update()
    if outcome.result is not UpdateResult.UPDATED:
        raise RuntimeError(f"the device of {app} did not update: {outcome.result.value}, {outcome.reason}")
    return _told(outcome)


def _told(outcome: UpdateOutcome) -> dict[str, Any]:
    """Reports go out when the update is installed, one after the other: their time is not the update's."""
    reports = [each for each in outcome.ledger.requests if each.url.endswith("/stats")]
    files = [each for each in outcome.ledger.requests if each.method == "GET"]
    return {
        "seconds": outcome.seconds - _sum_seconds(reports),
        "files_bytes": [each.received_bytes for each in files],
        "reused": len(outcome.ledger.reused),
        "manifest": all("/file/" in each.url for each in files),
        "connections": parallel_files(os.cpu_count() or 1),
    }


def _sum_seconds(requests: list[LedgerRequest]) -> float:
    return sum(each.seconds for each in requests)


def main() -> None:
    client = WanClient(Path(sys.argv[1]))
    operations: dict[str, Callable[..., Any]] = {
        "ready": client.ready,
        "check": client.check,
        "answer": client.answer,
        "download": client.download,
        "install": client.install,
        "update": client.update,
    }
    for line in sys.stdin:
        operation, *arguments = json.loads(line)
        gc.collect()  # here, not in the middle of what is timed
        sys.stdout.write(json.dumps(operations[operation](*arguments)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
