"""The chain of an app's revisions as it lies, from the newest back, in blocks."""

import asyncio
from contextlib import aclosing

import pytest

from edge.domain.errors import NotFound, Unavailable
from edge.domain.model import AppId
from edge.regions.feed.framing import FrameReader
from edge.regions.feed.revisions import DOCUMENTS_OF_BLOCK, STREAMS_LIMIT, RevisionStreams
from edge.store.heads import Head
from edge.store.objects.fs import FsStore
from edge.store.objects.port import revision_key
from edge.store.stored_document import Untrusted, digest_of

APP = AppId("com.acme.app")


class Chain:
    """So many revisions of an app, each of some bytes."""

    def __init__(self, folder, count, padding=0):
        self.store, self.documents, previous = FsStore(folder / "store"), [], "null"
        for number in range(1, count + 1):
            link = f'{{"app":"{APP}","revision":{number},"previous":{previous},"pad":"{"x" * padding}"}}'
            document = link.encode()
            digest = digest_of(document)
            place = self.store.place(revision_key(APP, number, digest))
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(document)
            self.documents.append(document)
            previous = f'"{digest}"'
        self.head = Head(count, digest)
        self.streams = RevisionStreams(self.store)

    async def read(self, after=0):
        reader, found, blocks = FrameReader(), [], 0
        async for block in self.streams.blocks(APP, self.head, after):
            blocks += 1
            reader.feed(block)
            while taken := reader.take():
                found += taken
        reader.end()
        return found, blocks


@pytest.mark.parametrize("after", [0, 1, 4, 8])
async def test_revisions_come_newest_first_down_to_the_known_one(tmp_path, after):
    chain = Chain(tmp_path, 9)
    found, _ = await chain.read(after)
    assert found == chain.documents[after:][::-1]


async def test_the_newest_comes_alone_and_the_others_in_blocks(tmp_path):
    chain = Chain(tmp_path, 2 * DOCUMENTS_OF_BLOCK)
    found, blocks = await chain.read()
    assert (len(found), blocks) == (2 * DOCUMENTS_OF_BLOCK, 3)


async def test_large_revisions_make_smaller_blocks(tmp_path):
    chain = Chain(tmp_path, 12, padding=1_000_000)
    found, blocks = await chain.read()
    assert (len(found), blocks) == (12, 4)


async def test_who_wants_the_newest_alone_costs_one_read(tmp_path):
    chain, reads = Chain(tmp_path, 100), []
    get = chain.store.get
    chain.store.get = lambda key: reads.append(key) or get(key)
    async with aclosing(chain.streams.blocks(APP, chain.head, 0)) as blocks:
        await anext(blocks)
    assert len(reads) == 1


async def test_a_missing_revision_ends_the_stream_with_an_error(tmp_path):
    chain = Chain(tmp_path, 9)
    chain.store.place(revision_key(APP, 5, digest_of(chain.documents[4]))).unlink()
    with pytest.raises(NotFound) as raised:
        await chain.read()
    assert raised.value.code == "missing_object"
    found, _ = await chain.read(5)
    assert found == chain.documents[5:][::-1]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff", b'{"app":"com.other.app","revision":9,"previous":null}', b'{"app":"com.acme.app"}']
)
async def test_a_revision_that_cannot_be_read_ends_the_stream_with_an_error(tmp_path, content):
    chain = Chain(tmp_path, 9)
    chain.store.place(revision_key(APP, 9, chain.head.digest)).write_bytes(content)
    with pytest.raises(Untrusted):
        await chain.read()


async def test_a_chain_in_a_circle_ends(tmp_path):
    chain = Chain(tmp_path, 2)
    circle = f'{{"app":"{APP}","revision":2,"previous":"{chain.head.digest}","jumped_from":2}}'
    chain.store.place(revision_key(APP, 2, chain.head.digest)).write_bytes(circle.encode())
    with pytest.raises(Untrusted):
        await chain.read()


async def test_too_many_streams_are_refused_and_ended_ones_make_room(tmp_path):
    chain = Chain(tmp_path, 3)
    held = [chain.streams.blocks(APP, chain.head, 0) for _ in range(STREAMS_LIMIT)]
    await asyncio.gather(*map(anext, held))
    with pytest.raises(Unavailable) as raised:
        await chain.read()
    assert raised.value.code == "busy"
    await held.pop().aclose()
    assert len((await chain.read())[0]) == 3
    for each in held:
        await each.aclose()
