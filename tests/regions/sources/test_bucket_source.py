"""A bucket as the source of a follower: what a look costs, and what is lost when the bucket is."""

import os

import pytest
from buckets import QUICK, a_client

from edge.domain.errors import NotFound
from edge.domain.model import AppId
from edge.regions.source import SourceLost
from edge.regions.sources.bucket import BucketSource
from edge.regions.sources.store import PIECE_BYTES
from edge.store.heads import Head
from edge.store.key_set import KEY_SET_KEY
from edge.store.objects.port import blob_key, head_key, revision_key
from edge.store.s3.client import PIECE_BYTES as READ_BYTES


@pytest.fixture
def bucket(moto_address):
    client = a_client(moto_address)
    client.create(KEY_SET_KEY, b"keys")
    client.create(head_key("3"), b"three")
    return client


async def all_of(pieces):
    return [piece async for piece in pieces]


async def test_what_changed_is_told_once(bucket):
    source = BucketSource(bucket)
    found = await source.documents({})
    assert {(each.key, each.content) for each in found} == {(KEY_SET_KEY, b"keys"), (head_key("3"), b"three")}
    known = {each.key: each.tag for each in found}
    assert await source.documents(known) == []
    tag = bucket.swap(head_key("3"), b"four", known[head_key("3")], quotes=True)
    assert await source.documents(known) == [(head_key("3"), b"four", tag)]
    await source.close()


async def test_a_look_at_an_unchanged_bucket_takes_four_requests(bucket):
    source = BucketSource(bucket)
    known = {each.key: each.tag for each in await source.documents({})}
    before = bucket.counts.taken()
    await source.documents(known)
    after = bucket.counts.taken()
    assert {kind: after[kind] - before[kind] for kind in after} == {"get": 3, "list": 1, "put": 0}
    await source.close()


async def test_what_has_vanished_is_told_with_no_bytes(bucket):
    source = BucketSource(bucket)
    known = {each.key: each.tag for each in await source.documents({})}
    bucket.delete([KEY_SET_KEY, head_key("3")])
    assert await source.documents(known) == [(KEY_SET_KEY, b"", ""), (head_key("3"), b"", "")]
    await source.close()


async def test_a_blob_comes_in_pieces_from_any_byte_on(bucket):
    source, content = BucketSource(bucket), os.urandom(READ_BYTES + 3)
    bucket.write(blob_key("ab" * 32), content)
    for start in (0, 1, READ_BYTES, len(content) - 1):
        pieces = await all_of(source.blob("ab" * 32, start))
        assert b"".join(pieces) == content[start:] and max(map(len, pieces)) <= PIECE_BYTES
    with pytest.raises(NotFound, match="does not have"):
        await all_of(source.blob("cd" * 32))
    await source.close()


async def test_revisions_go_back_by_their_links(bucket):
    source, app = BucketSource(bucket), AppId("com.example.app")
    for number, digest, previous in (
        (1, "a" * 64, "null"),
        (2, "b" * 64, f'"{"a" * 64}"'),
        (3, "c" * 64, f'"{"b" * 64}"'),
    ):
        bucket.write(revision_key(app, number, digest), b'{"previous": %s}' % previous.encode())
    assert len(await all_of(source.revisions(app, Head(3, "c" * 64), 0))) == 3
    assert len(await all_of(source.revisions(app, Head(3, "c" * 64), 1))) == 2
    with pytest.raises(SourceLost, match="revision 9"):
        await all_of(source.revisions(app, Head(9, "d" * 64), 0))
    await source.close()


async def test_a_bucket_that_does_not_answer_is_a_lost_source(before_moto):
    before_moto.gone = True
    source = BucketSource(a_client(before_moto.url, limits=QUICK))
    with pytest.raises(SourceLost, match="does not answer") as caught:
        await source.documents({})
    assert caught.value.code == "store_unreachable"
    with pytest.raises(SourceLost, match="tells of no changes"):
        await all_of(source.events())
    await source.close()
