"""What changed of the documents that followers mirror: read once, however many ask, whoever wrote them."""

import asyncio

import pytest

from edge.regions.feed.documents import LOOK_SECONDS, FeedDocuments
from edge.store.objects.fs import FsStore
from edge.store.objects.port import head_key

KEYS = ("keys/writers.json", "heads/0.json", "heads/1.json")


class Counted(FsStore):
    """Counts what is read."""

    reads = 0

    def get(self, key):
        self.reads += 1
        return super().get(key)


class World:
    def __init__(self, folder):
        self.store, self.now, self.moved = Counted(folder / "store"), 100.0, []
        self.documents = FeedDocuments(self.store, KEYS, on_change=self.moved.append, monotonic=lambda: self.now)

    async def known(self):
        return {each.key: each.tag for each in await self.documents.changed({})}


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    made.store.create("keys/writers.json", b"keys")
    made.store.create("heads/0.json", b"head 0")
    return made


async def test_only_what_differs_is_given(world):
    known = await world.known()
    assert set(known) == {"keys/writers.json", "heads/0.json"}
    assert await world.documents.changed(known) == []
    (changed,) = await world.documents.changed(known | {"heads/0.json": "another"})
    assert (changed.key, changed.content) == ("heads/0.json", b"head 0")


async def test_a_document_that_vanished_is_given_as_empty(world):
    known = await world.known()
    world.store.place("heads/0.json").unlink()
    world.now += LOOK_SECONDS * 2
    (changed,) = await world.documents.changed(known)
    assert (changed.key, changed.content, changed.tag) == ("heads/0.json", b"", "")


async def test_any_number_of_followers_cost_one_look_and_no_reading(world):
    known = await world.known()
    before = world.store.reads
    for _ in range(20):
        world.now += LOOK_SECONDS * 2
        assert await asyncio.gather(*(world.documents.changed(known) for _ in range(20))) == [[]] * 20
    assert world.store.reads == before


async def test_what_another_process_writes_is_read_once(world):
    known, other = await world.known(), FsStore(world.store.root)
    other.swap("heads/0.json", b"head 0, again", other.get("heads/0.json").tag)
    world.now += LOOK_SECONDS * 2
    before = world.store.reads
    answers = await asyncio.gather(*(world.documents.changed(known) for _ in range(20)))
    assert [[each.content for each in answer] for answer in answers] == [[b"head 0, again"]] * 20
    assert world.store.reads == before + 1


async def test_a_change_is_told_once_with_its_keys(world):
    await world.documents.look()
    assert [set(keys) for keys in world.moved] == [{"keys/writers.json", "heads/0.json"}]
    world.store.create("heads/1.json", b"head 1")
    world.now += 1
    await world.documents.look()
    world.now += 1
    await world.documents.look()
    assert world.moved[1:] == [["heads/1.json"]]


async def test_a_file_that_cannot_be_read_stays_what_it_was(world):
    known = await world.known()
    place = world.store.place("heads/0.json")
    place.unlink()
    place.mkdir()  # a folder in its place
    world.now += LOOK_SECONDS * 2
    changed = {each.key: each.content for each in await world.documents.changed(known)}
    assert changed in ({}, {"heads/0.json": b""})


def test_every_shard_is_followed():
    documents = FeedDocuments.__init__.__defaults__[0]
    assert documents[:2] == ("keys/writers.json", "access/tokens.json")
    assert set(documents[2:]) >= {head_key(shard) for shard in "0123456789abcdef"}
