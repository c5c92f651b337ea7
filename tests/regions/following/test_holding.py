"""Which releases wait for their files, and until when."""

import asyncio

import pytest
from factories import APP, NOW, a_bundle, a_change, digest
from followed_world import FollowedWorld
from node_world import publish, upload

from edge.domain.changes.commands import ChannelSettings, CreateApp, CreateChannel, PublishBundle, WithdrawBundle
from edge.regions.following.holding import STALLED_SECONDS, only_begins
from edge.store.objects.port import blob_key

ZIP = digest("zip 1.0.2")


@pytest.fixture
async def world(tmp_path):
    world = FollowedWorld(tmp_path)
    world.truth.releases.commit(APP, a_change(CreateApp(app=APP)))
    world.truth.releases.commit(APP, a_change(CreateChannel(name="production", settings=ChannelSettings(public=True))))
    world.first = publish(world.truth, "1.0.1")
    await world.start()
    world.now_monotonic = 0.0
    world.follower.holding._monotonic = lambda: world.now_monotonic
    world.follower.holding.pause_seconds = 0.001
    await world.follower.look()
    await world.settle()
    world.told.clear()
    world.source.gate, world.source.gated = asyncio.Event(), {ZIP}
    yield world
    world.source.gate.set()
    await told_all(world)
    await world.follower.fetcher.close()


async def told_all(world) -> None:
    while world.follower._held:
        await asyncio.sleep(0)


def publish_newer(world):
    upload(world.truth, "1.0.2")
    change = a_change(PublishBundle(bundle=a_bundle("1.0.2"), channel="production"), at=NOW + 60)
    return world.truth.releases.commit(APP, change)


async def test_a_release_is_told_once_its_files_are_here(world):
    committed = publish_newer(world)
    await world.follower.look()
    assert world.told == []
    world.source.gate.set()
    await told_all(world)
    assert world.told == [{APP: committed.head}]
    assert world.mirror.has(blob_key(ZIP))


async def test_a_source_that_is_lost_meanwhile_is_asked_again(world):
    committed = publish_newer(world)
    await world.follower.look()
    world.source.lost, world.source.cut_after = True, 0
    world.source.gate.set()
    while world.source.asked[ZIP] < 4:  # more than the attempts at one blob
        await asyncio.sleep(0)
    assert world.told == []
    world.source.lost, world.source.cut_after = False, None
    await told_all(world)
    assert world.told == [{APP: committed.head}]


async def test_a_withdrawal_does_not_wait_for_files(world):
    publish_newer(world)
    await world.follower.look()
    withdrawn = world.truth.releases.commit(APP, a_change(WithdrawBundle(version="1.0.1", reason="bad"), at=NOW + 90))
    await world.follower.look()
    assert world.told == [{APP: withdrawn.head}]
    await told_all(world)
    assert world.told == [{APP: withdrawn.head}]


async def test_a_transfer_that_stands_still_holds_a_release_for_a_bounded_time(world):
    committed = publish_newer(world)
    await world.follower.look()
    world.now_monotonic = STALLED_SECONDS
    await told_all(world)
    assert world.told == [{APP: committed.head}]
    assert not world.source.gate.is_set()


async def test_the_way_back_and_the_withdrawal_are_no_beginning(world):
    newer = publish_newer(world).state
    assert only_begins(world.first.state, newer)
    assert not only_begins(newer, world.first.state)
    withdrawn = world.truth.releases.commit(APP, a_change(WithdrawBundle(version="1.0.2", reason="bad"), at=NOW + 90))
    assert not only_begins(newer, withdrawn.state)
    assert not only_begins(world.first.state, withdrawn.state)
