"""A region that is killed while an app of a shard has not arrived, as processes: it serves what it served, alone."""

import asyncio
import itertools

import pytest
from test_origin_bucket import checked

from edge.cli.terminal.client import app_path
from edge.store.heads import shard_of
from tests.worlds.region_world import APP, RegionWorld

SLOW = next(name for n in itertools.count() if shard_of(name := f"com.example.slow{n}") == shard_of(APP))
SECONDS = 60.0


async def offers(node, version):
    async with asyncio.timeout(SECONDS):
        while (await asyncio.to_thread(checked, node))[0] != version:
            await asyncio.sleep(0.1)


@pytest.mark.long
async def test_a_withdrawal_stays_though_another_app_of_its_shard_did_not_arrive(tmp_path):
    async with RegionWorld(folder=tmp_path / "world") as world:
        region = world.regions[0]
        await world.create_app()
        await world.create_app(SLOW)
        for version in ("1.0.1", "1.0.2"):
            await world.release(version)
            await offers(region, version)
        region.link.cut()
        before = set((world.origin.data_dir / "store" / "apps" / SLOW / "revisions").iterdir())
        await world.change("PATCH", app_path(SLOW, "channels", "production"), {"public": False})
        for each in set((world.origin.data_dir / "store" / "apps" / SLOW / "revisions").iterdir()) - before:
            each.rename(tmp_path / each.name)
        await world.change("POST", app_path(APP, "bundles", "1.0.2", "withdraw"), {"reason": "it fails"})
        region.link.heal()
        await offers(region, "1.0.1")
        region.kill()
        world.origin.kill()
        await region.start()
        for _ in range(20):
            assert (await asyncio.to_thread(checked, region))[0] == "1.0.1"
            await asyncio.sleep(0.1)
