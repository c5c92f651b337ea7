"""What a node tells its followers, and fetches for them."""

import asyncio
import os

import pytest

from edge.domain.errors import NotFound, Unavailable
from edge.regions.feed.feed import PULLS_LIMIT, Feed
from edge.regions.source import HeadsMoved
from edge.store.objects.fs import FsStore
from edge.store.objects.port import blob_key, head_key

BLOB = "a" * 64


@pytest.fixture
def store(tmp_path):
    return FsStore(tmp_path / "store")


async def test_a_blob_that_is_not_here_is_fetched_from_above(store):
    feed, asked = Feed(store), []

    async def pull(digest):
        asked.append(digest)
        store.create(blob_key(digest), b"content")
        return True

    feed.pull = pull
    for _ in range(2):
        opened = await feed.open_blob(BLOB)
        assert os.read(opened.descriptor, 100) == b"content" and opened.size_bytes == 7
        os.close(opened.descriptor)
    assert asked == [BLOB]


@pytest.mark.parametrize("found", [True, False])
async def test_a_blob_that_nobody_has_is_missing(store, found):
    feed = Feed(store)

    async def pull(digest):
        return found  # it may be evicted before it is opened

    feed.pull = pull
    with pytest.raises(NotFound):
        await feed.open_blob(BLOB)


async def test_a_bounded_number_of_blobs_is_fetched_at_once(store):
    feed, going_on = Feed(store), asyncio.Event()

    async def pull(digest):
        await going_on.wait()
        return False

    feed.pull = pull
    waiting = [asyncio.ensure_future(feed.open_blob(f"{number:064x}")) for number in range(PULLS_LIMIT + 1)]
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    assert [type(each.exception()) for each in done] == [Unavailable]
    going_on.set()
    await asyncio.wait(waiting)
    assert [type(each.exception()) for each in waiting].count(NotFound) == PULLS_LIMIT


async def test_what_this_process_writes_is_told_at_once_and_what_others_write_soon(store):
    feed, other = Feed(store), FsStore(store.root)
    running = asyncio.create_task(feed.run())
    with feed.events.subscribed() as subscription:
        store.create(head_key("3"), b"head")
        feed.hear({})
        assert await subscription.next(60) == [HeadsMoved(("3",))]
        other.create("access/tokens.json", b"tokens")
        assert await subscription.next(60) == [HeadsMoved(("access/tokens.json",))]
    running.cancel()


async def test_nothing_is_read_while_nobody_listens(store):
    feed, looks = Feed(store), []
    place = store.place
    store.place = lambda key: looks.append(key) or place(key)
    running = asyncio.create_task(feed.run())
    for _ in range(10):
        feed.hear()
        await asyncio.sleep(0)
    running.cancel()
    assert looks == []
