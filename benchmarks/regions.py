"""An origin and twenty regions as processes on this machine: a release everywhere, and what following costs.

A release counts as offered by a region when a check there is answered with it; that the bytes are on the region's disk
by then is looked up at that moment. Regions are asked every 20 ms, so a time is up to that much too long. Links go
through a relay of TCP on loopback; of 100 ms it delays each byte by 50 ms and a new connection by a round trip more.
One machine carries all nodes: with twenty, its processors are what a time waits for.
"""

import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp

from benchmarks.measuring import bucket_requests
from benchmarks.measuring.bucket_requests import BucketUse
from benchmarks.measuring.figures import percentile, spread
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
from tests.worlds.region_world import APP, CHANNEL, FollowingNode, RegionWorld

REGIONS, QUICK_REGIONS = 20, 4
RELEASES, QUICK_RELEASES = 6, 2
BUNDLE_BYTES, BUNDLE_FILES = 1_000_000, 4
ASKED_SECONDS = 0.02
PATIENCE_SECONDS = 120.0
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


WAYS = (Way("push", 0.0, True), Way("push, 100 ms links", 100.0, True), Way("poll alone", 0.0, False))


class ReleaseSeen(NamedTuple):
    """`seconds` from the request that offers it to each region's first answer with it; `on_disk`, how many regions had
    the bytes by then; `carried`, what each link brought down since the publish began; `made`, the bytes of the blobs
    that the release added to the store."""

    seconds: list[float]
    on_disk: int
    carried: list[int]
    made: int


def run(options: Options) -> BenchReport:
    regions = QUICK_REGIONS if options.quick else REGIONS
    return asyncio.run(_report(options, regions))


async def _report(options: Options, regions: int) -> BenchReport:
    releases = QUICK_RELEASES if options.quick else RELEASES
    seen: dict[str, list[ReleaseSeen]] = {}
    async with RegionWorld(regions=regions) as world, _asking() as session:
        await world.create_app()
        await world.release("1.1.0", size_bytes=BUNDLE_BYTES, files=BUNDLE_FILES)
        await _everywhere(session, world.regions, "1.1.0")
        for major, way in enumerate(WAYS, 2):
            _go(world, way)
            await asyncio.sleep(SETTLE_SECONDS)
            versions = [f"1.{major}.{number}" for number in range(1, releases + 1)]
            seen[way.name] = [await _one_release(session, world, version) for version in versions]
        _go(world, WAYS[0])
        cost = await _cost(world, QUICK_IDLE_SECONDS if options.quick else IDLE_SECONDS)
    cold = await _cold(options.cache_dir, QUICK_COLD_APPS if options.quick else COLD_APPS)
    behind = await _catch_up(QUICK_CHANGES if options.quick else CHANGES)
    bucket = await bucket_requests.measure(*(QUICK_BUCKET if options.quick else BUCKET))
    return BenchReport(
        compares=f"An origin and {regions} regions as processes: from a change to its offer everywhere, bytes, a cold "
        "start, catching up, what the origin pays, and what an origin asks of a bucket.",
        tables=(
            _release_table(seen, regions, releases),
            _bytes_table(seen),
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
            _cost_table(cost, regions),
            _bucket_table(bucket),
        ),
    )


def _go(world: RegionWorld, way: Way) -> None:
    """From now on regions hear of changes this way: links are as long, and their connections are made anew."""
    for region in world.regions:
        region.link.lengthen(way.delay_ms / 1_000)
        region.link.deny(b"" if way.push else EVENTS_PATH)
        region.link.drop_connections()


async def _one_release(session: aiohttp.ClientSession, world: RegionWorld, version: str) -> ReleaseSeen:
    before, held = [region.link.down.carried_bytes for region in world.regions], world.blob_bytes()
    await world.publish(version, size_bytes=BUNDLE_BYTES, files=BUNDLE_FILES)
    await asyncio.sleep(2.0)  # as people do
    begun = time.monotonic()
    asking = asyncio.gather(*(_until(session, region, version, begun) for region in world.regions))
    await world.offer(version)
    found = await asking
    carried = [region.link.down.carried_bytes - was for region, was in zip(world.regions, before, strict=True)]
    made = world.blob_bytes() - held
    return ReleaseSeen([seconds for seconds, _ in found], sum(there for _, there in found), carried, made)


async def _until(
    session: aiohttp.ClientSession, region: FollowingNode, version: str, begun: float, app: str = APP
) -> tuple[float, bool]:
    """When a check is answered with the version, and whether the zip is on its disk then. Raises TimeoutError."""
    while True:
        said = await _check(session, region, app)
        if said.get("version") == version and "url" in said:
            return time.monotonic() - begun, _has(region, said)
        if time.monotonic() - begun > PATIENCE_SECONDS:
            raise TimeoutError(f"{region.name} offers no {version} of {app} within {PATIENCE_SECONDS:g} s")
        await asyncio.sleep(ASKED_SECONDS)


async def _check(session: aiohttp.ClientSession, region: FollowingNode, app: str) -> dict[str, Any]:
    async with session.post(f"{region.devices_url}/updates", json=question(app)) as answer:
        said: dict[str, Any] = await answer.json()
        return said


def _has(region: FollowingNode, offer: dict[str, Any]) -> bool:
    digest = offer["url"].split("?")[0].rpartition("/")[2]
    return (region.data_dir / "store" / blob_key(digest)).exists()


async def _everywhere(session: aiohttp.ClientSession, regions: Sequence[FollowingNode], version: str) -> None:
    await asyncio.gather(*(_until(session, region, version, time.monotonic()) for region in regions))


@asynccontextmanager
async def _asking() -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=PATIENCE_SECONDS)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
        yield session


class Idle(NamedTuple):
    """CPU seconds of the origin in so many seconds, with so many regions."""

    regions: int
    cpu_seconds: float
    seconds: float


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
        offered = [_first_offer(session, region, app_id(number), begun) for number in range(0, apps, apps // 10)]
        all_offered = max(await asyncio.gather(*offered))
        return (apps, ready, all_offered, region.link.down.carried_bytes / 1e6)


async def _first_offer(session: aiohttp.ClientSession, region: FollowingNode, app: str, begun: float) -> float:
    while "url" not in await _check(session, region, app):
        if time.monotonic() - begun > PATIENCE_SECONDS:
            raise TimeoutError(f"{region.name} offers nothing of {app} within {PATIENCE_SECONDS:g} s")
        await asyncio.sleep(ASKED_SECONDS)
    return time.monotonic() - begun


async def _catch_up(changes: int) -> tuple[Cell, ...]:
    """A region is cut off while changes are made; then the way is free again."""
    with tempfile.TemporaryDirectory(prefix="edge-behind-") as folder:
        data = Path(folder) / "data"
        apps = [f"com.example.behind{number:03}" for number in range(CHANGED_APPS)]
        await asyncio.to_thread(_make_apps, data, apps)
        settings = {"data_dir": str(data)}
        async with RegionWorld(regions=1, origin_settings=settings) as world, _asking() as session:
            (region,) = world.regions
            for app in apps:
                await _until(session, region, "1.0.1", time.monotonic(), app)
            region.link.refuse()
            await world.origin.stop()
            await asyncio.to_thread(_make_changes, data, apps, changes)
            await world.start_origin()
            carried, taken, begun = region.link.down.carried_bytes, region.link.connections, time.monotonic()
            region.link.restore()
            while region.link.connections == taken:
                await asyncio.sleep(ASKED_SECONDS)
            tried = time.monotonic() - begun
            found = await asyncio.gather(*(_until(session, region, "1.0.2", begun, app) for app in apps))
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


def _release_table(seen: dict[str, list[ReleaseSeen]], regions: int, releases: int) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, found in seen.items():
        all_seconds = sorted(seconds for each in found for seconds in each.seconds)
        last = [max(each.seconds) for each in found]
        there = sum(each.on_disk for each in found)
        rows.append(
            (
                *(name, percentile(all_seconds, 0.5) * 1e3, percentile(all_seconds, 0.99) * 1e3, spread(last)),
                f"{there} of {len(all_seconds)}",
            )
        )
    return Table(
        title="From the change of the channel to its offer",
        columns=("heard by", "a region, p50 ms", "a region, p99 ms", "the last region, s", "bytes on disk by then"),
        rows=tuple(rows),
        notes=(
            f"{releases} releases of {BUNDLE_BYTES / 1e6:g} MB to {regions} regions; from the request to the API on.",
        ),
    )


def _bytes_table(seen: dict[str, list[ReleaseSeen]]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, found in seen.items():
        ratios = [each / release.made for release in found for each in release.carried]
        carried = spread([each / 1e6 for release in found for each in release.carried])
        rows.append((name, carried, spread([release.made / 1e6 for release in found]), spread(ratios)))
    return Table(
        title="Bytes that a release moves to each region",
        columns=("heard by", "MB down the link", "MB of blobs it added", "ratio"),
        rows=tuple(rows),
        notes=("A release adds its zip, its files and its manifest. On top come heads, revisions and HTTP.",),
    )


def _cost_table(cost: list[Idle], regions: int) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (each.regions, each.seconds, each.cpu_seconds, 100 * each.cpu_seconds / each.seconds) for each in cost
    ]
    with_them = statistics.median(each.cpu_seconds / each.seconds for each in cost if each.regions)
    without = statistics.median(each.cpu_seconds / each.seconds for each in cost if not each.regions)
    return Table(
        title="What a follower costs the origin, idle",
        columns=("regions", "seconds", "CPU s of the origin", "% of a core"),
        rows=tuple(rows),
        notes=(f"A region: {100 * (with_them - without) / regions:.3f} % of a core.",),
    )


def _bucket_table(use: BucketUse) -> Table:
    """By kind of price: writes and parts, listings, reads; deletions are free."""

    def row(what: str, counts: dict[str, float], dollars: float, of: str) -> tuple[Cell, ...]:
        writes, reads = (
            counts.get("put", 0.0) + counts.get("part", 0.0),
            counts.get("get", 0.0) + counts.get("head", 0.0),
        )
        return (what, writes, counts.get("list", 0.0), reads, dollars, of)

    change, publish, idle = use.dollars
    return Table(
        title="What an origin asks of its bucket",
        columns=("what", "writes", "listings", "reads", "$", "of"),
        rows=(
            row("a change", use.change, change, "1,000"),
            row("a publish", use.publish, publish, "1,000"),
            row("an idle hour", use.idle_hour, idle, "a month"),
        ),
        notes=(
            "Counted in front of the bucket of one origin that looks at it each 5 s; a publish has "
            f"{bucket_requests.FILES} new files and offers nothing; {use.lines[-1]}.",
        ),
    )
