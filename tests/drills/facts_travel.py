"""What a device brings about in one region, seen in the others: an origin and three regions as processes.

    python -m tests.drills.facts_travel [--rounds 5] [--delay-ms 0] [--changes 200000]

A bundle that failed is withheld where the device goes next, also if it was offered in one region and failed in another;
a choice of a channel follows the device; a lift and an erasure at home reach all regions; how a device is used, which
home judges, is shown in all. Then with a region cut off, a region killed right after its answer, home killed, and a
region put back to an older disk: devices are answered as fast as ever, and in the end everybody knows it. Prints how
long each took, and how long devices waited; exits 1 if something did not arrive.

Then what a change costs home: `--changes` of them, as a region sends them, into a home of this process.
"""

import argparse
import asyncio
import itertools
import shutil
import statistics
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from edge.cli.terminal.client import app_path
from edge.domain.facts import hour_of, name_hash
from edge.domain.sharing.state import SharedBundle, SharedFacts, SharedVerdict
from edge.facts.changes import Downloaded, Elsewhere, Failed, Installed, Offered
from edge.facts.sharing.journal import SharedJournal
from edge.facts.writer import FactsWriter
from edge.regions.sharing.home import SharingClocks, SharingHome
from edge.regions.sharing.messages import FactsBatch, SharedDevice, encode_facts, parse_batch
from edge.telemetry.behaviour.news import BehaviourPages
from tests.worlds.region_devices import question
from tests.worlds.region_node import RegionNode
from tests.worlds.region_world import APP, CHANNEL, RegionWorld

OLD_PLUGIN = "6.14.0"  # keeps its choice on the node
VERSION = "1.0.1"
ARRIVES_SECONDS = 30.0
LOOK_SECONDS = 0.02


class Travels:
    """`times` are by what travelled, in seconds; `waits` what devices waited for their answers."""

    def __init__(self, world: RegionWorld, session: aiohttp.ClientSession) -> None:
        self.world, self.session = world, session
        self.times: defaultdict[str, list[float]] = defaultdict(list)
        self.waits: list[float] = []
        self.missing: list[str] = []

    async def post(self, node: RegionNode, path: str, body: Any, method: str = "POST") -> Any:
        begun = time.monotonic()
        async with self.session.request(method, node.devices_url + path, json=body) as answer:
            said = await answer.json()
        self.waits.append(time.monotonic() - begun)
        assert answer.status == 200, f"{path}: {answer.status} {said}"
        return said

    async def is_offered(self, node: RegionNode, device: str) -> bool:
        return "url" in await self.post(node, "/updates", question(APP, device=device))

    async def fail(self, node: RegionNode, device: str) -> None:
        event = question(APP, device=device) | {"version_name": VERSION, "action": "update_fail"}
        await self.post(node, "/stats", event)

    async def channel_of(self, node: RegionNode, device: str) -> str:
        return str((await self.known(node, device))["channel"] or "")

    async def choose(self, node: RegionNode, device: str, channel: str) -> None:
        asked = question(APP, device=device) | {"plugin_version": OLD_PLUGIN, "channel": channel}
        said = await self.post(node, "/channel_self", asked)
        assert said.get("status") == "ok", said

    async def withheld(self, node: RegionNode, device: str) -> bool:
        """Told by the node itself: a question of the device would be an offer."""
        return bool((await self.known(node, device))["withheld"])

    async def known(self, node: RegionNode, device: str) -> Any:
        path = app_path(APP, "devices", device)
        headers = {"Authorization": f"Bearer {self.world.origin.admin_token}"}
        async with self.session.get(node.control_url + path, headers=headers) as answer:
            return await answer.json()

    async def arrives(self, what: str, holds: Callable[[], Awaitable[bool]]) -> None:
        begun = time.monotonic()
        while not await holds():
            if time.monotonic() - begun > ARRIVES_SECONDS:
                self.missing.append(what)
                return
            await asyncio.sleep(LOOK_SECONDS)
        self.times[what].append(time.monotonic() - begun)


async def travel(travels: Travels) -> None:
    """One round, with everything up."""
    world = travels.world
    here, there, third = world.regions
    device, other, chooser = (str(uuid.uuid4()) for _ in range(3))
    assert await travels.is_offered(here, device)
    await travels.fail(here, device)
    await travels.arrives("a failure, withheld in the next region", lambda: travels.withheld(there, device))
    assert not await travels.is_offered(there, device)
    assert await travels.is_offered(here, other)
    await travels.fail(there, other)
    await travels.arrives(
        "offered in one region, failed in another, in a third", lambda: travels.withheld(third, other)
    )
    assert not await travels.is_offered(third, other)

    async def chosen(node: RegionNode, channel: str) -> bool:
        return await travels.channel_of(node, chooser) == channel

    await travels.choose(here, chooser, "beta")
    await travels.arrives("a choice, in the next region", lambda: chosen(there, "beta"))
    await travels.choose(there, chooser, "gamma")
    await travels.arrives("the next choice, in the first region", lambda: chosen(here, "gamma"))
    await world.change("DELETE", app_path(APP, "devices", device, "withheld", VERSION))
    for node in world.regions:
        await travels.arrives("a lift at home", lambda node=node: _not(travels.withheld(node, device)))  # type: ignore[misc]
    assert await travels.is_offered(there, device)
    await world.change("DELETE", app_path(APP, "devices", chooser))
    for node in world.regions:
        await travels.arrives("an erasure at home", lambda node=node: _not(chosen(node, "gamma")))  # type: ignore[misc]


async def be_used(travels: Travels) -> None:
    """A device is used in one region: reports go home, which judges it, and the others show it."""
    here, there, _ = travels.world.regions
    device = str(uuid.uuid4())
    event = question(APP, device=device) | {"action": "app_moved_to_foreground"}
    await travels.post(here, "/stats", [event])

    async def shown() -> bool:
        return (await travels.known(there, device))["behaviour"] is not None

    await travels.arrives("how a device is used, in the next region", shown)


async def survive(travels: Travels) -> None:
    """Cut off, killed, and home killed."""
    world = travels.world
    here, there, _ = world.regions
    first, second, third = (str(uuid.uuid4()) for _ in range(3))
    here.link.cut()
    assert await travels.is_offered(here, first)
    await travels.fail(here, first)
    assert not await travels.is_offered(here, first)
    here.link.heal()
    await travels.arrives("after a cut", lambda: travels.withheld(there, first))
    here.link.cut()
    assert await travels.is_offered(here, second)
    await travels.fail(here, second)
    here.kill()
    here.link.heal()
    await here.start()
    assert not await travels.is_offered(here, second)
    await travels.arrives("after kill -9 of the region", lambda: travels.withheld(there, second))
    world.origin.kill()
    assert await travels.is_offered(here, third)
    await travels.fail(here, third)
    assert not await travels.is_offered(here, third)
    await world.start_origin()
    await travels.arrives("after kill -9 of home", lambda: travels.withheld(there, third))


async def be_put_back(travels: Travels) -> None:
    """A region's disk is what it was: the region hears what it forgot, and what happens from then on counts."""
    world = travels.world
    here, there, third = world.regions
    forgotten, chooser, *others = (str(uuid.uuid4()) for _ in range(8))
    for device in others:
        assert await travels.is_offered(there, device)
    await travels.choose(here, chooser, "beta")
    snapshot = here.folder / "snapshot"
    here.kill()
    shutil.copytree(here.data_dir, snapshot, ignore=shutil.ignore_patterns("*.sock"))
    await here.start()
    assert await travels.is_offered(here, forgotten)
    await travels.fail(here, forgotten)
    for device in others[:3]:
        await travels.fail(here, device)
    await travels.choose(here, chooser, "gamma")
    for device in (forgotten, *others[:3]):
        await travels.arrives("before the disk is put back", partial(travels.withheld, third, device))

    async def chosen(node: RegionNode, channel: str) -> bool:
        return await travels.channel_of(node, chooser) == channel

    await travels.arrives("a choice, before the disk is put back", lambda: chosen(third, "gamma"))
    here.kill()
    shutil.rmtree(here.data_dir)
    snapshot.rename(here.data_dir)
    world.origin.kill()
    await here.start()
    await travels.choose(here, chooser, "delta")
    for device in others[3:]:
        await travels.fail(here, device)
    await world.start_origin()
    await travels.arrives("what a disk that was put back forgot", lambda: travels.withheld(here, forgotten))
    assert not await travels.is_offered(here, forgotten)
    for device, node in itertools.product(others, (here, third)):
        await travels.arrives("after the disk was put back", partial(travels.withheld, node, device))
    for node in world.regions:
        await travels.arrives("a choice, after the disk was put back", partial(chosen, node, "delta"))


async def _not(asked: Awaitable[bool]) -> bool:
    return not await asked


async def run(rounds: int, delay_ms: float) -> bool:
    async with RegionWorld(regions=3, delay_ms=delay_ms) as world, aiohttp.ClientSession() as session:
        await world.create_app()
        for channel in ("beta", "gamma", "delta"):
            await world.change("POST", app_path(APP, "channels"), {"name": channel, "self_set": True})
        await world.release(VERSION, size_bytes=10_000, files=1)
        await world.change("PATCH", app_path(APP, "channels", CHANNEL), {"self_set": True})
        travels = Travels(world, session)
        for node in world.regions:
            await travels.arrives("the release", lambda node=node: travels.is_offered(node, str(uuid.uuid4())))  # type: ignore[misc]
        for _ in range(rounds):
            await travel(travels)
        await be_used(travels)
        await survive(travels)
        await be_put_back(travels)
        for what, times in travels.times.items():
            middle, most = statistics.median(times) * 1e3, max(times) * 1e3
            print(f"{what:55} p50 {middle:7.0f} ms   max {most:7.0f} ms   n {len(times)}")
        waits = [each * 1e3 for each in sorted(travels.waits)]
        print(f"devices: {len(waits)} answers, p50 {waits[len(waits) // 2]:.1f} ms, max {waits[-1]:.0f} ms")
        for what in travels.missing:
            print(f"DID NOT ARRIVE within {ARRIVES_SECONDS:.0f} s: {what}")
    return not travels.missing


class _NoLimits:
    def admit_failures(self, app: str, prefix: str, failures: int, now: float) -> bool:
        return True


async def cost(changes: int, devices: int = 100_000) -> None:
    """Evidence: an offer, a download and an installation of each device; and for one in ten a failure and its row."""
    with tempfile.TemporaryDirectory(prefix="edge-facts-") as folder:
        writer = FactsWriter(
            Path(folder) / "facts",
            open_shared=lambda seed, key_of: SharedJournal(Path(folder) / "shared", "h0", seed, key_of, sends=False),
        )
        clocks = SharingClocks(time.time, lambda: time.monotonic() * 1_000)  # so that no budget ends the measurement
        pages = BehaviourPages(Path(folder) / "behaviour.table", Path(folder) / "news")
        home = SharingHome(lambda: writer.shared, writer.record, APP.__eq__, _NoLimits(), clocks, pages)
        batches = list(_batches(changes, devices))
        begun, cpu = time.monotonic(), time.process_time()
        for batch in batches:
            await home.take("r0", parse_batch(batch))
        seconds, cpu = time.monotonic() - begun, time.process_time() - cpu
        size = (Path(folder) / "shared" / "shared.sqlite").stat().st_size
        shared = max(writer.shared.register.last_number if writer.shared else 0, 1)
        print(f"home: {changes / seconds:,.0f} changes/s, {cpu / changes * 1e6:.0f} us of CPU a change")
        print(f"register: {size / shared:.0f} bytes a device that failed, {size / shared:.0f} MB a million")
        await writer.close()


def _batches(changes: int, devices: int) -> Iterator[bytes]:
    number = 0
    names = [str(uuid.uuid4()) for _ in range(devices)]
    while number < changes:
        evidence, rows = [], []
        for at in range(1_000):
            name = names[(number // 3 + at // 3) % devices]
            kinds = (
                Offered(APP, name, VERSION, "1.0.0"),
                Downloaded(APP, name, VERSION),
                Installed(APP, name, VERSION),
            )
            failed = Failed(APP, name, VERSION, "update_fail", prefix="10.0.0.0/24")
            evidence.append(Elsewhere(failed if at % 30 == 2 else kinds[at % 3], "r0", time.time()))
        for at in range(2, 1_000, 30):
            name = names[(number // 3 + at // 3) % devices]
            verdict = SharedVerdict(7, hour_of(time.time()), 1, 0, "r0")
            state = SharedFacts(bundles=(SharedBundle(name_hash(VERSION), start=verdict),))
            rows.append(SharedDevice(APP, name, state, "10.0.0.0/24"))
        yield encode_facts(FactsBatch(rows, "e", number + 1, evidence, time.time()))
        number += 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--delay-ms", type=float, default=0.0, help="of each region's link to the origin, either way")
    parser.add_argument("--changes", type=int, default=200_000, help="whose cost to home is measured; 0: of none")
    asked = parser.parse_args()
    if asked.changes:
        asyncio.run(cost(asked.changes))
    raise SystemExit(0 if asyncio.run(run(asked.rounds, asked.delay_ms)) else 1)


if __name__ == "__main__":
    main()
