"""Blobs on their way into the copy: once each, resumed, verified, those first that devices wait for."""

import asyncio
import hashlib
import os

import pytest
from followed_world import TestedSource

from edge.regions.following.fetching import DEVICE_WAITS, BlobFetcher, Came
from edge.regions.following.transfer import WantedBlob
from edge.store.objects.fs import FsStore
from edge.store.objects.port import blob_key

LARGE = os.urandom(3 * 2**20)


class World:
    def __init__(self, folder):
        self.truth, self.mirror = FsStore(folder / "truth"), FsStore(folder / "copy")
        self.source = TestedSource(self.truth)
        self.refused = self.fetcher = None
        self.restart()

    def restart(self):
        from collections import Counter

        self.refused = Counter()
        self.fetcher = BlobFetcher(self.source, self.mirror, self.refused, pause_seconds=0.0)

    def put(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        self.truth.create(blob_key(digest), content)
        return digest

    def here(self, digest: str) -> bytes | None:
        stored = self.mirror.get(blob_key(digest))
        return stored and stored.data


@pytest.fixture
async def world(tmp_path):
    world = World(tmp_path)
    yield world
    await world.fetcher.close()


@pytest.mark.parametrize("content", [b"", b"small", LARGE], ids=["empty", "small", "large"])
async def test_a_blob_comes_whole_and_leaves_nothing_behind(world, content):
    digest = world.put(content)
    assert await world.fetcher.fetch(WantedBlob(digest, len(content)), DEVICE_WAITS)
    assert world.here(digest) == content and list(world.mirror.transfers()) == []


async def test_many_who_ask_share_one_transfer(world):
    digest = world.put(LARGE)
    asked = [world.fetcher.fetch(WantedBlob(digest, None), DEVICE_WAITS) for _ in range(20)]
    assert all(await asyncio.gather(*asked)) and world.source.asked[digest] == 1


async def test_a_transfer_goes_on_when_whoever_asked_leaves(world):
    digest = world.put(LARGE)
    world.source.gate = asyncio.Event()
    asking = asyncio.create_task(world.fetcher.fetch(WantedBlob(digest, None), DEVICE_WAITS))
    while not world.source.asked[digest]:
        await asyncio.sleep(0)
    asking.cancel()
    world.source.gate.set()
    assert await world.fetcher.fetch(WantedBlob(digest, None), DEVICE_WAITS)
    assert world.source.asked[digest] == 1


async def test_a_cut_transfer_goes_on_where_it_was(world):
    digest = world.put(LARGE)
    world.source.cut_after = 2**20
    assert await world.fetcher.fetch(WantedBlob(digest, len(LARGE)), DEVICE_WAITS)
    assert world.source.starts == [0, 2**20, 2 * 2**20] and world.here(digest) == LARGE


async def test_the_next_process_goes_on_where_the_last_one_was_cut(world):
    digest = world.put(LARGE)
    world.source.cut_after = 2**20
    world.source.then_lost = True
    assert not await world.fetcher.fetch(WantedBlob(digest, None), DEVICE_WAITS)
    world.source.cut_after, world.source.lost = None, False
    world.restart()
    assert await world.fetcher.fetch(WantedBlob(digest, None), DEVICE_WAITS)
    assert world.source.starts[-1] == 2**20 and world.here(digest) == LARGE


async def test_what_lies_unfinished_and_rotten_is_fetched_from_its_beginning(world):
    digest = world.put(LARGE)
    part = world.mirror.scratch().with_name(f"fetch-{digest}")
    part.write_bytes(b"x" * 2**20)
    assert await world.fetcher.fetch(WantedBlob(digest, None), DEVICE_WAITS)
    assert world.source.starts == [2**20, 0] and world.here(digest) == LARGE
    assert world.refused["bad_digest"] == 1


async def test_a_flipped_bit_is_refused_and_nothing_of_it_stays(world):
    digest = world.put(LARGE)
    world.source.alter_piece = lambda digest, piece: bytes([piece[0] ^ 1]) + piece[1:]
    assert not await world.fetcher.fetch(WantedBlob(digest, None), DEVICE_WAITS)
    assert world.refused["bad_digest"] == 3 and world.here(digest) is None and list(world.mirror.transfers()) == []


async def test_a_source_that_sends_without_end_is_cut_at_the_known_size(world):
    digest = world.put(LARGE)
    assert not await world.fetcher.fetch(WantedBlob(digest, 1000), DEVICE_WAITS)
    assert world.refused["bad_digest"] == 3 and list(world.mirror.transfers()) == []


async def test_what_the_source_does_not_have_is_counted_once_and_not_asked_for_again(world):
    wanted = WantedBlob("ab" * 32, None)
    assert await world.fetcher.fetch_all([wanted], DEVICE_WAITS) == {wanted: Came.REFUSED}
    assert world.refused == {"missing_object": 1} and world.source.asked[wanted.digest] == 1


async def test_a_lost_source_is_asked_three_times(world):
    digest = world.put(b"small")
    world.source.lost = True
    wanted = WantedBlob(digest, None)
    assert await world.fetcher.fetch_all([wanted], DEVICE_WAITS) == {wanted: Came.LOST}
    assert world.source.asked[digest] == 3


async def test_a_device_waits_for_nothing_that_is_fetched_ahead(world):
    ahead = [world.put(f"ahead {number}".encode()) for number in range(50)]
    awaited = world.put(b"awaited")
    world.source.gate = asyncio.Event()
    world.fetcher.ahead([WantedBlob(digest, None) for digest in ahead], (2.0, 0.0))
    asking = asyncio.create_task(world.fetcher.fetch(WantedBlob(awaited, None), DEVICE_WAITS))
    while not world.source.asked[awaited]:
        await asyncio.sleep(0)
    assert len(world.source.asked) <= 7
    world.source.gate.set()
    assert await asking


async def test_what_is_in_line_comes_first_once_a_device_waits_for_it(world):
    ahead = [world.put(f"ahead {number}".encode()) for number in range(50)]
    world.source.gate = asyncio.Event()
    world.fetcher.ahead([WantedBlob(digest, None) for digest in ahead], (2.0, 0.0))
    asking = asyncio.create_task(world.fetcher.fetch(WantedBlob(ahead[-1], None), DEVICE_WAITS))
    while not world.source.asked[ahead[-1]]:
        await asyncio.sleep(0)
    world.source.gate.set()
    assert await asking and world.source.asked[ahead[-1]] == 1


async def test_a_rotten_blob_is_replaced(world):
    digest = world.put(LARGE)
    world.mirror.create(blob_key(digest), b"rotten")
    assert await world.fetcher.fetch(WantedBlob(digest, None), DEVICE_WAITS, again=True)
    assert world.here(digest) == LARGE


async def test_on_a_full_disk_room_is_made_and_the_blob_comes(world, monkeypatch):
    digest, made = world.put(b"small"), []
    whole = world.source.alter_piece

    def full(digest, piece):
        if not made:
            raise OSError(28, "No space left on device")
        return whole(digest, piece)

    world.source.alter_piece = full
    world.fetcher.on_full = lambda: bool(made.append(1)) or True
    assert await world.fetcher.fetch(WantedBlob(digest, None), DEVICE_WAITS) and made == [1]
