"""Every operation that reads, on an origin whose truth is a bucket: its requests to the bucket are counted; none."""

import re

import pytest
from bucket_truth import two_origins
from control_world import APP, Api, Secrets, World, pack

from edge.control.app import build_control_app
from edge.control.doors.table import OPERATIONS
from edge.domain.changes.commands import ChannelSettings, CreateApp, CreateChannel

PACKED = pack(page="1")
IN_PATH = {"app": APP, "name": "production", "channel": "production", "version": "1.0.0", "digest": PACKED.zip}
QUERIES = {"compare_bundles": "?with=1.0.0"}
# Which do not end, read no releases, or tell what is wrong with the bucket.
ELSEWHERE = {"follow_events", "hear_facts", "show_restored"}
READS = [each for each in OPERATIONS if each.method == "GET" and each.name not in ELSEWHERE]


@pytest.fixture
async def origin(moto_address, tmp_path, aiohttp_client):
    """The API of one origin, with what another one changed: its copy has followed."""
    mine, theirs = two_origins(tmp_path, moto_address)
    theirs.commit(CreateApp(app=APP), APP, id="app")
    theirs.commit(CreateChannel(name="production", settings=ChannelSettings(public=True)), APP, id="channel")
    await mine.follow()
    world = World(mine.directory.mirror, mine.directory.releases, mine.tokens, Secrets(mine.tokens))
    client = await aiohttp_client(build_control_app(world.ports(store=mine.store)))
    api = Api(client, world.secrets)
    await api.publish("1.0.0", PACKED)
    mine.directory.releases.history(APP, 10)  # once: what another one changed
    mine.tokens.look(0.0)  # as the duty does: there are no people yet
    return mine, api


async def test_no_read_asks_the_bucket(origin):
    mine, api = origin
    secrets = api.secrets["root"], api.secrets["node"]
    before, asked = mine.requests, {}
    for each in READS:
        path = re.sub(r"{(\w+)[^}]*}", lambda found: IN_PATH.get(found[1], "1"), each.path)
        for secret in secrets:
            headers = {"Authorization": f"Bearer {secret}"}
            async with api.client.get(path + QUERIES.get(each.name, ""), headers=headers) as answer:
                await answer.read()
                assert answer.status < 500, f"{each.name}: {await answer.text()}"
        if mine.requests != before:
            asked[each.name], before = mine.requests - before, mine.requests
    assert asked == {}
