"""A copy that is damaged is mended from the source, and one that grows too large lets go of what nothing offers."""

import asyncio
import hashlib
import os

import pytest
from factories import APP, DEVICE, a_change
from followed_world import FollowedWorld, copy_of
from node_world import publish

from edge.domain.changes.commands import ChannelSettings, CreateApp, CreateChannel, SetChannel, SetOverride
from edge.regions.following.cache import YOUNG_SECONDS
from edge.regions.following.chain import KEPT_REVISIONS
from edge.regions.source import SourceLost
from edge.store.heads import shard_of
from edge.store.objects.port import blob_key, head_key, revision_key, revisions_prefix


@pytest.fixture
async def world(tmp_path):
    world = FollowedWorld(tmp_path)
    world.truth.releases.commit(APP, a_change(CreateApp(app=APP)))
    world.truth.releases.commit(APP, a_change(CreateChannel(name="production", settings=ChannelSettings(public=True))))
    world.truth.releases.commit(APP, a_change(SetOverride(device=DEVICE, channel="production")))
    world.committed = publish(world.truth, "1.0.1")
    await world.start()
    await world.follower.look()
    await world.settle()
    world.told.clear()
    yield world
    await world.follower.fetcher.close()


def keys_of(world) -> dict[str, str]:
    """What can be damaged, by name."""
    head, state = world.committed.head, world.committed.state
    overrides = next(iter(world.truth.releases._revisions.read(APP, *_parts(head)).shards.values()))
    return {
        "revision": revision_key(APP, head.revision, head.digest),
        "manifest": blob_key(state.bundles["1.0.1"].manifest),
        "overrides": blob_key(overrides),
    }


def _parts(head):
    return head.revision, head.digest


@pytest.mark.parametrize("what", ["revision", "manifest", "overrides"])
async def test_what_is_rotten_is_fetched_again_and_workers_look_again(world, what):
    key = keys_of(world)[what]
    world.mirror.place(key).write_bytes(b"rotten")
    await world.follower.tending.mend([APP])
    assert world.mirror.get(key).data == world.truth.mirror.get(key).data
    assert world.told == [{APP: world.committed.head}]


async def test_what_cannot_be_mended_is_tried_now_and_then_and_said_once(world, caplog):
    key = keys_of(world)["revision"]
    for store in (world.truth.mirror, world.mirror):
        store.place(key).unlink()
    world.source.asked.clear()
    for seconds in (0.0, 5.0, 5.0, 60.0):
        world.now += seconds
        await world.follower.tending.mend([APP])
    assert world.source.asked["revisions"] == 2 and not world.told
    assert caplog.text.count("cannot be mended now") <= 1


@pytest.mark.parametrize("what", ["revision", "manifest", "overrides"])
async def test_what_is_missing_is_found_on_the_round_over_all_apps(world, what):
    key = keys_of(world)[what]
    world.mirror.place(key).unlink()
    await world.follower.tending.go_round()
    assert world.mirror.get(key).data == world.truth.mirror.get(key).data
    assert world.told == [{APP: world.committed.head}]


async def test_a_round_over_a_whole_copy_asks_for_nothing(world):
    world.source.asked.clear()
    await world.follower.tending.go_round()
    await world.follower.tending.mend([APP])
    assert not world.source.asked and not world.told


async def test_a_file_that_an_earlier_process_did_not_fetch_comes_on_the_round(world):
    zipped = world.committed.state.bundles["1.0.1"].zip
    world.mirror.place(blob_key(zipped)).unlink()
    await world.start()
    await world.follower.tending.go_round()
    await world.settle()
    assert world.mirror.has(blob_key(zipped))


@pytest.mark.parametrize("damage", ["rotten", "gone"])
async def test_a_damaged_head_is_taken_from_the_source_again(world, damage):
    key = head_key(shard_of(APP))
    place = world.mirror.place(key)
    place.write_bytes(b"rotten") if damage == "rotten" else place.unlink()
    await world.follower.tending.look_at_heads()
    await world.follower.look()
    assert world.mirror.get(key).data == world.truth.mirror.get(key).data


async def test_old_revisions_are_let_go_of_and_the_latest_stay(world):
    for number in range(1, 2 * KEPT_REVISIONS):
        command = SetChannel(name="production", settings=ChannelSettings(public=True, spread_seconds=number))
        world.truth.releases.commit(APP, a_change(command))
        await world.follower.look()
    await world.follower.tending.go_round()
    kept = list(world.mirror.keys(revisions_prefix(APP)))
    assert len(kept) == KEPT_REVISIONS
    assert len(world.reader.history(APP, 3)) == 3


def a_stray(world, size: int, used: float) -> str:
    content = os.urandom(size)
    key = blob_key(hashlib.sha256(content).hexdigest())
    world.mirror.create(key, content)
    os.utime(world.mirror.place(key), (used, used))
    return key


def limit_of(world) -> int:
    """Of which a tenth less is what there is and one stray."""
    return int((world.follower.tending.room.measure() + 150_000) / 0.9)


async def test_beyond_the_limit_what_nothing_offers_goes_the_longest_unused_first(world):
    before = copy_of(world.mirror)
    await world.start(cache_limit_bytes=1)
    world.follower.tending.room._limit = limit_of(world)
    long_ago = world.now - 10 * YOUNG_SECONDS
    old, older = a_stray(world, 100_000, long_ago + 1), a_stray(world, 100_000, long_ago)
    young = a_stray(world, 10_000, world.now)
    assert world.follower.tending.room.shrink() >= 100_000
    left = copy_of(world.mirror)
    assert older not in left and young in left and before.items() <= left.items()
    assert (world.follower.tending.room.evicted >= 1 and old not in left) or old in left


async def test_what_is_offered_stays_however_small_the_limit(world):
    before = copy_of(world.mirror)
    await world.start(cache_limit_bytes=1)
    world.now += 10 * YOUNG_SECONDS
    assert world.follower.tending.room.shrink() == 0 and copy_of(world.mirror) == before


async def test_a_file_that_was_let_go_of_is_pulled_again(world):
    older = next(iter(world.committed.state.bundles.values()))
    publish(world.truth, "1.0.2")
    await world.follower.look()
    await world.settle()
    world.mirror.place(blob_key(older.zip)).unlink()
    assert await world.follower.puller.pull(older.zip, APP) and world.mirror.has(blob_key(older.zip))


async def test_a_file_that_cannot_be_pulled_is_not_asked_for_at_each_request(world):
    world.source.lost = True
    assert not await world.follower.puller.pull("ab" * 32, APP)
    asked = world.source.asked["ab" * 32]
    assert not await world.follower.puller.pull("ab" * 32, APP)
    assert world.source.asked["ab" * 32] == asked
    world.now += 60.0
    assert not await world.follower.puller.pull("ab" * 32, APP)
    assert world.source.asked["ab" * 32] > asked


async def test_a_file_of_which_nothing_comes_is_not_to_be_had_until_it_is_here(world):
    older = next(iter(world.committed.state.bundles.values())).zip
    world.mirror.place(blob_key(older)).unlink()
    world.source.gate, pulled = asyncio.Event(), asyncio.Event()
    told = []

    async def note(digest, app):
        told.append((digest, app))
        pulled.set()

    puller = world.follower.puller
    puller.on_pulled, puller.still_seconds = note, 0.01
    assert not await puller.pull(older, APP) and told == []
    world.source.gate.set()
    await pulled.wait()
    assert told == [(older, APP)] and world.mirror.has(blob_key(older))


async def test_whoever_follows_this_node_is_not_told_that_a_file_is_nowhere_while_the_source_is_lost(world):
    older = next(iter(world.committed.state.bundles.values())).zip
    world.mirror.place(blob_key(older)).unlink()
    world.source.lost = True
    for _ in range(2):
        with pytest.raises(SourceLost):
            await world.follower.puller.bring(older)
    world.source.lost = False
    world.now += 60.0
    assert await world.follower.puller.bring(older) and world.mirror.has(blob_key(older))
    assert not await world.follower.puller.bring("ab" * 32)


async def test_on_a_full_disk_what_nothing_offers_makes_room(world):
    stray = a_stray(world, 100_000, world.now - 10 * YOUNG_SECONDS)
    assert world.follower.tending.make_room() and not world.mirror.has(stray)
    assert not world.follower.tending.make_room()


async def test_while_an_apps_revision_cannot_be_read_nothing_makes_room(world):
    """What it offers is not known, and its files are what devices are fetching."""
    world.mirror.place(keys_of(world)["revision"]).write_bytes(b"rotten")
    world.now += 10 * YOUNG_SECONDS
    before = copy_of(world.mirror)
    assert not world.follower.tending.make_room() and copy_of(world.mirror) == before
