"""Reports of two regions on their way home: cut, killed, restarted, without room. Each is counted exactly once.

    python -m tests.drills.telemetry_home [--rounds 7] [--delay-ms 40] [--alarms 2]

Devices report to both regions all the time, while the link of one is cut, a region, the origin, its folding process or
a worker is killed, home stands still, and the disk of a region is full. In the end what devices were told is stored is
what home has counted, the audit is exact, and both regions have sent everything. Then a release that fails is rolled
out under guard: how long it takes from the answer to the last report that a region's device sends to the pause at home,
and in both regions; and a step of a good release waits for the reports of a region that is cut off. Prints its figures
and exits with 1 on a broken promise. The disk needs root.
"""

import argparse
import asyncio
import contextlib
import os
import random
import signal
import sys
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp

from edge.cli.terminal.client import app_path
from tests.worlds.region_devices import question
from tests.worlds.region_node import RegionNode
from tests.worlds.region_world import APP, CHANNEL, RegionWorld, until
from tests.worlds.small_disk import SmallDisk, temporary_disk

AT_ONCE = 4  # devices of each region that report
ALL_HOME_SECONDS = 90.0  # after the last fault, on a busy machine
PROMPT_SECONDS = 10.0  # from the report that decides to the pause everywhere
FAILING = 60  # devices of as many networks, each of which fails
OUTAGE_SECONDS = 4.0
DISK_BYTES = 64 << 20  # of the first region

broken: list[str] = []


def promise(kept: bool, what: str) -> None:
    print(f"{'kept  ' if kept else 'BROKEN'}  {what}", flush=True)
    if not kept:
        broken.append(what)


class Reporters:
    """Devices that report to the regions, each report of a device of its own. `acknowledged` were answered with 200;
    of `unanswered` nobody knows."""

    def __init__(self, world: RegionWorld) -> None:
        self.world = world
        self.acknowledged, self.unanswered, self.refused = Counter[str](), Counter[str](), Counter[str]()
        self._stopping = False

    @contextlib.asynccontextmanager
    async def reporting(self) -> AsyncIterator[None]:
        timeout = aiohttp.ClientTimeout(total=10)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            regions = [region for region in self.world.regions for _ in range(AT_ONCE)]
            tasks = [asyncio.create_task(self._report_on(session, region)) for region in regions]
            try:
                yield
            finally:
                self._stopping = True
                await asyncio.gather(*tasks)

    async def _report_on(self, session: aiohttp.ClientSession, region: RegionNode) -> None:
        while not self._stopping:
            if region.serves:
                await self._report(session, region)
            await asyncio.sleep(0.02)

    async def _report(self, session: aiohttp.ClientSession, region: RegionNode) -> None:
        event = question(APP) | {"action": "app_moved_to_foreground"}
        try:
            async with session.post(f"{region.devices_url}/stats", json=event) as answer:
                await answer.read()
                (self.acknowledged if answer.status == 200 else self.refused)[region.name] += 1
        except (aiohttp.ClientError, OSError, TimeoutError):
            self.unanswered[region.name] += 1


async def all_home(world: RegionWorld) -> float:
    """How long it takes until home has all that was acknowledged before. Raises TimeoutError."""
    begun = time.monotonic()
    at = time.time()
    while time.monotonic() - begun < ALL_HOME_SECONDS:
        nodes = await world.change("GET", "/v1/telemetry/reports")
        if nodes and all(each["until"] is not None and each["until"] >= at for each in nodes):
            return time.monotonic() - begun
        await asyncio.sleep(0.2)
    raise TimeoutError(f"not everything is home after {ALL_HOME_SECONDS:.0f} s: {nodes}")


def faults(world: RegionWorld, rng: random.Random, disk: SmallDisk) -> list[tuple[str, Callable[[], Any]]]:
    region = rng.choice(world.regions)

    async def cut() -> None:
        region.link.cut()
        await asyncio.sleep(OUTAGE_SECONDS)
        region.link.heal()

    async def kill_region() -> None:
        region.kill()
        await region.start()

    async def kill_home() -> None:
        world.origin.kill()
        await asyncio.sleep(1.0)
        await world.start_origin()

    async def kill_folding() -> None:
        _kill_processes_of(world.origin, "edge.assembly.counting.process")

    async def kill_worker() -> None:
        _kill_processes_of(region, "edge.node.processes.worker")

    async def pause_home() -> None:
        world.origin.pause()
        await asyncio.sleep(OUTAGE_SECONDS)
        world.origin.resume()

    async def fill_disk() -> None:
        disk.fill()
        await asyncio.sleep(OUTAGE_SECONDS)
        disk.make_room()

    return [
        (f"link of {region.name} cut", cut),
        (f"{region.name} killed", kill_region),
        ("home killed", kill_home),
        ("home's folding process killed", kill_folding),
        (f"worker of {region.name} killed", kill_worker),
        ("home stands still", pause_home),
        (f"disk of {world.regions[0].name} full", fill_disk),
    ]


def _kill_processes_of(node: RegionNode, module: str) -> None:
    assert node.process is not None
    for entry in os.listdir("/proc"):
        if entry.isdigit() and os.getsid(int(entry)) == node.process.pid:
            with contextlib.suppress(OSError), open(f"/proc/{entry}/cmdline", "rb") as file:
                if module.encode() in file.read():
                    os.kill(int(entry), signal.SIGKILL)


async def counted_once(world: RegionWorld, rounds: int, disk: SmallDisk) -> None:
    reporters, rng = Reporters(world), random.Random(7)
    async with reporters.reporting():
        for number in range(rounds):
            of_round = faults(world, rng, disk)
            name, fault = of_round[number % len(of_round)]
            await asyncio.sleep(1.5)
            await fault()
            print(f"        {name}; {reporters.acknowledged.total()} reports acknowledged so far", flush=True)
    seconds = await all_home(world)
    audit = await world.change("GET", "/v1/telemetry/audit")
    events = next(each for each in audit["kinds"] if each["kind"] == "event")
    told, unknown = reporters.acknowledged.total(), reporters.unanswered.total()
    print(f"        {told} acknowledged, {unknown} unanswered, {reporters.refused.total()} refused; home counted"
          f" {events['counted']}, all of it {seconds:.1f} s after the last fault", flush=True)  # fmt: skip
    promise(told <= events["counted"] <= told + unknown, "home has counted each acknowledged report once")
    promise(audit["exact"], f"home's audit is exact: {audit['differences'][:2]}")
    by_region = {each["region"]: each for each in audit["nodes"]}
    for region in world.regions:
        of = by_region.get(region.name, {"acknowledged": 0, "accounted": -1})
        least, most = reporters.acknowledged[region.name], reporters.unanswered[region.name]
        kept = least <= of["acknowledged"] <= least + most and of["acknowledged"] == of["accounted"]
        promise(kept, f"what {region.name} acknowledged is what home accounts for: {of['acknowledged']} events")


async def install(
    session: aiohttp.ClientSession, region: RegionNode, version: str, *, fails: bool, number: int
) -> float:
    """A device of a network of its own takes the version; returns when its last report was answered, wall clock."""
    asked = question(APP, device=str(uuid.uuid4()))
    headers = {"X-Forwarded-For": f"{20 + number // 250}.{number % 250}.7.9"}
    async with session.post(f"{region.devices_url}/updates", json=asked, headers=headers) as answer:
        await answer.read()
    for action in ("set", "update_fail") if fails else ("set", "app_ready"):
        event = asked | {"version_name": version, "old_version_name": "1.0.0", "action": action}
        async with session.post(f"{region.devices_url}/stats", json=event, headers=headers) as answer:
            assert answer.status == 200
    return time.time()


async def phase(world: RegionWorld) -> str:
    return str((await world.change("GET", app_path(APP, "channels", CHANNEL, "rollout")))["phase"])


async def alarm(world: RegionWorld, version: str, first: int) -> None:
    """A release that fails is paused by what one region's devices report."""
    region = world.regions[0]
    await world.publish(version)
    await world.edge("rollout", "start", APP, CHANNEL, "--bundle", version, "--steps", "100")
    async with aiohttp.ClientSession() as session:
        await asyncio.sleep(12)  # every node serves it, and the region has heard that a guard may act
        at = 0.0
        for number in range(FAILING):
            at = await install(session, region, version, fails=True, number=first + number)
        while await phase(world) != "paused" and time.time() - at < 60:
            await asyncio.sleep(0.05)
        paused = time.time() - at
        everywhere = await _offered_nowhere(session, world, version, at)
    kept = paused <= PROMPT_SECONDS and everywhere <= PROMPT_SECONDS
    promise(
        kept, f"{version}: paused at home {paused:.2f} s after the region's last report, everywhere {everywhere:.2f} s"
    )


async def _offered_nowhere(session: aiohttp.ClientSession, world: RegionWorld, version: str, at: float) -> float:
    """When no node offers it any more, in seconds after `at`."""
    left = [world.origin, *world.regions]
    while left and time.time() - at < 60:
        async with session.post(f"{left[0].devices_url}/updates", json=question(APP)) as answer:
            said = await answer.json()
        if said.get("version") != version or "url" not in said:
            left.pop(0)
        else:
            await asyncio.sleep(0.05)
    return time.time() - at


async def waits_for_a_region(world: RegionWorld) -> None:
    """Nothing goes on by itself without the reports of a region."""
    world.regions[1].link.cut()
    await asyncio.sleep(65)
    shown = await world.edge("guard", "show", APP, CHANNEL)
    missing = [each["region"] for each in shown["missing_reports"]]
    promise(missing == [world.regions[1].name], f"the command names the region whose reports are missing: {missing}")
    world.regions[1].link.heal()
    await all_home(world)
    shown = await world.edge("guard", "show", APP, CHANNEL)
    promise(shown["missing_reports"] == [], "and none once it is back")


async def main(rounds: int, delay_ms: float, alarms: int) -> None:
    proxies = {"devices": {"trusted_proxies": ["127.0.0.1"]}}
    with temporary_disk(DISK_BYTES) as disk:
        async with RegionWorld(regions=2, delay_ms=delay_ms, settings=proxies, starting=False) as world:
            world.regions[0].settings["data_dir"] = str(disk.path / "data")
            await world.start_regions()
            await drill(world, rounds, alarms, disk)


async def drill(world: RegionWorld, rounds: int, alarms: int, disk: SmallDisk) -> None:
    await world.create_app()
    await world.release("1.0.1")
    await until(lambda: all(region.serves for region in world.regions), 60, "both regions serve")
    if rounds:
        await counted_once(world, rounds, disk)
    await world.edge("guard", "set", APP, CHANNEL, "--rollouts")
    for number in range(alarms):
        await alarm(world, f"1.1.{number}", number * FAILING)
        await world.edge("rollout", "rollback", APP, CHANNEL)
    await waits_for_a_region(world)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--delay-ms", type=float, default=40.0)
    parser.add_argument("--alarms", type=int, default=2)
    asyncio.run(main(**vars(parser.parse_args())))
    sys.exit(1 if broken else 0)
