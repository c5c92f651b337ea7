"""A node whose store went back to an old copy: silence for checks, downloads as before, and nothing is changed."""

import asyncio
import os
import shutil
import time
from pathlib import Path

import aiohttp
import pytest
from factories import APP, NOW, a_change
from node_world import PROMPT_SECONDS, a_config, a_truth, check, publish, running

from edge.control.access.first_token import ensure_admin_token
from edge.control.access.roles import Role
from edge.control.access.tokens import Tokens
from edge.domain.changes.commands import ChannelSettings, CreateChannel, WithdrawBundle
from edge.domain.errors import Conflict
from edge.node.processes.data_directory import DataDirectory
from edge.store.heads import shard_of
from edge.store.key_set import KEY_SET_KEY
from edge.store.objects.port import TOKENS_KEY, head_key


def a_truth_that_moved_on(folder):
    """1.0.2 was offered when the copy was taken, and has been withdrawn since; the copy of the heads."""
    truth = a_truth(folder)
    for version in ("1.0.1", "1.0.2"):
        publish(truth, version)
    shutil.copytree(folder / "store" / "heads", folder / "heads-copy")
    truth.releases.commit(APP, a_change(WithdrawBundle(version="1.0.2", reason="broken")))
    return truth


def put_back(folder):
    shutil.rmtree(folder / "store" / "heads")
    shutil.copytree(folder / "heads-copy", folder / "store" / "heads")


async def kind_of_answer(session, address):
    return (await check(session, address)).get("kind")


@pytest.mark.long
@pytest.mark.parametrize("lost", [False, True])
async def test_a_store_that_went_back_while_the_node_was_stopped_offers_nothing(tmp_path, lost):
    url = await url_of_an_offer(tmp_path)
    if lost:
        (tmp_path / "store" / head_key(shard_of(APP))).unlink()
    else:
        put_back(tmp_path)
    truth = DataDirectory(tmp_path, time.time())
    async with running(a_config(tmp_path), truth) as (_, address), aiohttp.ClientSession() as session:
        assert {await kind_of_answer(session, address) for _ in range(10)} == {"up_to_date"}
        async with session.get(address + url) as response:
            assert await response.read() == b"zip 1.0.1"
    with pytest.raises(Conflict, match="accept-restored") as refused:
        truth.releases.commit(APP, a_change(CreateChannel(name="beta", settings=ChannelSettings())))
    assert refused.value.code == "older_store"
    assert truth.releases.load(APP).bundles["1.0.2"].withdrawn == "broken"
    assert shard_of(APP) in truth.releases.problems


async def test_a_store_that_goes_back_under_a_running_node_is_silent_until_it_is_whole_again(tmp_path):
    truth = a_truth_that_moved_on(tmp_path)
    shutil.copytree(tmp_path / "store" / "heads", tmp_path / "heads-now")
    async with running(a_config(tmp_path), truth) as (_, address), aiohttp.ClientSession() as session:
        assert (await check(session, address))["version"] == "1.0.1"
        put_back(tmp_path)
        async with asyncio.timeout(PROMPT_SECONDS):
            while await kind_of_answer(session, address) != "up_to_date":
                await asyncio.sleep(0.05)
        assert shard_of(APP) in truth.releases.unserved
        async with session.get(address + "/readyz") as response:
            told = await response.json()
        assert (response.status, [each["grain"] for each in told["damaged"]]) == (200, ["head"])
        shutil.copytree(tmp_path / "heads-now", tmp_path / "store" / "heads", dirs_exist_ok=True)
        async with asyncio.timeout(PROMPT_SECONDS):
            while (await check(session, address)).get("version") != "1.0.1":
                await asyncio.sleep(0.05)


async def test_a_damaged_head_shard_is_served_from_what_the_node_has_seen(tmp_path):
    a_truth_that_moved_on(tmp_path)
    (tmp_path / "store" / head_key(shard_of(APP))).write_bytes(b"{}")
    truth = DataDirectory(tmp_path, time.time())
    async with running(a_config(tmp_path), truth) as (_, address), aiohttp.ClientSession() as session:
        assert (await check(session, address))["version"] == "1.0.1"
    assert (shard_of(APP) in truth.releases.problems, truth.releases.unserved) == (True, {})


@pytest.mark.long
@pytest.mark.parametrize(
    ("lost", "make"),
    [
        (head_key(shard_of(APP)), Path.mkdir),
        (head_key(shard_of(APP)), os.mkfifo),
        (KEY_SET_KEY, Path.mkdir),
        (TOKENS_KEY, Path.mkdir),
        ("heads", Path.touch),
        ("keys", Path.touch),
        ("access", os.mkfifo),
    ],
)
async def test_what_cannot_be_read_is_served_from_what_the_node_has_seen(tmp_path, lost, make):
    """Something else is in the place of a signed document, or of its folder."""
    truth = a_truth_that_moved_on(tmp_path)
    secret = ensure_admin_token(Tokens(truth.store, truth.trust, truth.writer), truth.node_dir, NOW).read_text().strip()
    place = tmp_path / "store" / lost
    place.rename(tmp_path / "aside")
    make(place)
    truth = DataDirectory(tmp_path, time.time())
    tokens = Tokens(truth.store, truth.trust, truth.writer)
    ensure_admin_token(tokens, truth.node_dir, NOW)
    async with running(a_config(tmp_path), truth) as (_, address), aiohttp.ClientSession() as session:
        assert (await check(session, address))["version"] == "1.0.1"
    assert tokens.authenticate(secret, NOW).is_role(Role.ADMIN)
    problems = [*truth.releases.problems.values(), truth.trust.problem, tokens.problem]
    assert any("cannot be read" in each and lost in each for each in problems)
    assert shard_of(APP) not in truth.releases.unserved
    place.rmdir() if make is Path.mkdir else place.unlink()
    (tmp_path / "aside").rename(place)
    truth.check_keys(), tokens.check(), truth.releases.heads()
    assert not any([*truth.releases.problems.values(), truth.trust.problem, tokens.problem])


async def url_of_an_offer(folder):
    truth = a_truth_that_moved_on(folder)
    async with running(a_config(folder), truth) as (_, address), aiohttp.ClientSession() as session:
        offer = await check(session, address)
        assert offer["version"] == "1.0.1"
        return offer["url"].removeprefix(address)
