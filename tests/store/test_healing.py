"""Blobs on their way into the store: what is stored already is read again, and replaced only if it is wrong."""

import hashlib
import os

import pytest

from edge.domain.errors import Unavailable
from edge.store.healing import Kept, is_intact, keep_blob, keep_bytes
from edge.store.objects.fs import FsStore
from edge.store.objects.port import blob_key

CONTENT = b"a file of a bundle " * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()
KEY = blob_key(DIGEST)


@pytest.fixture
def store(tmp_path):
    return FsStore(tmp_path / "store")


def an_upload(store):
    file = store.scratch()
    file.write_bytes(CONTENT)
    return file


def flip_a_bit(place):
    place.write_bytes(CONTENT[:500] + bytes([CONTENT[500] ^ 1]) + CONTENT[501:])


def flip_a_bit_in_secret(place):
    before = place.stat()
    flip_a_bit(place)
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))


def truncate(place):
    os.truncate(place, 500)


def extend(place):
    place.write_bytes(CONTENT + b"\0")


def empty(place):
    place.write_bytes(b"")


def put_a_link_to_the_bytes(place):
    place.rename(place.with_name("elsewhere"))
    place.symlink_to("elsewhere")


def put_a_link_to_nothing(place):
    place.unlink()
    place.symlink_to("nothing")


def put_a_folder(place):
    place.unlink()
    place.mkdir()
    (place / "file").write_bytes(CONTENT)


def put_a_pipe(place):
    place.unlink()
    os.mkfifo(place)


DAMAGE = [
    *(flip_a_bit, flip_a_bit_in_secret, truncate, extend, empty),
    *(put_a_link_to_the_bytes, put_a_link_to_nothing, put_a_folder, put_a_pipe),
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_bytes_that_are_given_again_heal_what_is_wrong(store, damage):
    assert keep_blob(store, DIGEST, an_upload(store)) is Kept.NEW
    place = store.path(KEY)
    damage(place)
    assert not is_intact(store, DIGEST)
    upload = an_upload(store)
    assert keep_blob(store, DIGEST, upload) is Kept.HEALED
    assert is_intact(store, DIGEST)
    assert store.get(KEY).data == CONTENT and not place.is_symlink() and not upload.exists()


def test_what_lay_in_a_blobs_place_goes_with_the_leftovers(store):
    keep_blob(store, DIGEST, an_upload(store))
    put_a_folder(store.path(KEY))
    keep_blob(store, DIGEST, an_upload(store))
    (folder,) = (store.root / "tmp").iterdir()
    later = folder.stat().st_mtime + 2 * 86_400
    assert store.remove_leftovers(later) == 1
    assert list((store.root / "tmp").iterdir()) == []


def test_a_leftover_link_goes_and_what_it_names_stays(store, tmp_path):
    (tmp_path / "mine").mkdir()
    (store.root / "tmp" / "link").symlink_to(tmp_path / "mine")
    later = (store.root / "tmp" / "link").lstat().st_mtime + 2 * 86_400
    assert store.remove_leftovers(later) == 1
    assert (tmp_path / "mine").is_dir()


def test_right_bytes_stay_the_same_file(store):
    keep_blob(store, DIGEST, an_upload(store))
    inode = store.path(KEY).stat().st_ino
    upload = an_upload(store)
    assert keep_blob(store, DIGEST, upload) is Kept.STORED
    assert store.path(KEY).stat().st_ino == inode and not upload.exists()


def test_who_reads_the_wrong_bytes_goes_on_with_them_and_the_next_reader_gets_the_right_ones(store):
    keep_blob(store, DIGEST, an_upload(store))
    truncate(store.path(KEY))
    before = store.open(KEY)
    keep_blob(store, DIGEST, an_upload(store))
    after = store.open(KEY)
    try:
        assert (os.fstat(before).st_size, os.fstat(after).st_size) == (500, len(CONTENT))
    finally:
        os.close(before), os.close(after)


def test_small_blobs_heal_likewise(store):
    assert keep_bytes(store, CONTENT) == DIGEST
    flip_a_bit(store.path(KEY))
    assert keep_bytes(store, CONTENT) == DIGEST
    assert store.get(KEY).data == CONTENT
    assert list((store.root / "tmp").iterdir()) == []


@pytest.mark.parametrize("folder", ["blobs", "blobs/sha256", f"blobs/sha256/{DIGEST[:2]}"])
def test_a_folder_that_is_a_link_is_neither_read_nor_written_through(store, tmp_path, folder):
    keep_blob(store, DIGEST, an_upload(store))
    (store.root / folder).rename(tmp_path / "elsewhere")
    (store.root / folder).symlink_to(tmp_path / "elsewhere")
    assert not store.has(KEY) and not is_intact(store, DIGEST)
    with pytest.raises(OSError):
        store.open(KEY)
    with pytest.raises(Unavailable, match="symbolic link") as refused:
        keep_blob(store, DIGEST, an_upload(store))
    assert refused.value.code == "linked_folder"


@pytest.mark.parametrize("damage", [put_a_link_to_the_bytes, put_a_link_to_nothing, put_a_folder, put_a_pipe])
def test_what_is_no_regular_file_is_no_object(store, damage):
    keep_blob(store, DIGEST, an_upload(store))
    damage(store.root / KEY)
    assert not store.has(KEY) and store.occupied(KEY)
    for read in (store.open, store.get, store.path):
        with pytest.raises(OSError):
            read(KEY)
