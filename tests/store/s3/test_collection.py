"""Garbage in a bucket with many writers: what is condemned, whose turn it is, and that nothing in use goes."""

import pytest
from buckets import a_client
from s3_servers import Clock

from edge.domain.errors import Conflict
from edge.store.healing import keep_bytes
from edge.store.objects.fs import FsStore
from edge.store.objects.port import blob_key
from edge.store.s3.collection import LEASE_SECONDS, REFER_SECONDS, SETTLE_SECONDS, SKEW_SECONDS, CollectionDesk
from edge.store.s3.s3_store import S3Store

KEY = blob_key("ab" * 32)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def desks(moto_address, clock):
    """Of two processes."""
    client = a_client(moto_address)
    return [
        CollectionDesk(a_client(moto_address, prefix=client.place.prefix), now=clock, clock=clock, pause=clock.pause)
        for _ in range(2)
    ]


def test_one_collects_at_a_time(desks):
    mine, theirs = desks
    with mine.collecting(), pytest.raises(Conflict) as caught, theirs.collecting():
        pass
    assert caught.value.code == "busy"
    with theirs.collecting():
        pass


def test_a_killed_collections_turn_ends(desks, clock):
    mine, theirs = desks
    turn = mine.collecting()
    turn.__enter__()
    clock.now += LEASE_SECONDS
    with theirs.collecting(), pytest.raises(Conflict):
        mine.renew()


def test_who_commits_sees_what_is_condemned_before_it_goes(desks, clock):
    mine, theirs = desks
    began = clock.now
    with mine.collecting():
        with mine.removing([KEY]):
            assert clock.now - began >= SETTLE_SECONDS
            theirs.look()
            assert theirs.is_condemned(KEY)
        theirs.look()
        assert not theirs.is_condemned(KEY)


def test_a_commit_ends_before_what_it_looked_for_may_be_gone(desks, clock):
    _, theirs = desks
    with theirs.referring():
        clock.now += REFER_SECONDS
        theirs.check_time()
        clock.now += 1
        with pytest.raises(Conflict, match="slow"):
            theirs.check_time()
    theirs.check_time()
    assert REFER_SECONDS + 40 + 15 < SETTLE_SECONDS


def test_what_a_killed_process_condemned_is_free_in_the_end(desks, clock):
    mine, theirs = desks
    turn, removal = mine.collecting(), mine.removing([KEY])
    turn.__enter__()
    removal.__enter__()
    theirs.look()
    assert theirs.is_condemned(KEY)
    clock.now += LEASE_SECONDS + SKEW_SECONDS
    assert not theirs.is_condemned(KEY)
    with pytest.raises(Conflict, match="over"):
        mine.renew()


def stores(address, clock, folder):
    """Of two nodes."""
    client = a_client(address)
    for number in range(2):
        bucket = a_client(address, prefix=client.place.prefix)
        desk = CollectionDesk(bucket, now=clock, clock=clock, pause=clock.pause)
        yield S3Store(bucket, FsStore(folder / str(number)), desk)


def test_after_a_removal_nothing_is_taken_as_known(moto_address, clock, tmp_path):
    mine, theirs = stores(moto_address, clock, tmp_path)
    digest = keep_bytes(theirs, b"abandoned")
    key = blob_key(digest)
    assert theirs.has(key)
    with mine.collecting(), mine.removing([key]):
        with theirs.referring():
            assert not theirs.has(key)
        mine.remove([key])
    with theirs.referring():
        assert not theirs.has(key)


def test_a_blob_that_is_uploaded_while_it_is_condemned_is_written_again(moto_address, clock, tmp_path):
    mine, theirs = stores(moto_address, clock, tmp_path)
    key = blob_key(keep_bytes(theirs, b"wanted again"))
    with mine.collecting(), mine.removing([key]):
        with theirs.referring():
            pass
        puts = theirs.bucket.counts.taken()["put"]
        keep_bytes(theirs, b"wanted again")
        assert theirs.bucket.counts.taken()["put"] == puts + 1  # so it is young, and stays
    with theirs.referring():
        assert theirs.has(key)
