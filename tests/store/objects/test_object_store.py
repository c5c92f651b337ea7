"""One contract for every store: what holds for the directory has to hold for whatever comes next."""

import secrets
import threading

import pytest
from buckets import a_client

from edge.store.objects.fs import FsStore
from edge.store.objects.port import AlreadyExists, Stale
from edge.store.objects.probe import PROBE_PREFIX, probe
from edge.store.s3.s3_store import S3Store


@pytest.fixture(params=["fs", "moto", pytest.param("radosgw", marks=pytest.mark.long)])
def store(request, tmp_path):
    mirror = FsStore(tmp_path / "store")
    if request.param == "fs":
        return mirror
    address = request.getfixturevalue(f"{request.param}_address")
    return S3Store(a_client(address, prefix=f"contract/{secrets.token_hex(4)}"), mirror)


def a_file(store, content=b"large"):
    file = store.scratch()
    file.write_bytes(content)
    return file


def test_what_was_created_is_read_back_with_the_tag_that_was_returned(store):
    tag = store.create("heads/a.json", b"one")
    assert store.get("heads/a.json") == (b"one", tag)


def test_what_was_never_created_is_none(store):
    assert store.get("heads/a.json") is None
    assert not store.has("heads/a.json")


def test_folders_are_the_next_parts_of_keys(store):
    for key in ("apps/b/revisions/1", "apps/a/revisions/1", "apps/a/revisions/2", "apps/file", "heads/a.json"):
        store.create(key, b"one")
    assert list(store.folders("apps/")) == ["a", "b"]
    assert list(store.folders("nothing/")) == []


def test_a_second_create_is_refused_and_the_old_bytes_stay(store):
    store.create("heads/a.json", b"one")
    with pytest.raises(AlreadyExists):
        store.create("heads/a.json", b"two")
    assert store.get("heads/a.json").data == b"one"


def test_a_swap_with_the_current_tag_replaces_the_bytes(store):
    tag = store.create("heads/a.json", b"one")
    new_tag = store.swap("heads/a.json", b"two", tag)
    assert store.get("heads/a.json") == (b"two", new_tag)
    assert new_tag != tag


def test_a_swap_with_an_old_tag_is_stale_and_changes_nothing(store):
    tag = store.create("heads/a.json", b"one")
    store.swap("heads/a.json", b"two", tag)
    with pytest.raises(Stale):
        store.swap("heads/a.json", b"three", tag)
    assert store.get("heads/a.json").data == b"two"


def test_a_swap_of_nothing_is_stale(store):
    with pytest.raises(Stale):
        store.swap("heads/a.json", b"one", "0" * 64)
    assert store.get("heads/a.json") is None


def test_an_adopted_file_becomes_the_object_and_is_gone(store):
    file = a_file(store)
    store.adopt("blobs/sha256/ab/abc", file)
    assert store.get("blobs/sha256/ab/abc").data == store.path("blobs/sha256/ab/abc").read_bytes() == b"large"
    assert not file.exists()


def test_adopting_again_is_harmless(store):
    store.adopt("blobs/sha256/ab/abc", a_file(store))
    second = a_file(store)
    store.adopt("blobs/sha256/ab/abc", second)
    assert store.has("blobs/sha256/ab/abc")
    assert not second.exists()


def test_the_path_of_what_is_not_here_is_an_error(store):
    with pytest.raises(FileNotFoundError):
        store.path("blobs/sha256/ab/abc")


def test_scratch_names_are_fresh_and_are_no_keys(store):
    files = [a_file(store), a_file(store)]
    assert files[0] != files[1]
    assert [key for key in store.keys("") if not key.startswith(PROBE_PREFIX)] == []


def test_keys_below_a_prefix_are_sorted(store):
    made = ["apps/b/1.json", "apps/a/1.json", "apps/a/10.json", "apps/a.b/1.json", "heads/0.json"]
    for key in made:
        store.create(key, b"{}")
    assert [key for key in store.keys("") if not key.startswith(PROBE_PREFIX)] == sorted(made)
    assert list(store.keys("apps/a/")) == ["apps/a/1.json", "apps/a/10.json"]
    assert list(store.keys("apps/a")) == ["apps/a.b/1.json", "apps/a/1.json", "apps/a/10.json"]
    assert list(store.keys("nothing/")) == []


@pytest.mark.parametrize("key", ["", "/etc/passwd", "a/../b", "..", "a/./b", "a//b", "a/", "a b", "ä", "a\x00", "a\n"])
def test_a_name_that_is_no_key_is_our_bug(store, key):
    for call in (store.get, store.has, store.path, lambda name: store.create(name, b"")):
        with pytest.raises(ValueError):
            call(key)


@pytest.mark.parametrize("prefix", ["../", "a/../", "/a", "a b"])
def test_a_prefix_of_no_key_is_our_bug(store, prefix):
    with pytest.raises(ValueError):
        store.keys(prefix)


def test_of_many_creates_at_once_one_wins(store):
    wins = at_once(8, lambda n: store.create("heads/a.json", b"%d" % n), AlreadyExists)
    assert len(wins) == 1
    assert store.get("heads/a.json").data == b"%d" % wins[0]


def test_of_many_swaps_at_once_one_wins(store):
    tag = store.create("heads/a.json", b"first")
    wins = at_once(8, lambda n: store.swap("heads/a.json", b"%d" % n, tag), Stale)
    assert len(wins) == 1
    assert store.get("heads/a.json").data == b"%d" % wins[0]


def test_the_store_keeps_its_conditions(store):
    probe(store)
    probe(store)


def at_once(number, call, refusal):
    """The numbers of the threads whose call was not refused."""
    wins, barrier = [], threading.Barrier(number)

    def run(n):
        barrier.wait()
        try:
            call(n)
        except refusal:
            return
        wins.append(n)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wins
