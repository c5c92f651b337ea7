"""A bucket behind the mirror: what is read from where, what is proven, and what a crash or a full disk leaves."""

import hashlib
import os

import pytest
from buckets import QUICK, a_bucket_store
from s3_servers import unfinished_uploads

from edge.domain.errors import Unavailable
from edge.store.healing import Kept, keep_blob, keep_bytes
from edge.store.objects.port import StoreLost, blob_key, revision_key
from edge.store.s3.bucket_place import BucketPlace, parse_bucket_url
from edge.store.s3.client import PIECE_BYTES, WHOLE_BYTES


@pytest.fixture
def store(moto_address, tmp_path):
    return a_bucket_store(moto_address, tmp_path / "store", prefix=os.urandom(6).hex())


def another(store, folder):
    """Another node's, with a mirror of its own."""
    place = store.bucket.place
    return a_bucket_store(place.endpoint, folder, prefix=place.prefix)


def a_file(store, content):
    file = store.scratch()
    file.write_bytes(content)
    return file


def digest_of(content):
    return hashlib.sha256(content).hexdigest()


def test_a_blob_goes_to_the_bucket_and_stays_on_the_disk(store, tmp_path):
    digest = keep_bytes(store, b"blob")
    assert store.mirror.get(blob_key(digest)).data == b"blob"
    assert another(store, tmp_path / "other").get(blob_key(digest)).data == b"blob"


def test_what_is_not_on_the_disk_is_brought_there_once(store, tmp_path):
    content = os.urandom(PIECE_BYTES + 5)
    key = blob_key(digest_of(content))
    store.adopt(key, a_file(store, content))
    other = another(store, tmp_path / "other")
    assert other.path(key).read_bytes() == content
    before = other.bucket.counts.taken()["get"]
    assert other.path(key).read_bytes() == content and other.bucket.counts.taken()["get"] == before == 2


def test_an_empty_blob_is_brought_too(store, tmp_path):
    digest = keep_bytes(store, b"")
    assert another(store, tmp_path / "other").path(blob_key(digest)).read_bytes() == b""


def test_bytes_that_are_not_the_names_are_never_on_the_disk(store, tmp_path):
    key = blob_key(digest_of(b"right"))
    store.prove()
    store.bucket.write(key, b"wrong")
    other = another(store, tmp_path / "other")
    with pytest.raises(StoreLost) as caught:
        other.open(key)
    assert caught.value.code == "bad_digest" and not other.mirror.has(key)
    assert other.get(key).data == b"wrong" and not other.mirror.has(key)  # whoever reads it verifies it


def test_what_rotted_on_the_disk_is_replaced_from_the_bucket(store):
    content = b"a revision"
    key = revision_key("com.example.app", 1, digest_of(content))
    store.create(key, content)
    store.mirror.place(key).write_bytes(b"a revisiom")
    assert store.get(key).data == content == store.mirror.get(key).data


def test_a_large_file_is_uploaded_in_parts_and_appears_whole(store, tmp_path):
    content = os.urandom(WHOLE_BYTES + 1)
    digest = digest_of(content)
    assert keep_blob(store, digest, a_file(store, content)) is Kept.NEW
    assert another(store, tmp_path / "other").path(blob_key(digest)).read_bytes() == content
    assert store.bucket.counts.taken()["part"] == 4


def test_an_upload_that_is_cut_leaves_no_object_and_is_made_again(before_moto, moto_address, tmp_path):
    store = a_bucket_store(before_moto.url, tmp_path / "store", limits=QUICK._replace(attempts=1, rest_seconds=0.0))
    store.prove()
    content = os.urandom(WHOLE_BYTES * 2 + 1)
    key = blob_key(digest_of(content))
    before_moto.concerns = lambda method, path: method == "PUT" and "partNumber=2" in path
    before_moto.script.extend(["drop"] * 100)
    file = a_file(store, content)
    with pytest.raises(StoreLost):
        store.adopt(key, file)
    assert not store.has(key) and file.exists() and unfinished_uploads(moto_address) == []
    before_moto.script.clear()
    store.adopt(key, file)
    assert store.has(key) and not file.exists()


def test_prefixes_keep_stores_apart(moto_address, tmp_path):
    one, two = (a_bucket_store(moto_address, tmp_path / each, prefix=f"apart/{each}") for each in ("one", "two"))
    one.create("heads/a.json", b"one")
    two.create("heads/a.json", b"two")
    assert one.get("heads/a.json").data == b"one"
    assert list(two.keys("heads/")) == ["heads/a.json"]


def test_a_change_is_on_the_disk_when_it_is_acknowledged(store):
    tag = store.create("heads/a.json", b"one")
    store.swap("heads/a.json", b"two", tag)
    assert store.mirror.get("heads/a.json").data == b"two"


def test_the_disk_never_goes_back(store, tmp_path):
    tag = store.create("heads/a.json", b"one")
    store.mirror.swap("heads/a.json", b"three", store.mirror.get("heads/a.json").tag)  # the follower was faster
    store.swap("heads/a.json", b"two", tag)
    assert store.mirror.get("heads/a.json").data == b"three"


def test_a_read_that_a_change_outran_does_not_hide_it(store):
    tag = store.create("heads/a.json", b"one")
    store._documents.clear()  # as in a process that has not read it
    ask = store.bucket.get

    def get(key, known=""):
        found = ask(key, known)
        store.bucket.get = ask
        store.swap("heads/a.json", b"two", tag)
        return found

    store.bucket.get = get
    assert store.get("heads/a.json").data == b"one"
    assert store.get("heads/a.json").data == b"two"


def test_another_writers_change_is_seen_at_once(store, tmp_path):
    store.create("heads/a.json", b"one")
    ahead = a_bucket_store(store.bucket.place.endpoint, tmp_path / "other", prefix=store.bucket.place.prefix)
    ahead.swap("heads/a.json", b"two", ahead.get("heads/a.json").tag)
    assert store.get("heads/a.json").data == b"two"


def test_nothing_is_written_before_the_bucket_is_proven(before_moto, tmp_path):
    before_moto.lax = frozenset({"if-match"})
    store = a_bucket_store(before_moto.url, tmp_path / "store")
    with pytest.raises(Unavailable, match="ignores compare-and-swap"):
        store.create("heads/a.json", b"one")
    assert list(store.keys("heads/")) == []


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("s3://bucket", ("bucket", "")),
        ("s3://my.bucket-1/a/b/", ("my.bucket-1", "a/b")),
    ],
)
def test_an_address_of_a_bucket(url, place):
    assert parse_bucket_url(url) == place


@pytest.mark.parametrize(
    "url", ["", "bucket", "http://bucket", "s3://", "s3://AB", "s3://bucket/../x", "s3://bucket//x"]
)
def test_what_is_none_is_refused(url):
    with pytest.raises(ValueError, match="no "):
        parse_bucket_url(url)


def test_the_bucket_is_in_the_path_or_in_the_name():
    place = BucketPlace("bucket", "", "https://s3.example.com:9000", path_style=True)
    assert place.endpoint_for_client == "https://s3.example.com:9000"
    assert place._replace(path_style=False).endpoint_for_client == "https://bucket.s3.example.com:9000"
    assert BucketPlace("bucket").endpoint_for_client == ""
