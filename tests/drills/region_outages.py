"""What is behind a region fails, and devices see nothing of it: `python -m tests.drills.region_outages`.

An origin and regions as processes, devices that ask both all the time. The origin is killed, does not answer, answers
after ten seconds, is cut off while releases change. For each: what devices saw, how long until the region has caught
up, and that every acknowledged report is counted.
"""

import asyncio
import time
import uuid

import aiohttp

from edge.cli.terminal.client import app_path
from tests.worlds.region_devices import RegionDevices, offered_to
from tests.worlds.region_story import Told, case, main
from tests.worlds.region_world import APP, CHANNEL, RegionWorld

OUTAGE_SECONDS = 15.0
CAUGHT_UP_SECONDS = 15.0  # after the way is free again: a connection notices, and the poll has its jitter and backoff
STALE_SECONDS = 180  # the least that `max_stale_seconds` may be
AGAIN = 1.25  # of the bytes of blobs, over a link that fails twice: what was on its way then is sent again
SAMPLE = 400  # devices that a share is measured with


async def released(world: RegionWorld, devices: RegionDevices, version: str = "1.0.1") -> None:
    """The app's first release, seen at every node."""
    await world.create_app()
    await world.release(version)
    for node in devices.nodes:
        await devices.see(node, version)


@case
async def origin_killed(told: Told) -> None:
    """The origin is killed; regions serve what they have; it comes back and a release follows."""
    async with RegionWorld(regions=2) as world:
        devices = RegionDevices(world.regions, APP)
        async with devices.asking():
            await released(world, devices)
            world.origin.kill()
            await asyncio.sleep(OUTAGE_SECONDS)
            told.saw_nothing(devices, "while the origin is gone, devices see no error")
            async with aiohttp.ClientSession() as session:
                ready = [await region.is_ready(session) for region in world.regions]
            told.expect("regions stay ready", all(ready))
            await world.start_origin()
            await world.release("1.0.2")
            for region in world.regions:
                await told.within(
                    f"{region.name} offers the next release", CAUGHT_UP_SECONDS, devices.see(region, "1.0.2")
                )
        told.saw_nothing(devices)
        await told.counts_all(world, devices)


@case
async def origin_silent(told: Told) -> None:
    """The origin takes connections and answers nothing (SIGSTOP), then goes on."""
    async with RegionWorld(regions=1) as world:
        (region,) = world.regions
        devices = RegionDevices([region], APP)
        async with devices.asking():
            await released(world, devices)
            world.origin.pause()
            await asyncio.sleep(OUTAGE_SECONDS)
            world.origin.resume()
            await world.release("1.0.2")
            await told.within("the region offers the next release", CAUGHT_UP_SECONDS, devices.see(region, "1.0.2"))
        told.saw_nothing(devices)
        await told.counts_all(world, devices)


@case
async def slow_origin(told: Told) -> None:
    """Every answer of the origin takes ten seconds."""
    async with RegionWorld(regions=1) as world:
        (region,) = world.regions
        devices = RegionDevices([region], APP)
        async with devices.asking():
            await released(world, devices)
            region.link.lengthen(10.0)
            await world.release("1.0.2")
            await told.within(
                "the region offers the next release all the same", 90.0, devices.see(region, "1.0.2", 90.0)
            )
            told.note("slowest check", f"{devices.slowest(region) * 1e3:.0f} ms")
            region.link.lengthen(0.0)
            await world.release("1.0.3")
            await told.within("and the one after it", CAUGHT_UP_SECONDS, devices.see(region, "1.0.3"))
        told.saw_nothing(devices)
        await told.counts_all(world, devices)


@case
async def cut_during_publish(told: Told) -> None:
    """One region of two is cut off; the other gets the release, and the first one when the way is free."""
    async with RegionWorld(regions=2) as world:
        cut, whole = world.regions
        devices = RegionDevices(world.regions, APP)
        async with devices.asking():
            await released(world, devices)
            cut.link.cut()
            begun = time.monotonic()
            await world.release("1.0.2")
            await told.within("the other region offers it", 5.0, devices.see(whole, "1.0.2"))
            await asyncio.sleep(OUTAGE_SECONDS)
            told.expect("the one cut off offers what it had", devices.first(cut, "1.0.2", begun) is None)
            cut.link.heal()
            await told.within("healed, it offers it too", CAUGHT_UP_SECONDS, devices.see(cut, "1.0.2"))
        told.saw_nothing(devices)
        await told.counts_all(world, devices)


@case
async def cut_in_the_middle_of_blobs(told: Told) -> None:
    """The link fails while a region fetches a bundle of 20 MB, and comes back: no byte is wrong."""
    async with RegionWorld(regions=1) as world:
        (region,) = world.regions
        devices = RegionDevices([region], APP)
        async with devices.asking():
            await released(world, devices)
            region.link.slow(40e6)
            held = world.blob_bytes()
            await world.publish("1.0.2", size_bytes=20_000_000)
            made = (world.blob_bytes() - held) / 1e6  # the zip and its files
            before = region.link.down.carried_bytes
            await world.offer("1.0.2")
            await asyncio.sleep(2.0)
            region.link.drop_connections()
            await asyncio.sleep(1.0)
            region.link.drop_connections()
            await told.within("the region offers it", 60.0, devices.see(region, "1.0.2", 60.0))
            await asyncio.sleep(5.0)
            carried = (region.link.down.carried_bytes - before) / 1e6
            told.expect(
                "what was fetched is not fetched again", carried < AGAIN * made, f"{carried:.1f} MB for {made:.1f} MB"
            )
        told.saw_nothing(devices)


@case
async def cut_during_rollback(told: Told) -> None:
    """A region is cut off while the release that it offers is rolled back."""
    async with RegionWorld(regions=1) as world:
        (region,) = world.regions
        devices = RegionDevices([region], APP)
        async with devices.asking():
            await released(world, devices)
            await world.release("1.0.2")
            await devices.see(region, "1.0.2")
            region.link.cut()
            await world.change("POST", app_path(APP, "channels", CHANNEL, "rollback"), {})
            await asyncio.sleep(OUTAGE_SECONDS)
            region.link.heal()
            await told.within("healed, it offers the last good one", CAUGHT_UP_SECONDS, devices.see(region, "1.0.1"))
        told.saw_nothing(devices)
        await told.counts_all(world, devices)


@case
async def cut_during_pause(told: Told) -> None:
    """A rollout that rises each minute is paused while a region is cut off: its share there never rises."""
    async with RegionWorld(regions=1) as world, aiohttp.ClientSession() as session:
        (region,) = world.regions
        devices = RegionDevices([region], APP)
        sample = [str(uuid.uuid4()) for _ in range(SAMPLE)]

        async def share() -> float:
            offers = await offered_to(session, region, APP, sample)
            return sum(version == "1.0.2" for version in offers.values()) / SAMPLE

        async with devices.asking():
            await released(world, devices)
            await world.publish("1.0.2")
            rollout = {"bundle": "1.0.2", "steps": ["10%", "50%", "100%"], "every_seconds": 60}
            await world.change("POST", app_path(APP, "channels", CHANNEL, "rollout"), rollout)
            await devices.see(region, "1.0.2")
            region.link.cut()
            await world.change("POST", app_path(APP, "channels", CHANNEL, "rollout", "pause"))
            before, shares = await share(), []
            for _ in range(15):
                await asyncio.sleep(10.0)
                shares.append(await share())
            told.expect(
                "the paused share never rises", max(shares) <= before, f"{before:.1%}, at most {max(shares):.1%}"
            )
            region.link.heal()
            await asyncio.sleep(CAUGHT_UP_SECONDS)
            told.expect("nor when it hears of the pause", await share() <= before, f"{await share():.1%}")
        told.saw_nothing(devices)


@case
async def cut_during_withdraw(told: Told) -> None:
    """A bundle is withdrawn while a region is cut off: it is gone there within `max_stale_seconds`."""
    stale = {"upstream": {"max_stale_seconds": STALE_SECONDS}}
    async with RegionWorld(regions=1, region_settings=stale) as world, aiohttp.ClientSession() as session:
        (region,) = world.regions
        devices = RegionDevices([region], APP)
        async with devices.asking():
            await released(world, devices)
            await world.release("1.0.2")
            await devices.see(region, "1.0.2")
            region.link.cut()
            begun = time.monotonic()
            body = {"reason": "a drill"}
            await world.change("POST", app_path(APP, "bundles", "1.0.2", "withdraw"), body)
            await asyncio.sleep(STALE_SECONDS + 15.0)
            last = devices.last(region, "1.0.2", begun) or 0.0
            told.expect(f"it is gone within {STALE_SECONDS} s", last <= STALE_SECONDS + 5, f"offered for {last:.0f} s")
            told.expect("the region stays ready", await region.is_ready(session))
            region.link.heal()
            await told.within("healed, it offers the last good one", CAUGHT_UP_SECONDS, devices.see(region, "1.0.1"))
            after = time.monotonic()
            await asyncio.sleep(5.0)
            told.expect("and the withdrawn one no more", devices.first(region, "1.0.2", after) is None)
        told.saw_nothing(devices)
        await told.counts_all(world, devices)


if __name__ == "__main__":
    main(__name__, __doc__ or "")
