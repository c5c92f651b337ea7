"""A store copied to a bucket and back: whole, verified, goes on where it was cut, and never puts anything back."""

import os
import shutil

import pytest
from bucket_truth import BucketTruth
from buckets import QUICK, a_client
from factories import APP
from truths import a_released_truth, publish

from edge.domain.errors import Conflict, Unavailable
from edge.store.key_set import read_trust
from edge.store.objects.files import StoreFiles
from edge.store.objects.fs import FsStore
from edge.store.objects.port import StoreLost
from edge.store.s3.s3_store import BucketFiles
from edge.store.stored_document import Untrusted
from edge.store.upkeep.copying import StoreCopying


@pytest.fixture
def truth(tmp_path):
    truth = a_released_truth(tmp_path / "node")
    publish(truth, "1.0.2")
    return truth


def a_target(address, tmp_path, prefix=None):
    client = a_client(address, prefix, limits=QUICK._replace(attempts=1, rest_seconds=0.0))
    return BucketFiles(client, FsStore(tmp_path / f"scratch-{os.urandom(4).hex()}"))


def copied(source, target, tmp_path, *, dry_run=False, reach=lambda *progress: None):
    job = StoreCopying(source, target, lambda store: read_trust(store, tmp_path / "nowhere"), {})
    return job.run(dry_run=dry_run, reach=reach)


def test_to_a_bucket_and_back_it_is_the_same_store(truth, moto_address, tmp_path):
    source, bucket = StoreFiles(truth.store.root), a_target(moto_address, tmp_path)
    there = copied(source, bucket, tmp_path)
    assert there.sent.files == len([*source.keys("blobs/"), *source.keys("apps/")]) and there.there.files == 0
    assert not list(bucket.mirror.keys("blobs/"))
    back = FsStore(tmp_path / "back")
    copied(bucket, back, tmp_path)
    assert {key: back.get(key) for key in source.keys("") if not key.startswith("probe/")} == {
        key: source.get(key) for key in source.keys("") if not key.startswith("probe/")
    }
    assert list(StoreFiles(back.root).transfers()) == []


def test_the_node_goes_on_in_the_bucket(truth, moto_address, tmp_path):
    bucket, before = a_target(moto_address, tmp_path), tmp_path / "before"
    shutil.copytree(truth.store.root, before)
    copied(StoreFiles(truth.store.root), bucket, tmp_path)
    moved = BucketTruth(truth.top, moto_address, bucket.bucket.place.prefix)
    assert moved.releases.load(APP) == truth.releases.load(APP)
    publish(moved, "1.0.3")
    with pytest.raises(Conflict) as caught:
        copied(StoreFiles(before), bucket, tmp_path)
    assert caught.value.code == "newer_target"


def test_a_dry_run_says_how_much_and_sends_nothing(truth, moto_address, tmp_path):
    bucket = a_target(moto_address, tmp_path)
    found = copied(StoreFiles(truth.store.root), bucket, tmp_path, dry_run=True)
    assert found.sent.files and found.sent.bytes and found.dry_run
    assert list(bucket.keys("")) == [] and "put" not in bucket.bucket.counts.taken()


def test_a_cut_copy_goes_on_where_it_ended(truth, before_moto, tmp_path):
    source, bucket = StoreFiles(truth.store.root), a_target(before_moto.url, tmp_path)

    def cut(stage, done, total):
        before_moto.gone = True

    with pytest.raises(StoreLost):
        copied(source, bucket, tmp_path, reach=cut)
    before_moto.gone = False
    assert bucket.get("heads/0.json") is None
    after = copied(source, bucket, tmp_path)
    assert after.there.files > 0 and after.sent.files > 0
    assert copied(source, bucket, tmp_path).sent.files == 0


def test_an_altered_blob_is_not_copied(truth, moto_address, tmp_path):
    key = next(truth.store.keys("blobs/"))
    content = truth.store.get(key).data
    truth.store.place(key).write_bytes(bytes([content[0] ^ 1]) + content[1:])
    bucket = a_target(moto_address, tmp_path)
    with pytest.raises(Unavailable, match="was altered") as caught:
        copied(StoreFiles(truth.store.root), bucket, tmp_path)
    assert caught.value.code == "store_damaged" and not bucket.has(key) and bucket.get("keys/writers.json") is None


def test_an_altered_head_is_not_copied(truth, moto_address, tmp_path):
    head = truth.head_file()
    head.write_bytes(head.read_bytes().replace(b"1", b"2"))
    with pytest.raises(Untrusted):
        copied(StoreFiles(truth.store.root), a_target(moto_address, tmp_path), tmp_path)


def test_another_store_is_not_written_over(truth, moto_address, tmp_path):
    bucket = a_target(moto_address, tmp_path)
    copied(StoreFiles(a_released_truth(tmp_path / "other").store.root), bucket, tmp_path)
    with pytest.raises(Conflict) as caught:
        copied(StoreFiles(truth.store.root), bucket, tmp_path)
    assert caught.value.code == "other_store"
