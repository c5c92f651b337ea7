"""A region that follows a region, as processes: what the origin publishes arrives through both, and without it too."""

import asyncio
import json

import aiohttp
import pytest
from region_world import APP, RegionWorld

from edge.store.heads import shard_of

pytestmark = pytest.mark.long


def revision_of(node):
    """Of the app, as the copy of this node has it."""
    try:
        shard = json.loads((node.data_dir / "store" / "heads" / f"{shard_of(APP)}.json").read_text())
        return json.loads(shard["payload"])["apps"][APP]["revision"]
    except (FileNotFoundError, KeyError):
        return 0


def blobs_of(node):
    return {path.name for path in (node.data_dir / "store" / "blobs").rglob("*") if path.is_file()}


async def arrived(world, nodes):
    async with asyncio.timeout(60):
        while any(revision_of(node) < revision_of(world.origin) for node in nodes):
            await asyncio.sleep(0.02)
        while any(blobs_of(node) != blobs_of(world.origin) for node in nodes):
            await asyncio.sleep(0.02)


async def test_a_release_arrives_through_a_region(tmp_path):
    async with RegionWorld(regions=2, folder=tmp_path, starting=False) as world:
        near, far = world.regions
        await near.start()
        far.settings["upstream"]["source"] = near.control_url
        await far.start()
        await world.create_app()
        for version in ("1.0.1", "1.0.2"):
            await world.release(version)
            await arrived(world, [near, far])
        await a_killed_feature_is_heard_of(world, far)
        world.origin.kill()
        for node in (far, near):
            await node.stop()
        await near.start()
        far.settings["upstream"]["source"] = near.control_url
        await far.start()
        assert revision_of(far) == revision_of(near) and blobs_of(far) == blobs_of(near)


async def a_killed_feature_is_heard_of(world, far):
    """A client of the farthest region has a stream open, asks again when that says so, and gets nothing older."""
    feature, base = f"/v1/apps/{APP}/features/checkout", f"/features/{APP}/ofrep/v1/evaluate/flags"
    settings = {"type": "boolean", "default": False, "rules": [{"where": 'platform == "ios"', "value": True}]}
    context = {"context": {"targetingKey": "user-7", "platform": "ios"}}
    await world.change("PATCH", feature, settings)
    await arrived(world, [far])
    async with aiohttp.ClientSession(far.devices_url) as session, asyncio.timeout(60):
        said = {"flags": []}
        while not said["flags"]:  # its workers hear of the revision after its store has it
            async with session.post(base, json=context) as answer:
                said = await answer.json()
        async with session.get(said["eventStreams"][0]["endpoint"]["requestUri"]) as stream:
            assert (await stream.content.readline()).startswith(b"retry:")
            await world.change("POST", f"{feature}/kill")
            while not (line := await stream.content.readline()).startswith(b"data: "):
                assert line, "the stream ended"
        told = json.loads(line.removeprefix(b"data: "))["etag"]
        async with session.post(f"{base}?flagConfigEtag={told}", json=context) as answer:
            after = await answer.json()
    assert [(each["value"], each["reason"]) for each in said["flags"]] == [(True, "TARGETING_MATCH")]
    assert [(each["value"], each["reason"]) for each in after["flags"]] == [(False, "DISABLED")]
