"""NATS is killed and comes back while releases change: `python -m tests.drills.region_push`.

Regions hear of changes by NATS alone here: the events of the node above do not get through. Needs `nats-server`.
"""

import asyncio
import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.ports import free_port
from tests.drills.region_outages import CAUGHT_UP_SECONDS, released
from tests.worlds.region_devices import RegionDevices
from tests.worlds.region_node import Missing
from tests.worlds.region_story import Told, case, main
from tests.worlds.region_world import APP, RegionWorld

EVENTS_PATH = b"/v1/feed/events"
PUSHED_SECONDS = 1.0  # that a change takes to be heard and offered
SETTLED_SECONDS = 2.0  # after NATS is back: its clients find it again, once a second and less
OUTAGE_SECONDS = 10.0
START_SECONDS = 20.0


class Nats:
    """A server with JetStream in a folder, at a port that it keeps."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program, self._folder, self.port = program, folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        words = ["-js", "-a", "127.0.0.1", "-p", str(self.port), "-sd", str(self._folder / "store")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([self._program, *words], stdout=log, stderr=log)
        begun = time.monotonic()
        while time.monotonic() - begun < START_SECONDS:
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.05)
        raise RuntimeError("nats-server does not listen")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def a_nats() -> Iterator[Nats]:
    """Raises Missing."""
    program = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin:/usr/local/bin")
    if program is None:
        raise Missing("nats-server is not installed")
    with tempfile.TemporaryDirectory(prefix="edge-nats-") as folder:
        nats = Nats(program, Path(folder))
        nats.start()
        try:
            yield nats
        finally:
            nats.kill()


@case
async def nats_killed(told: Told) -> None:
    """NATS is killed: changes are heard by the poll; it comes back: they are heard at once again."""
    with a_nats() as nats:
        async with RegionWorld(regions=2, settings={"upstream": {"nats": nats.url}}, starting=False) as world:
            for region in world.regions:
                region.link.deny(EVENTS_PATH)
            await world.start_regions()
            devices = RegionDevices(world.regions, APP)
            async with devices.asking():
                await released(world, devices)
                await asyncio.sleep(SETTLED_SECONDS)
                await heard(told, world, devices, "1.0.2", "with NATS", PUSHED_SECONDS)
                await heard(told, world, devices, "1.0.3", "again with NATS", PUSHED_SECONDS)
                nats.kill()
                await heard(told, world, devices, "1.0.4", "without it, by the poll", CAUGHT_UP_SECONDS)
                await asyncio.sleep(OUTAGE_SECONDS)
                nats.start()
                await asyncio.sleep(SETTLED_SECONDS)
                await heard(told, world, devices, "1.0.5", "back for two seconds", PUSHED_SECONDS)
                nats.kill()
                nats.start()
                await asyncio.sleep(SETTLED_SECONDS)
                await heard(told, world, devices, "1.0.6", "restarted", PUSHED_SECONDS)
            told.saw_nothing(devices)
            await told.counts_all(world, devices)


@case
async def started_without_nats(told: Told) -> None:
    """Nodes are started while their NATS is gone: they serve, and hear by the poll; NATS comes, and they use it."""
    with a_nats() as nats:
        nats.kill()
        async with RegionWorld(regions=1, settings={"upstream": {"nats": nats.url}}, starting=False) as world:
            world.regions[0].link.deny(EVENTS_PATH)
            await world.start_regions()
            devices = RegionDevices(world.regions, APP)
            async with devices.asking():
                await released(world, devices)
                nats.start()
                await asyncio.sleep(OUTAGE_SECONDS)
                await heard(told, world, devices, "1.0.2", "ten seconds after NATS began", PUSHED_SECONDS)
            told.saw_nothing(devices)


async def heard(told: Told, world: RegionWorld, devices: RegionDevices, version: str, when: str, limit: float) -> None:
    """Both regions offer the version within the limit after its change is acknowledged."""
    await world.publish(version)
    await world.offer(version)
    waits = await asyncio.gather(*(devices.see(region, version, limit + 30) for region in devices.nodes))
    told.expect(f"{when}, a change is offered within {limit:g} s", max(waits) <= limit, f"{max(waits):.2f} s at most")


if __name__ == "__main__":
    main(__name__, __doc__ or "")
