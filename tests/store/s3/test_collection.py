"""Garbage in a bucket with many writers: what is condemned, whose turn it is, and that nothing in use goes."""

import pytest
from buckets import a_client, a_place
from s3_servers import Clock, refusal

from edge.domain.errors import Conflict
from edge.store.healing import keep_bytes
from edge.store.objects.fs import FsStore
from edge.store.objects.port import StoreLost, blob_key
from edge.store.s3.client import DELETED_AT_ONCE
from edge.store.s3.collection import (
    COLLECTION_KEY,
    LEASE_SECONDS,
    REFER_SECONDS,
    SETTLE_SECONDS,
    SKEW_SECONDS,
    CollectionDesk,
)
from edge.store.s3.known_keys import KnownKeys
from edge.store.s3.s3_store import S3Store

KEY = blob_key("ab" * 32)
ALLOWED_SKEW_SECONDS = 900.0  # by a bucket, of each clock
DATED = {"Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def desks(moto_address, clock):
    return desks_of(moto_address, clock)


def desks_of(address, clock):
    """Of two processes."""
    prefix = a_place(address).prefix
    return [
        CollectionDesk(a_client(address, prefix=prefix), now=clock, clock=clock, pause=clock.pause) for _ in range(2)
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


def test_an_answer_that_comes_late_does_not_hide_what_was_condemned_meanwhile(before_moto, clock):
    mine, theirs = desks_of(before_moto.url, clock)
    with mine.collecting():
        old = theirs._bucket.get(COLLECTION_KEY)
        with mine.removing([KEY]):
            assert theirs.look() == 1
            # As to a thread that asked before.
            before_moto.script.append((200, {"ETag": f'"{old.tag}"', **DATED}, old.data))
            assert theirs.look() == 1 and theirs.is_condemned(KEY)
            before_moto.script.append(refusal(404, "NoSuchKey"))
            assert theirs.look() == 1 and theirs.is_condemned(KEY)
    theirs.look()
    assert not theirs.is_condemned(KEY)


def test_a_document_that_somebody_deleted_is_made_again_once_nothing_of_it_can_be_in_force(desks, clock):
    mine, theirs = desks
    with mine.collecting():
        theirs.look()
    theirs._bucket.delete([COLLECTION_KEY])
    clock.now += LEASE_SECONDS + SKEW_SECONDS
    with theirs.collecting(), pytest.raises(Conflict), mine.collecting():
        pass


def test_clocks_that_are_wrong_by_what_a_bucket_allows_do_not_free_what_is_being_removed(moto_address):
    behind, ahead = Clock(), Clock()
    behind.now -= ALLOWED_SKEW_SECONDS
    ahead.now += ALLOWED_SKEW_SECONDS
    mine, _ = desks_of(moto_address, behind)
    theirs = CollectionDesk(a_client(moto_address, prefix=mine._bucket.place.prefix), now=ahead, clock=ahead)
    turn, removal = mine.collecting(), mine.removing([KEY])
    turn.__enter__()
    removal.__enter__()
    theirs.look()
    for clock in (behind, ahead):
        clock.now += LEASE_SECONDS - 1
    mine.renew()  # its turn is not over by its own clock
    assert theirs.is_condemned(KEY)


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


def test_a_deletion_without_an_answer_may_come_late_so_what_it_names_stays_condemned_for_longer(
    before_moto, clock, tmp_path
):
    mine, theirs = stores(before_moto.url, clock, tmp_path)
    key = blob_key(keep_bytes(theirs, b"abandoned"))
    before_moto.concerns = lambda method, path: method == "POST" or method == "DELETE"
    with mine.collecting():
        before_moto.script.append("lose_answer")
        with mine.removing([key]):
            mine.remove([key])
        assert clock.pauses.count(SETTLE_SECONDS) == 2 and not before_moto.script
        with mine.removing([key]):
            mine.remove([key])  # answered
        assert clock.pauses.count(SETTLE_SECONDS) == 3


def test_a_deletion_that_failed_leaves_nothing_condemned_once_it_cannot_come_any_more(before_moto, clock, tmp_path):
    mine, theirs = stores(before_moto.url, clock, tmp_path)
    key = blob_key(keep_bytes(theirs, b"abandoned"))
    before_moto.concerns = lambda method, path: method == "POST" or method == "DELETE"
    before_moto.script.extend([refusal(500, "InternalError")] * 4)
    with pytest.raises(StoreLost), mine.collecting(), mine.removing([key]):
        mine.remove([key])
    assert clock.pauses.count(SETTLE_SECONDS) == 2
    with theirs.referring():
        assert theirs.has(key)


def test_each_request_that_deletes_is_made_in_a_turn_that_was_renewed(moto_address, clock, tmp_path):
    mine, _ = stores(moto_address, clock, tmp_path)
    keys = [blob_key(f"{number:064x}") for number in range(DELETED_AT_ONCE + 1)]
    delete = mine.bucket.delete

    def stand_still(part):
        mine.bucket.delete = delete
        clock.now += LEASE_SECONDS
        return delete(part)

    mine.bucket.delete = stand_still
    with pytest.raises(Conflict, match="over"), mine.collecting(), mine.removing(keys):
        mine.remove(keys)
    assert mine.bucket.counts.taken()["delete"] == 1


def test_a_change_does_not_write_what_is_condemned_and_refer_to_it(moto_address, clock, tmp_path):
    """It may be deleted after it was written: overrides that are as they were long ago."""
    mine, theirs = stores(moto_address, clock, tmp_path)
    key = blob_key(keep_bytes(theirs, b"overrides"))
    with mine.collecting(), mine.removing([key]), theirs.referring(), pytest.raises(Conflict) as caught:
        keep_bytes(theirs, b"overrides")
    assert caught.value.code == "busy"


def test_what_was_looked_for_before_a_removal_and_answered_after_it_is_not_known():
    known = KnownKeys()
    seen_in = known.generation
    known.begin(2)
    known.add(KEY, seen_in)
    assert KEY not in known
    known.add(KEY, 2)
    known.begin(2)
    assert KEY in known


def test_the_first_change_of_a_shard_ends_before_what_it_looked_for_may_be_gone(moto_address, clock, tmp_path):
    mine, _ = stores(moto_address, clock, tmp_path)
    mine.prove()
    with mine.referring():
        clock.now += REFER_SECONDS + 1
        with pytest.raises(Conflict, match="slow"):
            mine.create("heads/a.json", b"one")
