"""A fleet that wakes: `python -m benchmarks.load.fleet` reads its orders and prints its results as one JSON document.

A device opens a connection, checks, reads the answer as its plugin does, downloads the offered zip or every file of the
manifest over the same connection, and verifies each by its digest. What is refused is counted by its kind and tried
again after the pause the server asks for, as a real device would later.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import uvloop

from benchmarks.measuring.figures import percentile
from benchmarks.worlds.answers import parse_head
from benchmarks.worlds.releases import PLUGIN, ZIP_PLUGIN, check_request, device_ids, get_request, question

ATTEMPTS = 20  # of one device; what still has nothing then is counted as incomplete
PAUSE_SECONDS = 1.0  # where the server names none
ANSWER_SECONDS = 120.0  # generous: with thousands of devices in one process it is this process that is late
DEVICES_PER_ADDRESS = 1_000  # loopback has many addresses; one has too few ports for a fleet


class Orders(NamedTuple):
    """`wave` devices wake at once, the next ones when all of them have finished."""

    port: int
    devices: int
    wave: int
    runs: str  # the version they run
    wanted: str  # the version they should get


class CheckRefused(Exception):
    """What the server answered instead; `pause_seconds` until the next try."""

    def __init__(self, kind: str, pause_seconds: float = PAUSE_SECONDS) -> None:
        super().__init__(kind)
        self.kind = kind
        self.pause_seconds = pause_seconds


class Fleet:
    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._host = f"127.0.0.1:{orders.port}"
        self.happened: Counter[str] = Counter()
        self.received_bytes = 0
        self.check_seconds: list[float] = []
        self.update_seconds: list[float] = []

    async def wake(self) -> None:
        ids = device_ids(self._orders.devices)
        for first in range(0, len(ids), self._orders.wave):
            async with asyncio.TaskGroup() as tasks:
                for at in range(first, min(first + self._orders.wave, len(ids))):
                    tasks.create_task(self._live(at, ids[at]))

    async def _live(self, at: int, device: str) -> None:
        """One device, until it has the release or has tried often enough."""
        started = time.perf_counter()
        for _ in range(ATTEMPTS):
            try:
                await self._update(at, device)
            except CheckRefused as refused:
                self.happened[refused.kind] += 1
                await asyncio.sleep(refused.pause_seconds)
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                self.happened[type(error).__name__] += 1
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                self.happened["complete"] += 1
                self.update_seconds.append(time.perf_counter() - started)
                return
        self.happened["incomplete"] += 1

    async def _update(self, at: int, device: str) -> None:
        address = f"127.0.{1 + at // DEVICES_PER_ADDRESS // 250}.{1 + at // DEVICES_PER_ADDRESS % 250}"
        async with asyncio.timeout(ANSWER_SECONDS):
            line = await asyncio.open_connection("127.0.0.1", self._orders.port, local_addr=(address, 0))
            try:
                answer = await self._check(line, device, ZIP_PLUGIN if at % 2 else PLUGIN)
                for url, digest in _wanted(answer):
                    await self._download(line, url, digest)
            finally:
                line[1].close()

    async def _check(self, line: "DeviceLine", device: str, plugin: str) -> dict[str, Any]:
        asked = question(device, version=self._orders.runs, plugin=plugin)
        started = time.perf_counter()
        answer: dict[str, Any] = json.loads(await self._exchange(line, check_request(asked, self._host)))
        self.check_seconds.append(time.perf_counter() - started)
        if answer.get("version") != self._orders.wanted:
            raise CheckRefused("check answered with nothing new")
        return answer

    async def _download(self, line: "DeviceLine", url: str, digest: str) -> None:
        parts = urlsplit(url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        body = await self._exchange(line, get_request(path, self._host))
        if sha256(body).hexdigest() != digest:
            raise CheckRefused("other bytes than offered")

    async def _exchange(self, line: "DeviceLine", request: bytes) -> bytes:
        reader, writer = line
        writer.write(request)
        status, headers = parse_head(await reader.readuntil(b"\r\n\r\n"))
        named = {name.lower(): value for name, value in headers}
        body = await reader.readexactly(int(named["content-length"]))
        self.received_bytes += len(body)
        if status != 200:
            raise CheckRefused(f"answered {status}", float(named.get("retry-after", PAUSE_SECONDS)))
        return body


DeviceLine = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def _wanted(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """What to download, with its digest: bundles of a benchmark are stored as they are, so a hash is its blob's too."""
    if files := answer.get("manifest"):
        return [(file["download_url"], file["file_hash"]) for file in files]
    # An address names its bytes: `/bundles/<app>/zip/<digest>`.
    return [(answer["url"], urlsplit(answer["url"]).path.rpartition("/")[2])]


async def run_fleet(orders: Orders) -> dict[str, Any]:
    fleet = Fleet(orders)
    started, spent = time.perf_counter(), time.process_time()
    await fleet.wake()
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "busy": (time.process_time() - spent) / seconds,
        "received_bytes": fleet.received_bytes,
        "happened": dict(fleet.happened),
        "check_milliseconds": _percentiles(fleet.check_seconds),
        "update_milliseconds": _percentiles(fleet.update_seconds),
    }


def _percentiles(seconds: list[float]) -> list[float]:
    """The 50th, the 99th and the largest."""
    ordered = sorted(seconds) or [0.0]
    return [percentile(ordered, share) * 1e3 for share in (0.5, 0.99, 1.0)]


def main() -> None:
    orders = Orders(**json.loads(sys.stdin.readline()))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(run_fleet(orders))), flush=True)


if __name__ == "__main__":
    main()
