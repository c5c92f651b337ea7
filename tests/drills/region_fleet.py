"""Many regions, regions of two releases, and a region's token in wrong hands: `python -m tests.drills.region_fleet`."""

import asyncio
import contextlib
import shutil
import time
from pathlib import Path
from typing import Any

import aiohttp

from edge.cli.terminal.client import ControlClient, RequestRefused, Unreachable, app_path
from tests.drills.region_outages import CAUGHT_UP_SECONDS, released
from tests.worlds.region_devices import RegionDevices
from tests.worlds.region_node import RegionNode, last_release
from tests.worlds.region_story import Told, case, main
from tests.worlds.region_world import APP, CHANNEL, RegionWorld

MANY = 20
TOGETHER_SECONDS = 30.0  # twenty regions on the cores of one machine
SAID_SECONDS = 10.0  # until a region has asked the node above it
KNOWN_SECONDS = 15.0  # until a token that is revoked opens nothing anywhere


@case
async def all_reconnect(told: Told) -> None:
    """Twenty regions lose the origin and find it again at the same moment, with a release waiting."""
    async with RegionWorld(regions=MANY) as world:
        devices = RegionDevices(world.regions, APP, a_node=1)
        async with devices.asking():
            await released(world, devices)
            for region in world.regions:
                region.link.refuse()
            await world.release("1.0.2", size_bytes=1_000_000)
            await asyncio.sleep(20.0)
            told.saw_nothing(devices, "meanwhile devices see no error")
            cpu, taken = world.origin.cpu_seconds(), [region.link.connections for region in world.regions]
            begun = time.monotonic()
            for region in world.regions:
                region.link.restore()
            waits = await asyncio.gather(*(seen_after(devices, region, "1.0.2", begun) for region in world.regions))
            told.expect(f"all offer it within {TOGETHER_SECONDS:g} s", max(waits) <= TOGETHER_SECONDS, spread_of(waits))
            connections = [
                region.link.connections - before for region, before in zip(world.regions, taken, strict=True)
            ]
            told.note("the origin's CPU for it", f"{world.origin.cpu_seconds() - cpu:.2f} s")
            told.note("connections a region", f"{min(connections)} to {max(connections)}")
            carried = sum(region.link.down.carried_bytes for region in world.regions) / 1e6
            told.note("bytes from the origin since the start", f"{carried:.1f} MB for {MANY} copies of 1.1 MB")
        told.saw_nothing(devices)
        await told.counts_all(world, devices)


async def seen_after(devices: RegionDevices, region: Any, version: str, begun: float) -> float:
    await devices.see(region, version, TOGETHER_SECONDS * 2)
    return time.monotonic() - begun


def spread_of(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    return f"{ordered[0]:.1f} to {ordered[-1]:.1f} s, half within {ordered[len(ordered) // 2]:.1f} s"


@case
async def upgraded_in_place(told: Told) -> None:
    """A node of the release before is upgraded to an origin with a region; its store, reports and tokens go on."""
    async with RegionWorld(regions=1, starting=False) as world:
        await world.origin.stop()
        world.origin.settings.pop("role", None)
        now, world.origin.code = world.origin.code, last_release(world.folder / "code-before")
        with contextlib.suppress(FileNotFoundError):
            await asyncio.to_thread(_clear, world.origin.data_dir)
        await world.start_origin()
        old = RegionDevices([world.origin], APP)
        async with old.asking():
            await world.create_app()
            await world.release("1.0.1")
            await old.see(world.origin, "1.0.1")
        told.saw_nothing(old, "on the release before, devices see no error")
        await world.origin.stop()
        world.origin.code, world.origin.settings["role"] = now, "origin"
        await world.start_origin()
        world.rejoin()
        await world.start_regions()
        devices = RegionDevices(world.nodes, APP)
        async with devices.asking():
            for node in devices.nodes:
                await told.within(
                    f"{node.name} offers what the release before published", 15.0, devices.see(node, "1.0.1")
                )
            await world.release("1.0.2")
            for node in devices.nodes:
                await told.within(f"{node.name} offers the next one", CAUGHT_UP_SECONDS, devices.see(node, "1.0.2"))
        told.saw_nothing(devices)
        devices.reported.update(old.reported)
        await told.counts_all(world, devices)


def _clear(folder: Path) -> None:
    shutil.rmtree(folder)


@case
async def stays_beside_the_release_before(told: Told) -> None:
    """A node of the release before serves beside this one's, from its own store: neither harms the other."""
    async with RegionWorld(regions=1, starting=False, region_code=lambda number: Path()) as world:
        (before,) = world.regions
        before.code = last_release(world.folder / "code-before")
        for name in ("upstream", "role"):
            before.settings.pop(name, None)
        await before.start()
        client = before.client()
        try:
            await asyncio.to_thread(client.post, "/v1/apps", {"app": APP})
            await asyncio.to_thread(client.post, app_path(APP, "channels"), {"name": CHANNEL, "public": True})
        finally:
            await asyncio.to_thread(client.close)
        devices = RegionDevices([world.origin], APP)
        async with devices.asking():
            await released(world, devices)
        told.saw_nothing(devices)
        async with aiohttp.ClientSession() as session:
            told.expect("both are ready", await before.is_ready(session) and await world.origin.is_ready(session))


@case
async def follows_the_release_before(told: Told) -> None:
    """A region is pointed at a node of the release before, which has no feed: it says so, and that node is well."""
    async with RegionWorld(regions=1, starting=False) as world:
        (region,) = world.regions
        await world.origin.stop()
        before = RegionNode(world.folder / "before", "before", _BEFORE, last_release(world.folder / "code-before"))
        await before.start()
        try:
            region.link.target = before.control_port
            (region.folder / "token").write_text(before.admin_token)
            with contextlib.suppress(RuntimeError):  # one that does not start has its reason in its log
                await region.start()
                await asyncio.sleep(SAID_SECONDS)
            said = next((line for line in region.said().splitlines() if "no feed" in line), region.said(300))
            told.expect(
                "the region's log says that it has no feed", "no feed" in said and "Traceback" not in said, said
            )
            async with aiohttp.ClientSession() as session:
                told.expect("the node of the release before is ready", await before.is_ready(session))
        finally:
            await region.stop()
            await before.stop()


_BEFORE = {"devices": {"host": "127.0.0.1", "port": 0, "workers": 1}, "control": {"port": 0}}


@case
async def stolen_token(told: Told) -> None:
    """A region's token is in wrong hands: what it opens, what not, and that revoking it ends that."""
    async with RegionWorld(regions=2) as world:
        robbed, other = world.regions
        devices = RegionDevices([other], APP)
        async with devices.asking():
            await released(world, devices)
            thief = world.origin.client(robbed.token)
            try:
                await forbidden(told, thief)
                await forbidden_elsewhere(told, thief)
            finally:
                await asyncio.to_thread(thief.close)
            await world.change("DELETE", f"/v1/tokens/{robbed.name}")
            begun = time.monotonic()
            while (status := await documents_status(world.origin.control_url, robbed.token)) != 401:
                if time.monotonic() - begun > KNOWN_SECONDS:
                    break
                await asyncio.sleep(0.2)
            told.expect("revoked, it opens nothing at the origin", status == 401, f"{time.monotonic() - begun:.1f} s")
            await world.release("1.0.2")
            await told.within("other regions go on", CAUGHT_UP_SECONDS, devices.see(other, "1.0.2"))
            both = RegionDevices([robbed], APP)
            async with both.asking():
                await asyncio.sleep(5.0)
            told.expect(
                "the robbed region still serves what it had", bool(both.first(robbed, "1.0.1", 0.0)), both.summary()
            )
            told.expect("and gets no further release", both.first(robbed, "1.0.2", 0.0) is None)
        told.saw_nothing(devices)


CLOSED = (
    ("GET", "/v1/apps", None),
    ("POST", "/v1/apps", {"app": "com.example.thief"}),
    ("PATCH", app_path(APP, "channels", CHANNEL), {"bundle": "1.0.1"}),
    ("POST", app_path(APP, "bundles", "1.0.1", "withdraw"), {"reason": "theft"}),
    ("GET", app_path(APP, "stats"), None),
    ("GET", "/v1/tokens", None),
    ("POST", "/v1/tokens", {"name": "more", "role": "admin"}),
    ("GET", "/v1/metrics", None),
    ("GET", "/v1/nodes", None),
)


async def forbidden(told: Told, thief: ControlClient) -> None:
    for method, path, body in CLOSED:
        status = await refused_with(thief, method, path, body)
        told.expect(f"it cannot {method} {path}", status == 403, status)


async def forbidden_elsewhere(told: Told, thief: ControlClient) -> None:
    """It speaks for its own node alone."""
    status = await refused_with(thief, "POST", "/v1/feed/nodes/0123456789abcdef0123456789abcdef", {})
    told.expect("it cannot report as another node", status in (400, 403, 422), status)


async def refused_with(client: ControlClient, method: str, path: str, body: Any) -> int:
    """The status; 200 if it was not refused."""
    try:
        await asyncio.to_thread(client.send, method, path, body)
    except RequestRefused as refused:
        return refused.answered
    except Unreachable:
        return 0
    return 200


async def documents_status(control_url: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{control_url}/v1/feed/documents", json={"known": {}}) as answer,
    ):
        return answer.status


if __name__ == "__main__":
    main(__name__, __doc__ or "")
