"""A region that follows a region, as processes: what the origin publishes arrives through both, and without it too."""

import asyncio
import json

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
        world.origin.kill()
        for node in (far, near):
            await node.stop()
        await near.start()
        far.settings["upstream"]["source"] = near.control_url
        await far.start()
        assert revision_of(far) == revision_of(near) and blobs_of(far) == blobs_of(near)
