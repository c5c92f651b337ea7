"""An origin and twenty regions as processes on this machine: a release everywhere, and what following costs.

A release counts as offered by a region when a check there is answered with it; that the bytes are on the region's disk
by then is looked up at that moment. Regions are asked every 20 ms, so a time is up to that much too long. Links go
through a relay of TCP on loopback; of 100 ms it delays each byte by 50 ms and a new connection by a round trip more.
One machine carries all nodes: with twenty, its processors are what a time waits for.
"""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from benchmarks.load.region_checks import RegionChecks
from benchmarks.measuring import bucket_requests
from benchmarks.output.region_tables import (
    Idle,
    ReleaseSeen,
    Spent,
    bucket_table,
    bytes_table,
    cost_table,
    release_table,
    spent_table,
)
from benchmarks.output.report import BenchReport, Options
from benchmarks.output.tables import Cell, Table
from benchmarks.worlds.many_apps import app_id, open_scaled
from benchmarks.worlds.releases import Sizes, make_bundle
from edge.domain.changes.commands import (
    Change,
    ChannelSettings,
    Command,
    CreateApp,
    CreateChannel,
    PublishBundle,
    SetChannel,
)
from edge.domain.model import AppId
from edge.node.processes.data_directory import DataDirectory
from edge.store.objects.port import blob_key
from tests.worlds.region_devices import question
from tests.worlds.region_node import RegionNode
from tests.worlds.region_world import APP, CHANNEL, FollowingNode, RegionWorld

REGIONS, QUICK_REGIONS = 20, 4
RELEASES, QUICK_RELEASES = 6, 2
BUNDLE_BYTES, BUNDLE_FILES = 1_000_000, 4
ASKED_SECONDS = 0.02
PATIENCE_SECONDS = 120.0
AFTER_SECONDS = 5.0  # of a release: reports and rounds that it brings about
SETTLE_SECONDS = 10.0  # after links changed: regions find the origin again, with their backoff
IDLE_SECONDS, QUICK_IDLE_SECONDS = 30.0, 10.0
COLD_APPS, QUICK_COLD_APPS = 1_000, 100
BUCKET, QUICK_BUCKET = (100, 5, 120.0), (10, 1, 60.0)  # changes, publishes, idle seconds
CHANGES, QUICK_CHANGES, CHANGED_APPS = 10_000, 500, 50
EVENTS_PATH = b"/v1/feed/events"


class Way(NamedTuple):
    """How regions hear of a change."""

    name: str
    delay_ms: float
    push: bool
    at_once: bool = False  # a bundle is offered when it is published


WAYS = (
    Way("push", 0.0, True),
    Way("push, 100 ms links", 100.0, True),
    Way("poll alone", 0.0, False),
    Way("push, at once", 0.0, True, at_once=True),
)


def run(options: Options) -> BenchReport:
    regions = QUICK_REGIONS if options.quick else REGIONS
    return asyncio.run(_report(options, regions))


async def _report(options: Options, regions: int) -> BenchReport:
    releases = QUICK_RELEASES if options.quick else RELEASES
    seen: dict[str, list[ReleaseSeen]] = {}
    async with RegionWorld(regions=regions) as world:
        await world.create_app()
        await world.release("1.1.0", size_bytes=BUNDLE_BYTES, files=BUNDLE_FILES)
        await _everywhere(world.regions, "1.1.0")
        for major, way in enumerate(WAYS, 2):
            _go(world, way)
            await asyncio.sleep(SETTLE_SECONDS)
            meter = await _meter(world) if way is WAYS[0] else None
            versions = [f"1.{major}.{number}" for number in range(1, releases + 1)]
            releasing = _released_at_once if way.at_once else _one_release
            seen[way.name] = [await releasing(world, version) for version in versions]
            if meter is not None:
                spent = await meter(releases)
        _go(world, WAYS[0])
        cost = await _cost(world, QUICK_IDLE_SECONDS if options.quick else IDLE_SECONDS)
    cold = await _cold(options.cache_dir, QUICK_COLD_APPS if options.quick else COLD_APPS)
    behind = await _catch_up(QUICK_CHANGES if options.quick else CHANGES)
    bucket = await bucket_requests.measure(*(QUICK_BUCKET if options.quick else BUCKET))
    return BenchReport(
        compares=f"An origin and {regions} regions as processes: from a change to its offer everywhere, bytes, a cold "
        "start, catching up, what the origin pays, and what an origin asks of a bucket.",
        tables=(
            release_table(seen, regions, releases, BUNDLE_BYTES),
            bytes_table(seen),
            spent_table(spent),
            Table(
                title="A cold region",
                columns=(
                    "apps",
                    "until /readyz says ready, s",
                    "until ten apps, evenly spread, are offered, s",
                    "MB moved",
                ),
                rows=(cold,),
                notes=("From the start of its process, with nothing on its disk; offered: to a check",),
            ),
            Table(
                title="Catching up",
                columns=(
                    "changes",
                    "apps",
                    "until the region tries again, s",
                    "then until all are offered, s",
                    "MB moved",
                ),
                rows=(behind,),
            ),
            cost_table(cost, regions),
            bucket_table(bucket),
        ),
    )


def _go(world: RegionWorld, way: Way) -> None:
    """From now on regions hear of changes this way: links are as long, and their connections are made anew."""
    for region in world.regions:
        region.link.lengthen(way.delay_ms / 1_000)
        region.link.deny(b"" if way.push else EVENTS_PATH)
        region.link.drop_connections()


async def _one_release(world: RegionWorld, version: str) -> ReleaseSeen:
    before, held = [region.link.down.carried_bytes for region in world.regions], world.blob_bytes()
    await world.publish(version, size_bytes=BUNDLE_BYTES, files=BUNDLE_FILES)
    await asyncio.sleep(2.0)  # as people do
    begun = time.monotonic()
    asking = asyncio.gather(*(_until(region, version, begun) for region in world.regions))
    await world.offer(version)
    found = await asking
    carried = [region.link.down.carried_bytes - was for region, was in zip(world.regions, before, strict=True)]
    made = world.blob_bytes() - held
    return ReleaseSeen([seconds for seconds, _ in found], sum(there for _, there in found), carried, made)


async def _released_at_once(world: RegionWorld, version: str) -> ReleaseSeen:
    before, held = [region.link.down.carried_bytes for region in world.regions], world.blob_bytes()
    begun = time.monotonic()
    asking = asyncio.gather(*(_until(node, version, begun) for node in world.nodes))
    await world.publish(version, size_bytes=BUNDLE_BYTES, files=BUNDLE_FILES, channel=CHANNEL)
    (origin, _), *found = await asking
    await asyncio.sleep(2.0)
    carried = [region.link.down.carried_bytes - was for region, was in zip(world.regions, before, strict=True)]
    there, made = sum(there for _, there in found), world.blob_bytes() - held
    return ReleaseSeen([max(0.0, seconds - origin) for seconds, _ in found], there, carried, made)


async def _meter(world: RegionWorld) -> Callable[[int], Awaitable[Spent]]:
    """From now on; it returns what each of so many releases cost beyond what the nodes needed idle."""
    first = _cpu(world)
    await asyncio.sleep(SETTLE_SECONDS)
    before, begun = _cpu(world), time.monotonic()

    async def spent(releases: int) -> Spent:
        await asyncio.sleep(AFTER_SECONDS)
        after, took = _cpu(world), (time.monotonic() - begun) / SETTLE_SECONDS
        origin, regions = (
            (end - start - (start - idle) * took) / releases
            for idle, start, end in zip(first, before, after, strict=True)
        )
        return Spent(origin, regions / len(world.regions))

    return spent


def _cpu(world: RegionWorld) -> tuple[float, float]:
    """Of the origin, and of all regions."""
    return world.origin.cpu_seconds(), sum(region.cpu_seconds() for region in world.regions)


async def _until(region: RegionNode, version: str, begun: float, app: str = APP) -> tuple[float, bool]:
    """When a check is answered with the version, or with any if it is "", and whether the zip is on its disk then.
    Raises TimeoutError."""
    async with RegionChecks(region.devices_port, question(app)) as checks:
        while True:
            said = await checks.ask()
            if "url" in said and version in ("", said["version"]):
                return time.monotonic() - begun, _has(region, said)
            if time.monotonic() - begun > PATIENCE_SECONDS:
                what = version or "nothing"
                raise TimeoutError(f"{region.name} offers no {what} of {app} within {PATIENCE_SECONDS:g} s")
            await asyncio.sleep(ASKED_SECONDS)


def _has(region: RegionNode, offer: dict[str, Any]) -> bool:
    digest = offer["url"].split("?")[0].rpartition("/")[2]
    return (region.data_dir / "store" / blob_key(digest)).exists()


async def _everywhere(regions: Sequence[FollowingNode], version: str) -> None:
    await asyncio.gather(*(_until(region, version, time.monotonic()) for region in regions))


@asynccontextmanager
async def _asking() -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        yield session


async def _cost(world: RegionWorld, seconds: float) -> list[Idle]:
    """The same origin, without and with regions, in turns."""
    found = []
    for turn in range(4):
        for region in world.regions:
            (region.link.restore if turn % 2 else region.link.refuse)()
        await asyncio.sleep(2 * SETTLE_SECONDS)  # connections end or begin
        before, begun = world.origin.cpu_seconds(), time.monotonic()
        await asyncio.sleep(seconds)
        spent, took = world.origin.cpu_seconds() - before, time.monotonic() - begun
        found.append(Idle(len(world.regions) if turn % 2 else 0, spent, took))
    return found


async def _cold(cache_dir: Path, apps: int) -> tuple[Cell, ...]:
    """A region that has nothing, of an origin with many apps."""
    with tempfile.TemporaryDirectory() as folder:
        # A copy: the origin makes tokens in it, and the next run is to find what this one found.
        data_dir = shutil.copytree(open_scaled(cache_dir, apps), Path(folder) / "origin")
        return await _first_offers(data_dir, apps)


async def _first_offers(data_dir: Path, apps: int) -> tuple[Cell, ...]:
    settings = {"data_dir": str(data_dir)}
    async with RegionWorld(regions=1, origin_settings=settings, starting=False) as world, _asking() as session:
        (region,) = world.regions
        begun = time.monotonic()
        await region.start()
        while not await region.is_ready(session):
            await asyncio.sleep(ASKED_SECONDS)
        ready = time.monotonic() - begun
        offered = [_until(region, "", begun, app_id(number)) for number in range(0, apps, apps // 10)]
        all_offered = max(seconds for seconds, _ in await asyncio.gather(*offered))
        return (apps, ready, all_offered, region.link.down.carried_bytes / 1e6)


async def _catch_up(changes: int) -> tuple[Cell, ...]:
    """A region is cut off while changes are made; then the way is free again."""
    with tempfile.TemporaryDirectory(prefix="edge-behind-") as folder:
        data = Path(folder) / "data"
        apps = [f"com.example.behind{number:03}" for number in range(CHANGED_APPS)]
        await asyncio.to_thread(_make_apps, data, apps)
        settings = {"data_dir": str(data)}
        async with RegionWorld(regions=1, origin_settings=settings) as world:
            (region,) = world.regions
            for app in apps:
                await _until(region, "1.0.1", time.monotonic(), app)
            region.link.refuse()
            await world.origin.stop()
            await asyncio.to_thread(_make_changes, data, apps, changes)
            await world.start_origin()
            carried, taken, begun = region.link.down.carried_bytes, region.link.connections, time.monotonic()
            region.link.restore()
            while region.link.connections == taken:
                await asyncio.sleep(ASKED_SECONDS)
            tried = time.monotonic() - begun
            found = await asyncio.gather(*(_until(region, "1.0.2", begun, app) for app in apps))
            moved, seconds = region.link.down.carried_bytes - carried, max(each for each, _ in found)
            return (changes, len(apps), tried, seconds - tried, moved / 1e6)


def _make_apps(data: Path, apps: Sequence[str]) -> None:
    truth = DataDirectory(data, time.time())
    bundles = [make_bundle(truth.store, version, Sizes(), seed) for seed, version in enumerate(("1.0.1", "1.0.2"))]
    for app in apps:
        first: list[Command] = [CreateApp(app=app), CreateChannel(name=CHANNEL, settings=ChannelSettings(public=True))]
        _commit(truth, app, [*first, *(PublishBundle(bundle=each) for each in bundles), _offering("1.0.1")], "made")


def _make_changes(data: Path, apps: Sequence[str], changes: int) -> None:
    """The last of each app offers the other bundle."""
    truth = DataDirectory(data, time.time())
    each = changes // len(apps)
    for app in apps:
        flips = [SetChannel(name=CHANNEL, settings=ChannelSettings(spread_seconds=n % 2)) for n in range(1, each)]
        _commit(
            truth,
            app,
            [*flips, SetChannel(name=CHANNEL, settings=ChannelSettings(bundle="1.0.2", spread_seconds=0))],
            "more",
        )


def _offering(version: str) -> Command:
    return SetChannel(name=CHANNEL, settings=ChannelSettings(bundle=version))


def _commit(truth: DataDirectory, app: str, commands: Sequence[Command], name: str) -> None:
    for at, command in enumerate(commands):
        truth.releases.commit(AppId(app), Change(id=f"{name}-{at}", at=time.time(), by="benchmarks", command=command))
