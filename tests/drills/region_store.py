"""An origin's bucket is gone, or answers after ten seconds: `python -m tests.drills.region_store`.

An origin on a bucket of moto's server, a process of its own behind a link, and a region that follows the origin.
"""

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from edge.cli.terminal.client import RequestRefused, Unreachable, app_path
from tests.drills.region_outages import CAUGHT_UP_SECONDS, released
from tests.worlds.region_devices import RegionDevices
from tests.worlds.region_story import Told, case, main
from tests.worlds.region_world import APP, CHANNEL, RegionWorld
from tests.worlds.s3_servers import BUCKET, make_bucket, moto_server
from tests.worlds.tcp_relay import Link, TcpRelay
from tests.worlds.two_origins import TwoOrigins

OUTAGE_SECONDS = 15.0
REFUSED_SECONDS = 60.0  # until a change that cannot be stored is refused
SLOW_SECONDS = 10.0
READ_SECONDS = 1.0
FORGOTTEN_SECONDS = 3.0  # what a node was told so short a time ago does not show how it reads


@contextlib.asynccontextmanager
async def a_world() -> AsyncIterator[tuple[RegionWorld, Link]]:
    """The link is the origin's way to its bucket."""
    with tempfile.TemporaryDirectory(prefix="edge-bucket-") as folder, TcpRelay() as relay:
        credentials = Path(folder) / "credentials"
        credentials.write_text("[default]\naws_access_key_id = drill\naws_secret_access_key = drill\n")
        credentials.chmod(0o600)
        with moto_server() as address:
            make_bucket(address)
            link = relay.link(int(address.rpartition(":")[2]))
            store = {"url": f"s3://{BUCKET}/drill", "endpoint": link.url, "path_style": True}
            store |= {"credentials_file": str(credentials)}
            async with RegionWorld(regions=1, origin_settings={"store": store}) as world:
                yield world, link


@case
async def store_unreachable(told: Told) -> None:
    """The origin's bucket is cut off: everybody is served, changes are refused, and later all goes on."""
    async with a_world() as (world, link):
        devices = RegionDevices(world.nodes, APP)
        async with devices.asking():
            await released(world, devices)
            link.refuse()
            begun = time.monotonic()
            refused = await _refusal(world)
            told.expect("a change is refused, and says why", refused != "", refused)
            told.note("after", f"{time.monotonic() - begun:.1f} s")
            await asyncio.sleep(OUTAGE_SECONDS)
            told.saw_nothing(devices, "meanwhile devices see no error, at the origin neither")
            async with aiohttp.ClientSession() as session:
                told.expect("both are ready", all([await node.is_ready(session) for node in world.nodes]))
            link.restore()
            await world.release("1.0.2")
            for node in world.nodes:
                await told.within(f"{node.name} offers the next release", CAUGHT_UP_SECONDS, devices.see(node, "1.0.2"))
        told.saw_nothing(devices)
        await told.counts_all(world, devices)


@case
async def slow_store(told: Told) -> None:
    """Every answer of the origin's bucket takes ten seconds."""
    async with a_world() as (world, link):
        devices = RegionDevices(world.nodes, APP)
        async with devices.asking():
            await released(world, devices)
            await world.publish("1.0.2")
            link.down.delay_seconds = SLOW_SECONDS
            begun = time.monotonic()
            refused = await _refusal(world)
            told.note("a change meanwhile", refused or f"made, after {time.monotonic() - begun:.0f} s")
            await asyncio.sleep(OUTAGE_SECONDS)
            for node in world.nodes:
                told.note(f"slowest check at {node.name}", f"{devices.slowest(node) * 1e3:.0f} ms")
            told.saw_nothing(devices, "meanwhile devices see no error")
            link.down.delay_seconds = 0.0
            await asyncio.sleep(SLOW_SECONDS)
            await world.offer("1.0.2")
            for node in world.nodes:
                await told.within(f"{node.name} offers the next release", CAUGHT_UP_SECONDS, devices.see(node, "1.0.2"))
        told.saw_nothing(devices)
        await told.counts_all(world, devices)


@case
async def slow_reads(told: Told) -> None:
    """Every answer of an origin's bucket takes ten seconds, and people look at its releases."""
    async with TwoOrigins(count=1) as world:
        admin = world.admins[0]
        await asyncio.to_thread(admin.send, "POST", "/v1/apps", {"app": APP})
        await asyncio.to_thread(admin.send, "POST", app_path(APP, "channels"), {"name": CHANNEL})
        await asyncio.sleep(FORGOTTEN_SECONDS)
        world.server.delay_seconds = SLOW_SECONDS
        slowest = 0.0
        for path in ("/v1/apps", app_path(APP), app_path(APP, "channels"), app_path(APP, "history"), "/v1/tokens"):
            begun, before = time.monotonic(), len(world.server.seen)
            await asyncio.to_thread(admin.get, path)
            slowest = max(slowest, time.monotonic() - begun)
            asked = len(world.server.seen) - before
            told.note(f"GET {path}", f"{time.monotonic() - begun:.2f} s, {asked} requests of the whole node meanwhile")
        told.expect(f"each is answered within {READ_SECONDS:g} s", slowest <= READ_SECONDS, f"{slowest:.2f} s")
        world.server.delay_seconds = 0.0


@case
async def started_without_its_store(told: Told) -> None:
    """The origin is killed and started while its bucket is gone: it serves from its disk."""
    async with a_world() as (world, link):
        devices = RegionDevices(world.nodes, APP)
        async with devices.asking():
            await released(world, devices)
        link.refuse()
        world.origin.kill()
        await world.start_origin()
        told.note("started in", f"{world.origin.started_seconds:.1f} s")
        async with devices.asking():
            await told.within("the origin offers what it had", 10.0, devices.see(world.origin, "1.0.1"))
            link.restore()
            await world.release("1.0.2")
            for node in world.nodes:
                await told.within(f"{node.name} offers the next release", CAUGHT_UP_SECONDS, devices.see(node, "1.0.2"))
        told.saw_nothing(devices)


async def _refusal(world: RegionWorld) -> str:
    """What a change is refused with; "" if it is made."""
    try:
        path = app_path(APP, "channels", CHANNEL)
        await asyncio.wait_for(world.change("PATCH", path, {"self_set": True}), REFUSED_SECONDS)
    except RequestRefused as refused:
        return f"{refused.answered} {refused.code}: {refused.message}"
    except (Unreachable, TimeoutError) as error:
        return f"no answer: {error}"
    return ""


if __name__ == "__main__":
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    main(__name__, __doc__ or "")
