"""Devices that ask nodes all the time, and a record of everything they saw.

Each question is a new device's, on the native version, so that it is offered whatever the node offers anybody. Every
tenth offer is downloaded and its bytes are compared with the checksum; every fifth question is followed by a report,
once the node has offered something.
A failure is anything but the answer that the protocol promises: another status, a broken connection, silence, other
bytes.
"""

import asyncio
import contextlib
import hashlib
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, NamedTuple

import aiohttp

from tests.worlds.region_node import RegionNode

PATIENCE_SECONDS = 10.0  # a plugin waits twice as long
PAUSE_SECONDS = 0.05
DOWNLOADED, REPORTED = 10, 5  # one in so many
PLUGIN = "8.51.14"


class Seen(NamedTuple):
    """An answer. `version` "" is "nothing new"; `at` is when it was asked, `time.monotonic`."""

    at: float
    seconds: float
    version: str


class RegionDevices:
    """`a_node` devices at each of the nodes. `quiet` devices report nothing."""

    def __init__(
        self, nodes: Iterable[RegionNode], app: str, *, native: str = "1.0.0", a_node: int = 2, quiet: bool = False
    ) -> None:
        self.nodes, self.app, self.native = list(nodes), app, native
        self.seen: defaultdict[str, list[Seen]] = defaultdict(list)  # by node
        self.failures: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.downloads: Counter[str] = Counter()
        self.reported: Counter[str] = Counter()  # acknowledged
        self._a_node, self._quiet, self._stopping = a_node, quiet, False
        self._know_the_app: set[str] = set()
        self._session: aiohttp.ClientSession

    @contextlib.asynccontextmanager
    async def asking(self) -> AsyncIterator[None]:
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as self._session:
            self._stopping = False
            tasks = [asyncio.create_task(self._ask_on(node)) for node in self.nodes for _ in range(self._a_node)]
            try:
                yield
            finally:
                self._stopping = True
                await asyncio.gather(*tasks)

    @property
    def checks(self) -> int:
        return sum(map(len, self.seen.values()))

    @property
    def failed(self) -> int:
        return sum(each.total() for each in self.failures.values())

    def since(self, node: RegionNode, at: float) -> list[Seen]:
        return [each for each in self.seen[node.name] if each.at >= at]

    def first(self, node: RegionNode, version: str, since: float) -> float | None:
        """Seconds from `since` to the first question that was answered with the version."""
        return next((each.at - since for each in self.since(node, since) if each.version == version), None)

    def last(self, node: RegionNode, version: str, since: float) -> float | None:
        return next((each.at - since for each in reversed(self.since(node, since)) if each.version == version), None)

    def share(self, node: RegionNode, version: str, begin: float, end: float) -> tuple[int, int]:
        """How many of the questions in this time were answered with the version, and of how many."""
        among = [each.version for each in self.since(node, begin) if each.at < end]
        return among.count(version), len(among)

    def slowest(self, node: RegionNode, since: float = 0.0) -> float:
        return max((each.seconds for each in self.since(node, since)), default=0.0)

    def summary(self) -> str:
        said = f"{self.checks} checks, {self.downloads.total()} downloads, {self.reported.total()} reports acknowledged"
        if not self.failed:
            return f"{said}; no error, no wrong byte"
        worst = {node: dict(kinds) for node, kinds in self.failures.items()}
        return f"{said}; {self.failed} FAILED: {worst}"

    async def see(self, node: RegionNode, version: str, seconds: float = 30.0) -> float:
        """How long it takes until devices of the node are offered the version. Raises TimeoutError."""
        begun = time.monotonic()
        while self.first(node, version, begun) is None:
            if time.monotonic() - begun > seconds:
                latest = self.seen[node.name][-1:] or "nothing"
                raise TimeoutError(f"{node.name} offers no {version} within {seconds:g} s; last: {latest}")
            await asyncio.sleep(PAUSE_SECONDS)
        return time.monotonic() - begun

    async def _ask_on(self, node: RegionNode) -> None:
        number = 0
        while not self._stopping:
            number += 1
            if node.serves:
                try:
                    await self._once(node, number)
                except (aiohttp.ClientError, OSError, TimeoutError, AssertionError, ValueError) as error:
                    self.failures[node.name][f"{type(error).__name__}: {error}"[:200]] += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def _once(self, node: RegionNode, number: int) -> None:
        asked = question(self.app, self.native)
        begun = time.monotonic()
        said = await self._post(node, "/updates", asked)
        seconds = time.monotonic() - begun
        self.seen[node.name].append(Seen(begun, seconds, said.get("version", "") if "url" in said else ""))
        if "url" in said and number % DOWNLOADED == 0:
            await self._download(node, said)
        # A node that does not know the app takes its reports, and counts none of them.
        if "url" in said:
            self._know_the_app.add(node.name)
        if number % REPORTED == 0 and not self._quiet and node.name in self._know_the_app:
            event = asked | {"version_name": said.get("version") or self.native, "action": "set"}
            assert (await self._post(node, "/stats", event))["status"] == "ok"
            self.reported[node.name] += 1

    async def _post(self, node: RegionNode, path: str, body: Any) -> Any:
        async with self._session.post(node.devices_url + path, json=body) as answer:
            said = await answer.json()
            assert answer.status == 200, f"{path}: {answer.status} {said}"
            return said

    async def _download(self, node: RegionNode, offer: dict[str, Any]) -> None:
        async with self._session.get(offer["url"]) as answer:
            content = await answer.read()
            assert answer.status == 200, f"a download: {answer.status}"
        assert hashlib.sha256(content).hexdigest() == offer["checksum"], "other bytes than announced"
        self.downloads[node.name] += 1


def question(app: str, native: str = "1.0.0", device: str = "") -> dict[str, Any]:
    """What a device on its native version posts to /updates."""
    return {
        "platform": "android",
        "device_id": device or str(uuid.uuid4()),
        "app_id": app,
        "custom_id": "",
        "version_build": native,
        "version_name": native,
        "version_os": "14",
        "plugin_version": PLUGIN,
        "is_emulator": False,
        "is_prod": True,
    }


async def offered_to(
    session: aiohttp.ClientSession, node: RegionNode, app: str, devices: Sequence[str]
) -> dict[str, str]:
    """What each of these devices is offered now: the version, "" for nothing new."""
    found = {}
    for device in devices:
        async with session.post(f"{node.devices_url}/updates", json=question(app, device=device)) as answer:
            said = await answer.json()
            assert answer.status == 200, f"{answer.status} {said}"
        found[device] = said.get("version", "") if "url" in said else ""
    return found
