"""An origin and regions that follow it, as real processes, with a link of its own between each region and the origin.

    async with RegionWorld(regions=2, delay_ms=100) as world:
        await world.release("1.0.1")
        world.regions[0].link.cut()

Every region reaches the origin through its link alone (`tcp_relay`), whose other end follows the origin's port when
that is restarted. Devices ask regions directly. `world.admin` is the client of the origin's control API; it blocks, so
`await world.change(…)` from a loop.
"""

import asyncio
import contextlib
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from edge.cli.terminal.client import ControlClient, app_path
from edge.config import Config
from tests.worlds.region_node import ROOT, RegionNode
from tests.worlds.tcp_relay import Link, TcpRelay

APP, CHANNEL = "com.example.region", "production"
NATIVE = "1.0.0"
STARTING_AT_ONCE = 4  # nodes; more only wait for each other
LOOK_SECONDS = 0.02
FOLLOWS = "role" in {field.name for field in msgspec.structs.fields(Config)}  # else each node stands alone


class FollowingNode(RegionNode):
    """A region. `link` is its way to the origin, `token` what it follows with."""

    link: Link
    token: str


class RegionWorld:
    """`settings` are options of every node, `region_settings` of the regions alone, `origin_settings` of the origin:
    sections as nested dicts, as in edge.toml."""

    def __init__(
        self,
        regions: int = 1,
        delay_ms: float = 0.0,
        *,
        folder: Path | None = None,
        settings: dict[str, Any] | None = None,
        origin_settings: dict[str, Any] | None = None,
        region_settings: dict[str, Any] | None = None,
        region_code: Callable[[int], Path] = lambda number: ROOT,
        origin_code: Path = ROOT,
        starting: bool = True,
        on_one_disk: bool = False,
    ) -> None:
        """`regions` are started too, unless not `starting`. `on_one_disk`: they follow the origin's directory, in place
        of its port; only reports go through the links then."""
        self._kept = folder
        self.folder = folder or Path(tempfile.mkdtemp(prefix="edge-regions-"))
        self._delay_seconds, self._starting = delay_ms / 1_000, starting
        self._on_one_disk = on_one_disk
        common = merged(_COMMON, settings or {})
        own = {"region": "origin"} | ({"role": "origin"} if FOLLOWS and origin_code == ROOT else {})
        self.origin = RegionNode(
            self.folder / "origin", "origin", merged(merged(common, own), origin_settings or {}), origin_code
        )
        self.regions = [
            FollowingNode(
                self.folder / f"region-{number}",
                f"region-{number}",
                merged(merged(common, {"region": f"region-{number}"}), region_settings or {}),
                region_code(number),
            )
            for number in range(regions)
        ]
        self._stack = contextlib.ExitStack()
        self.relay: TcpRelay
        self.admin: ControlClient

    @property
    def nodes(self) -> list[RegionNode]:
        return [self.origin, *self.regions]

    async def __aenter__(self) -> Self:
        try:
            self.relay = self._stack.enter_context(TcpRelay())
            await self.start_origin()
            for region in self.regions:
                self._join(region)
            if self._starting:
                await self.start_regions()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def start_origin(self) -> None:
        """Also after it was killed: links lead to its new port."""
        await self.origin.start()
        for region in self.regions:
            if hasattr(region, "link"):
                region.link.target = self.origin.control_port
        if hasattr(self, "admin"):
            self.admin.close()
        self.admin = self.origin.client()

    async def start_regions(self) -> None:
        gate = asyncio.Semaphore(STARTING_AT_ONCE)

        async def start(region: RegionNode) -> None:
            async with gate:
                await region.start()

        async with asyncio.TaskGroup() as group:
            for region in self.regions:
                group.create_task(start(region))

    def rejoin(self) -> None:
        """New tokens for all regions, of an origin that knows none of theirs."""
        for region in self.regions:
            region.settings.pop("upstream", None)
            self._join(region)

    async def change(self, method: str, path: str, body: Any = None) -> Any:
        """A request to the origin's control API. Raises EdgeError."""
        return await asyncio.to_thread(self.admin.send, method, path, body)

    async def edge(self, *words: object, node: RegionNode | None = None) -> Any:
        """What the command says with --json, as a process of its own that asks the origin, or `node`. Raises
        RuntimeError with its words."""
        at = node or self.origin
        environ = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
        environ |= {"EDGE_URL": at.control_url, "EDGE_TOKEN": self.origin.admin_token}
        environ |= {"PYTHONPATH": str(ROOT), "EDGE_CACHE_DIR": str(self.folder / "cache")}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "edge", *map(str, words), "--json"),
            cwd=self.folder,
            env=environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, complained = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"edge {' '.join(map(str, words))}: {complained.decode()}")
        return json.loads(said)

    async def create_app(self, app: str = APP) -> None:
        await self.change("POST", "/v1/apps", {"app": app})
        await self.change("POST", app_path(app, "channels"), {"name": CHANNEL, "public": True})

    async def publish(
        self, version: str, *, app: str = APP, size_bytes: int = 100_000, files: int = 3, channel: str = ""
    ) -> None:
        """A bundle that no channel offers yet, or that this one offers at once: `size_bytes` that do not compress, in
        so many files."""
        source = self.folder / f"build-{app}-{version}"
        await asyncio.to_thread(write_build, source, version, size_bytes, files)
        where = ("--channel", channel) if channel else ("--no-channel",)
        await self.edge("bundle", "publish", app, source, "--version", version, *where)
        await asyncio.to_thread(shutil.rmtree, source)

    async def offer(self, version: str, *, app: str = APP, channel: str = CHANNEL) -> float:
        """To all of the channel. Returns when the origin acknowledged it, as `time.monotonic`."""
        body = {"bundle": version, "downgrade": True, "again": True}
        await self.change("PATCH", app_path(app, "channels", channel), body)
        return time.monotonic()

    async def release(self, version: str, *, app: str = APP, size_bytes: int = 100_000, files: int = 3) -> float:
        await self.publish(version, app=app, size_bytes=size_bytes, files=files)
        return await self.offer(version, app=app)

    def blob_bytes(self) -> int:
        """Of all that the origin's store has."""
        blobs = self.origin.data_dir / "store" / "blobs"
        return sum(each.stat().st_size for each in blobs.rglob("*") if each.is_file())

    def _join(self, region: FollowingNode) -> None:
        if not hasattr(region, "link"):
            region.link = self.relay.link(self.origin.control_port)
        region.link.lengthen(self._delay_seconds)
        region.token = token = self.admin.post("/v1/tokens", {"name": region.name, "role": "node"})["token"]
        file = region.folder / "token"
        file.touch(0o600)
        file.write_text(token)
        source = f"file://{self.origin.data_dir}/store" if self._on_one_disk else region.link.url
        upstream = {"source": source, "home": region.link.url, "token_file": str(file)}
        if FOLLOWS:
            region.settings = merged({"upstream": upstream, "role": "region"}, region.settings)

    async def _end(self) -> None:
        for node in self.nodes:
            node.resume()
        if hasattr(self, "admin"):
            self.admin.close()
        await asyncio.gather(*(region.stop() for region in self.regions))
        await self.origin.stop()
        self._stack.close()
        if self._kept is None:
            await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` wins, option by option."""
    both = {**below}
    for name, value in above.items():
        held = both.get(name)
        both[name] = merged(held, value) if isinstance(held, dict) and isinstance(value, dict) else value
    return both


async def until(holds: Callable[[], bool], seconds: float, what: str) -> float:
    """How long it took until `holds()`. Raises TimeoutError, which names `what`."""
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > seconds:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        await asyncio.sleep(LOOK_SECONDS)
    return time.monotonic() - begun


def write_build(folder: Path, seed: str, size_bytes: int, files: int) -> None:
    """A web folder of noise, of its own for each seed."""
    noise = random.Random(seed)
    folder.mkdir(parents=True)
    (folder / "index.html").write_text(f"<!doctype html><title>{seed}</title>")
    for number in range(files):
        (folder / f"part-{number}.bin").write_bytes(noise.randbytes(size_bytes // files))


_COMMON: dict[str, Any] = {
    "devices": {"host": "127.0.0.1", "port": 0, "workers": 1, "connections_per_address": 0, "prefer": "zip"},
    "control": {"port": 0},
    "telemetry": {"address_events_per_second": 0, "app_events_per_second": 0},
    "log": {"level": "info"},
}
