"""Releases whose truth is a bucket: two writers at once, garbage, and a bucket that goes away."""

import threading
import time

import pytest
from bucket_truth import BucketTruth
from buckets import QUICK, a_place
from factories import APP, NOW
from s3_servers import Clock
from truths import a_channel, a_published, publish

from edge.domain.changes.commands import CreateChannel, DeleteBundle, PublishBundle
from edge.domain.errors import Conflict, Invalid
from edge.store.key_set import read_trust
from edge.store.objects.port import StoreLost
from edge.store.signing import load_or_create_writer
from edge.store.upkeep.collect import Collector

DAY = 86_400.0


def two_nodes(address, tmp_path, **options):
    """Of one store: the second one's key is listed by the first one, whose store it is."""
    prefix = a_place(address).prefix
    first = BucketTruth(tmp_path / "first", address, prefix, **options)
    (tmp_path / "second").mkdir()
    key = load_or_create_writer(tmp_path / "second" / "writer.key").public
    first.trust.add_writer(first.writer, key, NOW)
    return first, BucketTruth(tmp_path / "second", address, prefix, **options)


def test_of_two_writers_no_change_is_lost_and_the_chain_is_one(moto_address, tmp_path):
    nodes = two_nodes(moto_address, tmp_path)
    nodes[0].create()

    def write(number):
        for each in range(12):
            nodes[number].commit(a_channel(f"of-{number}-{each}"))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state = nodes[1].releases.load(APP)
    assert set(state.channels) == {f"of-{number}-{each}" for number in range(2) for each in range(12)}
    assert [line.number for line in nodes[0].releases.history(APP, 100)] == list(range(25, 0, -1))


def test_a_bucket_that_is_gone_leaves_what_was_seen_and_refuses_changes(before_moto, tmp_path):
    truth = BucketTruth(
        tmp_path / "node", before_moto.url, a_place(before_moto.url).prefix, QUICK._replace(rest_seconds=0.0)
    )
    truth.create()
    head = truth.releases.head(APP)
    before_moto.gone = True
    assert truth.releases.heads() == {APP: head}
    with pytest.raises(StoreLost) as caught:
        truth.commit(a_channel())
    assert caught.value.code == "store_unreachable" and not truth.releases.refused
    before_moto.gone = False
    truth.commit(a_channel())
    truth.releases.heads()
    assert truth.releases.problems == {}


def test_garbage_of_another_node_is_collected_and_what_is_published_meanwhile_stays(moto_address, tmp_path):
    clock = Clock(time.time() + 100 * DAY)
    mine, theirs = two_nodes(moto_address, tmp_path, clock=clock)
    theirs.create()
    theirs.commit(a_channel("production", public=True))
    publish(theirs, "1.0.1", at=time.time())
    theirs.commit(PublishBundle(bundle=a_published(theirs, "1.0.2")), at=time.time())
    theirs.commit(DeleteBundle(version="1.0.2"), at=time.time())
    theirs.commit(CreateChannel(name="later", settings=a_channel().settings), at=time.time() + 99 * DAY)
    before = set(mine.store.keys("blobs/"))
    collector = Collector(
        mine.store,
        lambda: read_trust(mine.store, mine.top, compare=True),
        now=clock(),
        retention_seconds=90 * DAY,
    )
    done = collector.run(dry_run=False, reach=lambda *progress: None)
    gone = before - set(mine.store.keys("blobs/"))
    assert done.removed.files == len(gone) == 6 and clock.pauses
    publish(theirs, "1.0.3")  # what it remembers of the bucket is from before the removal


def test_a_change_that_refers_to_what_is_about_to_go_is_refused(moto_address, tmp_path):
    mine, theirs = two_nodes(moto_address, tmp_path, clock=Clock(time.time()))
    theirs.create()
    bundle = a_published(theirs, "1.0.1")
    keys = list(theirs.store.keys("blobs/"))
    with mine.store.collecting(), mine.store.removing(keys), pytest.raises(Invalid) as caught:
        theirs.commit(PublishBundle(bundle=bundle))
    assert caught.value.code == "missing_blob"
    theirs.commit(PublishBundle(bundle=bundle))  # nothing was removed


def test_one_collection_at_a_time(moto_address, tmp_path):
    mine, theirs = two_nodes(moto_address, tmp_path)
    with mine.store.collecting(), pytest.raises(Conflict), theirs.store.collecting():
        pass
