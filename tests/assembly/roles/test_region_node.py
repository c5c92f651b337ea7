"""A node that follows, whole: it serves what the truth has, reads, and names the origin for everything else."""

import asyncio
import time

import aiohttp
import pytest
from factories import APP
from node_world import PROMPT_SECONDS, a_truth, check, publish
from token_making import make_token

from edge.assembly.roles.region_node import RegionNode, see_source
from edge.config import Config, Control, Devices, UpstreamOptions
from edge.control.access.tokens import Tokens
from edge.domain.errors import EdgeError

pytestmark = pytest.mark.long


@pytest.fixture
def truth(tmp_path):
    truth = a_truth(tmp_path / "truth")
    release(truth, "1.0.1")
    return truth


def release(truth, version: str) -> None:
    """Signed now: what is older than `max_stale_seconds` is not offered."""
    publish(truth, version)
    truth.releases.refresh(time.time())


@pytest.fixture
def token(truth):
    tokens = Tokens(truth.store, truth.trust, truth.writer)
    return make_token(tokens, "ops", now=time.time())


def a_region(folder, truth, **upstream) -> Config:
    return Config(
        data_dir=str(folder),
        role="region",
        region="eu",
        devices=Devices(host="127.0.0.1", port=0, workers=1, drain_seconds=5.0),
        control=Control(port=0),
        upstream=UpstreamOptions(source=f"file://{truth.mirror.root}", poll_seconds=1.0, **upstream),
    )


async def offered(node, version: str) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(PROMPT_SECONDS):
        while (await check(session, f"http://127.0.0.1:{node.device_port}")).get("version") != version:
            await asyncio.sleep(0.02)


async def test_a_region_follows_and_refuses_changes_by_the_name_of_the_origin(tmp_path, truth, token):
    config = a_region(tmp_path / "region", truth)
    await see_source(config)
    node = RegionNode(config)
    async with node.running():
        await offered(node, "1.0.1")
        release(truth, "1.0.2")
        await offered(node, "1.0.2")
        address, headers = f"http://127.0.0.1:{node.control_port}/v1/apps", {"Authorization": f"Bearer {token}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            async with session.get(f"{address}/{APP}/history") as answer:
                assert (await answer.json())[0]["summary"].startswith("version=1.0.2")
            async with session.post(address, json={"app": "com.example.other"}) as answer:
                refusal = await answer.json()
                assert (answer.status, refusal["error"]) == (409, "not_the_origin")
                assert config.upstream.source in refusal["message"]
            async with session.delete(f"{address}/{APP}/channels/production") as answer:
                assert (await answer.json())["error"] == "not_the_origin"


async def test_a_region_starts_and_serves_with_the_truth_gone(tmp_path, truth):
    config = a_region(tmp_path / "region", truth)
    await see_source(config)
    first = RegionNode(config)
    async with first.running():
        await offered(first, "1.0.1")
    truth.mirror.root.rename(tmp_path / "gone")
    await see_source(config)
    second = RegionNode(config)
    async with second.running():
        await offered(second, "1.0.1")


async def test_a_region_of_one_store_does_not_become_one_of_another(tmp_path, truth):
    config = a_region(tmp_path / "region", truth)
    await see_source(config)
    other = a_truth(tmp_path / "other")
    truth.mirror.root.rename(tmp_path / "gone")
    other.mirror.root.rename(truth.mirror.root)
    node = RegionNode(config)
    async with node.running():
        async with asyncio.timeout(PROMPT_SECONDS):
            while not node.follower.refused:
                await asyncio.sleep(0.02)
        assert not node.supervisor.heads


async def test_the_pinned_root_is_the_only_one_that_a_first_start_takes(tmp_path, truth):
    with pytest.raises(EdgeError) as caught:
        await see_source(a_region(tmp_path / "region", truth, root="0" * 16))
    assert caught.value.code == "unknown_root"
    await see_source(a_region(tmp_path / "region", truth, root=truth.trust.held.key_set.root))
