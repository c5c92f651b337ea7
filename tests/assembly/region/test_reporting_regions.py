"""An origin that lists its regions as real processes: what each says, that one is cut off, that it says so itself."""

import asyncio
import json
import urllib.request

import pytest

from tests.worlds.region_world import RegionWorld

LOOK_SECONDS = 0.2


async def until(world, holds):
    """Look at the list of nodes until it is as wanted; pytest ends a wait without an end."""
    while True:
        rows = {each["region"]: each for each in await world.edge("node", "list")}
        if holds(rows):
            return rows
        await asyncio.sleep(LOOK_SECONDS)


def has_everything(rows):
    region = rows.get("region-0")
    return region is not None and region["condition"] == "well" and region["behind"] == 0


@pytest.mark.long
async def test_a_region_is_listed_lags_when_it_is_cut_off_and_catches_up():
    settings = {"upstream": {"poll_seconds": 1.0}}
    async with RegionWorld(regions=1, region_settings=settings) as world:
        rows = await until(world, has_everything)
        origin, region = rows["origin"], rows["region-0"]
        assert (origin["own"], region["own"], region["sentence"]) == (True, False, "")
        assert (origin["report"]["role"], region["report"]["role"]) == ("origin", "region")
        assert region["report"]["source"]["name"].startswith("http://") and origin["report"]["source"] is None
        world.regions[0].link.cut()
        await world.create_app()
        rows = await until(world, lambda found: found["region-0"]["behind"] > 0)
        assert rows["region-0"]["report"]["changes"] < rows["origin"]["report"]["changes"]
        with urllib.request.urlopen(f"{world.regions[0].devices_url}/readyz") as answer:
            assert answer.status == 200 and json.load(answer)
        world.regions[0].link.heal()
        rows = await until(world, has_everything)
        assert rows["region-0"]["report"]["changes"] == rows["origin"]["report"]["changes"]
