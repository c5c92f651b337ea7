"""Whom a region believes, and how it hears of changes: `python -m tests.drills.region_trust`.

An origin and regions as processes. Keys are rotated, added, revoked and replaced while devices ask; a region's clock is
an hour ahead and an hour behind; changes are heard by NATS alone, whose server is killed and comes back.
"""

import asyncio
import time
import uuid
from pathlib import Path

import aiohttp

from edge.cli.terminal.client import app_path
from tests.worlds.nats_servers import PASSWORDS, PROGRAM, a_hub
from tests.worlds.region_devices import RegionDevices, offered_to, question
from tests.worlds.region_node import Missing, RegionNode
from tests.worlds.region_story import Told, case, main
from tests.worlds.region_world import APP, FollowingNode, RegionWorld

HOUR = 3_600.0
NOTICED_SECONDS = 6.0  # by the supervisor's look, a worker's tick and the store's
LEARNED_SECONDS = 20.0  # of a change of keys: the poll, or the look of the other writers
PUSHED_SECONDS = 1.0
FAR_SECONDS = 300.0  # between two polls, where only push is to be seen


async def offered(node: RegionNode, runs: str = "1.0.0") -> str:
    """What a new device that runs this version is offered; "" for nothing new."""
    async with aiohttp.ClientSession() as session:
        if runs == "1.0.0":
            return next(iter((await offered_to(session, node, APP, [str(uuid.uuid4())])).values()))
        body = question(APP, device=str(uuid.uuid4())) | {"version_name": runs}
        async with session.post(f"{node.devices_url}/updates", json=body) as answer:
            said = await answer.json()
    return said.get("version", "") if "url" in said else ""


async def until(node: RegionNode, wanted: str, runs: str = "1.0.0", seconds: float = 30.0) -> float:
    """Seconds until such a device is offered this. Raises TimeoutError."""
    begun = time.monotonic()
    async with asyncio.timeout(seconds):
        while await offered(node, runs) != wanted:
            await asyncio.sleep(0.05)
    return time.monotonic() - begun


async def readiness(node: RegionNode) -> dict[str, object]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{node.devices_url}/readyz") as answer,
    ):
        return {"status": answer.status, **await answer.json()}


async def logged(node: RegionNode, words: str) -> int:
    """How often the log has these words, some seconds from now."""
    await asyncio.sleep(NOTICED_SECONDS / 2)
    return node.said().count(words)


async def keys(world: RegionWorld, *words: object, node: RegionNode | None = None) -> dict[str, object]:
    at = node or world.origin
    found = await world.edge("keys", *words, "--data-dir", at.data_dir, node=at)
    assert isinstance(found, dict)
    return found


@case
async def clock_an_hour_wrong(told: Told) -> None:
    """A region's clock is an hour ahead, then an hour behind; it is careful, says so, and serves ways back."""
    async with RegionWorld(regions=1) as world:
        (region,) = world.regions
        await world.create_app()
        await world.release("1.0.1")
        await world.release("1.0.2")
        await told.within("the region offers the release", 30.0, until(region, "1.0.2"))
        region.set_clock(HOUR)
        await told.within("an hour ahead: it offers nothing new", NOTICED_SECONDS, until(region, ""))
        said = await readiness(region)
        told.expect("it stays ready and says so", said["status"] == 200 and "stale" in said, said)
        reason = {"reason": "it crashes"}
        await world.change("POST", app_path(APP, "bundles", "1.0.2", "withdraw"), reason)
        took = until(region, "1.0.1", runs="1.0.2")
        await told.within("a withdrawn bundle is gone from devices that run it", LEARNED_SECONDS, took)
        told.expect("others still hear nothing new", await offered(region) == "")
        told.expect("its log says it once", await logged(region, "offering nothing new for") == 1)
        region.set_clock(-HOUR)
        await told.within("an hour behind, and hearing: it offers", NOTICED_SECONDS, until(region, "1.0.1"))
        told.expect("its log says that it is over", await logged(region, "what is current is known again") == 1)


@case
async def keys_change(told: Told) -> None:
    """The root is rotated, a writer renewed and revoked, the root replaced, while devices ask a region."""
    async with RegionWorld(regions=1) as world:
        (region,) = world.regions
        devices = RegionDevices([region], APP)
        async with devices.asking():
            await world.create_app()
            await world.release("1.0.1")
            await devices.see(region, "1.0.1")
            for _ in range(3):
                rotated = await keys(world, "rotate")
            await told.within("the region has the new root", LEARNED_SECONDS, root_at(world, region, rotated["root"]))
            renewed = await keys(world, "renew")
            await world.origin.stop()
            await world.start_origin()
            revoked = await keys(world, "revoke", renewed["before"])
            told.note("documents that were signed again", revoked["signed_again"])
            await world.release("1.0.2")
            await told.within("a release by the new writer arrives", LEARNED_SECONDS, devices.see(region, "1.0.2"))
            replaced = await keys(world, "root", "replace", "--yes")
            await world.release("1.0.3")
            took = devices.see(region, "1.0.3")
            await told.within("a release after the root was replaced arrives", LEARNED_SECONDS, took)
            await asyncio.sleep(LEARNED_SECONDS / 2)
            held = await keys(world, "show", node=region)
            told.expect("the region does not take that root by itself", held["root"] == rotated["root"])
            told.expect("its log names the command, once", region.said().count("edge keys root accept") == 1)
            await keys(world, "root", "accept", replaced["fingerprint"], node=region)
            await told.within("accepted, it takes it", LEARNED_SECONDS, root_at(world, region, replaced["root"]))
        told.saw_nothing(devices)


async def root_at(world: RegionWorld, region: FollowingNode, root: object) -> float:
    begun = time.monotonic()
    async with asyncio.timeout(LEARNED_SECONDS):
        while (await keys(world, "show", node=region))["root"] != root:
            await asyncio.sleep(0.2)
    return time.monotonic() - begun


def credentials(folder: Path, user: str) -> str:
    file = folder / f"{user}.txt"
    file.write_text(f"{user}:{PASSWORDS[f'NATS_{user.upper()}_PASSWORD']}\n")
    return str(file)


@case
async def pushed_by_nats(told: Told) -> None:
    """Changes are heard by NATS alone; its server is killed, is silent, and comes back."""
    if not Path(PROGRAM).exists():
        raise Missing("nats-server is not installed")
    world = RegionWorld(regions=2, on_one_disk=True)
    with a_hub(world.folder / "nats") as hub:
        for node in world.nodes:
            user = "origin" if node is world.origin else "region"
            given = {"nats": hub.url, "nats_credentials_file": credentials(world.folder, user)}
            node.settings["upstream"] = {**node.settings.get("upstream", {}), **given}
            if node is not world.origin:
                node.settings["upstream"]["poll_seconds"] = FAR_SECONDS
        async with world:
            await world.create_app()
            await world.publish("1.0.1")
            await world.publish("1.0.2")
            await world.offer("1.0.1")
            for region in world.regions:
                await told.within(f"{region.name} has the first release", 30.0, until(region, "1.0.1"))
            for version in ("1.0.2", "1.0.1", "1.0.2"):
                await world.offer(version)
                took = max(await asyncio.gather(*(until(region, version) for region in world.regions)))
                told.expect("a change is at both regions within 1 s", took <= PUSHED_SECONDS, f"{took * 1000:.0f} ms")
            await asyncio.to_thread(hub.kill)
            await world.offer("1.0.1")
            told.expect("without a server, both serve what they have", await offered(world.regions[0]) == "1.0.2")
            await asyncio.to_thread(hub.start)
            took = max(await asyncio.gather(*(until(region, "1.0.1") for region in world.regions)))
            told.expect("the server is back: heard within 1 s of it", took <= PUSHED_SECONDS, f"{took * 1000:.0f} ms")
            await world.offer("1.0.2")
            took = max(await asyncio.gather(*(until(region, "1.0.2") for region in world.regions)))
            told.expect("and the next change within 1 s", took <= PUSHED_SECONDS, f"{took * 1000:.0f} ms")


if __name__ == "__main__":
    main(__name__, __doc__ or "")
