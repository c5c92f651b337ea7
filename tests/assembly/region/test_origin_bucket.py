"""An origin on a bucket, as processes: published, served near by, and served on with the bucket gone."""

import asyncio
import json
import urllib.request

import pytest
from s3_servers import BUCKET, interposed, keys_file, make_bucket, moto_server

from edge.domain.errors import EdgeError
from tests.worlds.region_devices import question
from tests.worlds.region_world import APP, RegionWorld

SECONDS = 60.0


def checked(node):
    """What a device is answered, and the bytes of what it is offered."""
    request = urllib.request.Request(
        f"{node.devices_url}/updates", json.dumps(question(APP)).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        found = json.load(answer)
    if "url" not in found or found["url"].endswith("noop.zip"):
        return None, 0
    with urllib.request.urlopen(found["url"]) as answer:
        return found["version"], len(answer.read())


async def offered(node, version):
    """Waits until the node offers it, with its bytes."""
    for _ in range(int(SECONDS * 10)):
        found, size = await asyncio.to_thread(checked, node)
        if found == version and size:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{node.name} does not offer {version}")


@pytest.mark.long
async def test_an_origin_on_a_bucket_serves_with_the_bucket_gone_and_regions_follow_it(tmp_path):
    with moto_server() as behind, interposed(behind) as server:
        make_bucket(behind)
        url = f"s3://{BUCKET}/origin"
        reached = {"endpoint": server.url, "path_style": True, "credentials_file": str(keys_file(tmp_path))}
        async with RegionWorld(
            folder=tmp_path / "world",
            origin_settings={"store": {"url": url, **reached}},
            region_settings={"store": reached, "upstream": {"source": url}},
        ) as world:
            await world.create_app()
            await world.release("1.0.1")
            await offered(world.origin, "1.0.1")
            await offered(world.regions[0], "1.0.1")
            await world.release("1.0.2")
            server.gone = True
            world.origin.kill()  # at once: what was acknowledged is on its disk
            await world.start_origin()
            await offered(world.origin, "1.0.2")
            with pytest.raises(EdgeError) as caught:
                await world.offer("1.0.1")
            assert caught.value.code == "store_unreachable"
            server.gone = False
            for _ in range(30):
                try:
                    await world.offer("1.0.1")
                except EdgeError as error:
                    assert error.code == "store_unreachable", error
                    await asyncio.sleep(1)
                else:
                    break
            await offered(world.origin, "1.0.1")
            await offered(world.regions[0], "1.0.1")
            assert APP in await asyncio.to_thread(lambda: [each["app"] for each in world.admin.get("/v1/apps")])
