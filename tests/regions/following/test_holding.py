"""Which releases wait for their files, until when, and what the next process knows of it."""

import asyncio

import pytest
from factories import APP, NOW, a_bundle, a_change, digest
from followed_world import FollowedWorld
from node_world import publish, upload

from edge.domain.changes.commands import ChannelSettings, CreateApp, CreateChannel, PublishBundle, WithdrawBundle
from edge.regions.following.holding import STALLED_SECONDS, only_begins
from edge.store.heads import shard_of
from edge.store.held_heads import HELD_FOLDER
from edge.store.objects.port import blob_key, revision_key

ZIP = digest("zip 1.0.2")


@pytest.fixture
async def world(tmp_path):
    world = FollowedWorld(tmp_path)
    world.truth.releases.commit(APP, a_change(CreateApp(app=APP)))
    world.truth.releases.commit(APP, a_change(CreateChannel(name="production", settings=ChannelSettings(public=True))))
    world.first = publish(world.truth, "1.0.1")
    world.now_monotonic = 0.0
    await start(world)
    await world.follower.look()
    await world.settle()
    await told_all(world)
    world.told.clear()
    world.follower._taker.look_seconds = 0.02
    world.source.gate, world.source.gated = asyncio.Event(), {ZIP}
    yield world
    world.source.gate.set()
    await end(world)


async def start(world) -> None:
    await world.start()
    world.follower.holding._monotonic = lambda: world.now_monotonic
    world.follower.holding.pause_seconds = 0.001


async def end(world) -> None:
    await world.follower.close()
    await world.follower.fetcher.close()


async def told_all(world, seconds: float = 0.0) -> None:
    """So many pass again and again meanwhile."""
    while world.follower.standing.held_apps or not world.told:
        world.now_monotonic += seconds
        await asyncio.sleep(0.001)


async def only_the_zip(world) -> None:
    """Until nothing else is missing."""
    while not world.source.asked[ZIP] or world.follower.fetcher.waiting > 1:
        await asyncio.sleep(0.001)


def served(world) -> int:
    """The revision that another process of the node would have its workers serve."""
    return world.reader.heads()[APP].revision


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
    await told_all(world)
    assert not world.source.gate.is_set()
    assert world.told == [{APP: withdrawn.head}]


async def test_a_transfer_that_stands_still_holds_a_release_for_a_bounded_time(world):
    committed = publish_newer(world)
    await world.follower.look()
    await told_all(world, STALLED_SECONDS / 4)
    assert world.told == [{APP: committed.head}]
    assert not world.source.gate.is_set()


async def test_what_a_release_is_told_without_is_named_before(world):
    committed, named = publish_newer(world), []

    async def note(digest, app):
        named.append((digest, app, list(world.told)))

    world.follower.holding.lacks = note
    await world.follower.look()
    await told_all(world, STALLED_SECONDS / 4)
    assert (ZIP, APP, []) in named and world.told == [{APP: committed.head}]


async def test_with_the_source_gone_the_old_release_is_offered_for_as_long_as_it_takes(world):
    committed = publish_newer(world)
    await world.follower.look()
    world.follower._unreachable_since = world.now
    world.now_monotonic = 100 * STALLED_SECONDS
    for _ in range(20):
        await asyncio.sleep(0.002)
    assert world.told == [] and served(world) == world.first.head.revision
    world.follower._unreachable_since = None
    world.now_monotonic += STALLED_SECONDS / 2
    for _ in range(20):
        await asyncio.sleep(0.002)
    assert world.told == []
    world.source.gate.set()
    await told_all(world)
    assert world.told == [{APP: committed.head}]


async def test_a_release_that_is_held_is_held_by_the_next_process_too(world):
    committed = publish_newer(world)
    await world.follower.look()
    assert served(world) == world.first.head.revision
    await end(world)
    await start(world)
    world.follower._taker.look_seconds = 0.02
    assert served(world) == world.first.head.revision  # before anything of it runs
    await world.follower.look()
    assert world.told == [] and served(world) == world.first.head.revision
    world.source.gate.set()
    await told_all(world)
    assert world.told == [{APP: committed.head}] and served(world) == committed.head.revision
    assert not list((world.directory.node_dir / HELD_FOLDER).iterdir())


async def test_a_release_whose_files_came_before_the_node_was_killed_needs_no_source(world):
    committed = publish_newer(world)
    await world.follower.look()
    await only_the_zip(world)
    await end(world)
    world.mirror.create(blob_key(ZIP), world.truth.mirror.get(blob_key(ZIP)).data)
    world.source.lost = True
    await start(world)
    await world.follower._taker.resume()
    await told_all(world)
    assert world.told == [{APP: committed.head}]


async def test_of_a_release_that_is_held_nothing_makes_room(world):
    """Nor of the one that is offered meanwhile."""
    publish_newer(world)
    await world.follower.look()
    await only_the_zip(world)
    world.now += 10_000.0
    assert not world.follower.tending.make_room()
    old, new = world.first.head, world.follower._taker.coming()[APP]
    assert old != new and all(world.mirror.has(revision_key(APP, each.revision, each.digest)) for each in (old, new))


@pytest.mark.parametrize("content", [b"", b"rotten", b"0" * 64 + b"\n{}"])
async def test_a_damaged_note_of_what_is_held_is_set_aside(world, content):
    committed = publish_newer(world)
    await world.follower.look()
    await end(world)
    note = world.directory.node_dir / HELD_FOLDER / f"{shard_of(APP)}.json"
    note.write_bytes(content)
    await start(world)
    assert served(world) == committed.head.revision
    assert note.with_name(f"{note.name}.damaged").read_bytes() == content and not note.exists()


async def test_the_way_back_and_the_withdrawal_are_no_beginning(world):
    newer = publish_newer(world).state
    assert only_begins(world.first.state, newer)
    assert not only_begins(newer, world.first.state)
    withdrawn = world.truth.releases.commit(APP, a_change(WithdrawBundle(version="1.0.2", reason="bad"), at=NOW + 90))
    assert not only_begins(newer, withdrawn.state)
    assert not only_begins(world.first.state, withdrawn.state)
