"""A region by itself: restarts, a full disk, a wrong clock, a corrupt cache: `python -m tests.drills.region_restarts`.

Everything behind the region may be gone. Devices ask all the time; while the region itself is down they get nothing,
and that alone is no failure here.
"""

import asyncio
import hashlib
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import aiohttp

from edge.cli.terminal.client import app_path
from tests.drills.region_outages import CAUGHT_UP_SECONDS, released
from tests.worlds.region_devices import RegionDevices, question
from tests.worlds.region_node import RegionNode
from tests.worlds.region_story import Told, case, main
from tests.worlds.region_world import APP, RegionWorld
from tests.worlds.small_disk import temporary_disk

START_SECONDS = 2.0  # until it serves
TOLERANCE = 0.15  # between two nodes that start in turns on a busy machine
DISK_BYTES = 64 << 20
HOUR = 3_600.0
STARTS = 5


async def a_download(node: RegionNode) -> str:
    """What a device is offered and can download, "" for nothing. Raises AssertionError for wrong bytes."""
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{node.devices_url}/updates", json=question(APP)) as answer:
            offer = await answer.json()
        if "url" not in offer:
            return ""
        async with session.get(offer["url"]) as answer:
            content = await answer.read()
            assert answer.status == 200, answer.status
        assert hashlib.sha256(content).hexdigest() == offer["checksum"]
        return str(offer["version"])


@case
async def started_alone(told: Told) -> None:
    """The region is killed and started again with its parent gone."""
    async with RegionWorld(regions=1) as world:
        (region,) = world.regions
        devices = RegionDevices([region], APP)
        async with devices.asking():
            await released(world, devices)
        region.link.refuse()
        alone, own = [], []
        for _ in range(STARTS):
            alone.append(await a_start(world.origin))
            world.origin.kill()
            own.append(await a_start(region))
            told.expect("it serves from its disk at once", await a_download(region) == "1.0.1")
        seconds, cpu = median(each.seconds for each in own), median(each.cpu_seconds for each in own)
        standalone = median(each.seconds for each in alone)
        told.note("load of the machine", f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        told.note("the origin's own starts, in turns", in_words(alone))
        told.expect(
            f"serving within {START_SECONDS:g} s, in the median of {STARTS}; where a node that follows nobody takes "
            f"longer than that too, no later than {1 + TOLERANCE:g} of it, with at most {START_SECONDS:g} s of CPU",
            seconds <= START_SECONDS
            or (standalone > START_SECONDS and seconds <= standalone * (1 + TOLERANCE) and cpu <= START_SECONDS),
            f"{in_words(own)}; {seconds / standalone:.2f} of the origin's",
        )
        region.link.restore()
        await world.start_origin()
        async with devices.asking():
            await world.release("1.0.2")
            await told.within("with the parent back, it follows", CAUGHT_UP_SECONDS, devices.see(region, "1.0.2"))
        told.saw_nothing(devices)
        await told.counts_all(world, devices)


class Start(NamedTuple):
    """`cpu_seconds` are of all processes of the node, until it served."""

    seconds: float
    cpu_seconds: float


async def a_start(node: RegionNode) -> Start:
    """After it was killed."""
    node.kill()
    await node.start()
    return Start(node.started_seconds, node.cpu_seconds())


def in_words(starts: Sequence[Start]) -> str:
    seconds = sorted(each.seconds for each in starts)
    cpu = median(each.cpu_seconds for each in starts)
    return f"{median(seconds):.2f} s ({seconds[0]:.2f} to {seconds[-1]:.2f}), CPU {cpu:.2f} s"


@case
async def disk_full(told: Told) -> None:
    """The region's disk fills up; it serves what it has, says so, and goes on when there is room."""
    with temporary_disk(DISK_BYTES) as disk:
        async with RegionWorld(regions=1, starting=False) as world:
            (region,) = world.regions
            region.settings["data_dir"] = str(disk.path / "data")
            await world.start_regions()
            devices = RegionDevices([region], APP, quiet=True)
            async with devices.asking():
                await released(world, devices)
                disk.fill()
                await world.release("1.0.2", size_bytes=2_000_000)
                await asyncio.sleep(10.0)
                told.saw_nothing(devices, "on a full disk, devices see no error")
                told.expect("it still serves", bool(await a_download(region)), await a_download(region))
                async with aiohttp.ClientSession() as session:
                    told.expect("it stays ready", await region.is_ready(session))
                disk.make_room()
                await told.within("with room again, it offers the release", 60.0, devices.see(region, "1.0.2", 60.0))
            told.saw_nothing(devices)


@case
async def clock_fast(told: Told) -> None:
    """The region's clock goes an hour ahead: its view looks an hour old, so it offers nothing new, and says so."""
    async with RegionWorld(regions=1) as world, aiohttp.ClientSession() as session:
        (region,) = world.regions
        devices = RegionDevices([region], APP)
        async with devices.asking():
            await released(world, devices)
            region.set_clock(HOUR)
            await asyncio.sleep(3.0)
            begun = time.monotonic()
            await world.release("1.0.2")
            await asyncio.sleep(5.0)
            told.expect("it offers nothing new", devices.first(region, "1.0.2", begun) is None)
            told.expect("it stays ready, and says that it is stale", *await says_stale(session, region))
            await world.change("POST", app_path(APP, "bundles", "1.0.2", "withdraw"), {"reason": "a drill"})
        await region.restart()
        told.expect("after a restart it is ready again", await region.is_ready(session))
        async with devices.asking():
            region.set_clock(0.0)
            await world.release("1.0.3")
            await told.within("the clock set right, it follows on", CAUGHT_UP_SECONDS, devices.see(region, "1.0.3"))
            await asyncio.sleep(1.0)
            told.expect("what was withdrawn meanwhile was never offered", devices.first(region, "1.0.2", begun) is None)
        told.saw_nothing(devices)
        await told.counts_all(world, devices)


async def says_stale(session: aiohttp.ClientSession, region: RegionNode) -> tuple[bool, str]:
    async with session.get(f"{region.devices_url}/readyz") as answer:
        said = await answer.text()
        return answer.status == 200 and "stale" in said, f"{answer.status} {said.strip()}"


@case
async def clock_slow(told: Told) -> None:
    """The region's clock goes an hour back while it serves, and stays so over a restart."""
    async with RegionWorld(regions=1) as world:
        (region,) = world.regions
        devices = RegionDevices([region], APP)
        async with devices.asking():
            await released(world, devices)
            region.set_clock(-HOUR)
            await asyncio.sleep(3.0)
            await world.release("1.0.2")
            await told.within("a release reaches the region", CAUGHT_UP_SECONDS, devices.see(region, "1.0.2"))
        await region.restart()
        told.expect("after a restart it serves", await a_download(region) == "1.0.2")
        async with devices.asking():
            await world.release("1.0.3")
            await told.within("and follows", CAUGHT_UP_SECONDS, devices.see(region, "1.0.3"))
            region.set_clock(0.0)
            await asyncio.sleep(3.0)
            await world.release("1.0.4")
            await told.within("the clock set right, it follows on", CAUGHT_UP_SECONDS, devices.see(region, "1.0.4"))
        told.saw_nothing(devices)
        await told.counts_all(world, devices)


@case
async def corrupt_cache(told: Told) -> None:
    """Bytes of the region's mirror are flipped, cut and deleted while it is down: nothing wrong is served."""
    async with RegionWorld(regions=1) as world:
        (region,) = world.regions
        devices = RegionDevices([region], APP)
        async with devices.asking():
            await released(world, devices)
            await world.release("1.0.2")
            await devices.see(region, "1.0.2")
        store, dice = region.data_dir / "store", random.Random(1)
        for kind in ("blobs", "apps", "heads", "keys"):
            await region.stop()
            files = sorted(each for each in (store / kind).rglob("*") if each.is_file())
            for number, file in enumerate(files):
                spoil(file, number % 3, dice)
            begun = time.monotonic()
            try:
                await region.start()
            except RuntimeError as error:
                told.expect(f"it starts with its {kind} spoiled", False, error)
                return
            async with devices.asking():
                what = f"{len(files)} files of {kind} spoiled: it offers the release"
                await told.within(what, 60.0, devices.see(region, "1.0.2", 60.0))
                await asyncio.sleep(3.0)
            told.note("from its start", f"{time.monotonic() - begun:.1f} s")
            told.saw_nothing(devices)
        async with devices.asking():
            await world.release("1.0.3")
            await told.within("it follows on", CAUGHT_UP_SECONDS, devices.see(region, "1.0.3"))
        told.saw_nothing(devices)


def spoil(file: Path, how: int, dice: random.Random) -> None:
    content = bytearray(file.read_bytes())
    if how == 0 and content:
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
        file.write_bytes(content)
    elif how == 1:
        file.write_bytes(content[: len(content) // 2])
    else:
        file.unlink()


if __name__ == "__main__":
    main(__name__, __doc__ or "")
