"""What identifies the state of a file, and the digest of its bytes."""

import hashlib
import os

import pytest

from edge.store.disk.file_proof import READ_BYTES, forget_cached, hash_file, identity_of


@pytest.fixture
def place(tmp_path):
    place = tmp_path / "blob"
    place.write_bytes(b"some bytes")
    os.utime(place, ns=(1, 1))  # so that every later write shows
    return place


def identity(place):
    descriptor = os.open(place, os.O_RDONLY)
    try:
        return identity_of(descriptor)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("size", [0, 1, READ_BYTES - 1, READ_BYTES, READ_BYTES + 1, 3 * READ_BYTES + 7])
def test_every_byte_is_hashed_wherever_the_descriptor_stands(tmp_path, size):
    content = os.urandom(size)
    (tmp_path / "blob").write_bytes(content)
    with (tmp_path / "blob").open("rb") as file:
        file.seek(size // 2)
        forget_cached(file.fileno())
        assert hash_file(file.fileno()) == hashlib.sha256(content).hexdigest()
        assert file.tell() == size // 2


def test_a_file_that_nobody_touches_keeps_its_identity(place):
    before = identity(place)
    place.read_bytes()
    assert identity(place) == before


@pytest.mark.parametrize(
    "touch",
    [
        lambda place: place.write_bytes(b"other bytes"),
        lambda place: place.write_bytes(b"SOME BYTES"),
        lambda place: os.truncate(place, 3),
        lambda place: place.replace(place.with_name("aside")) and place.write_bytes(b"some bytes"),
        lambda place: os.utime(place, ns=(2, 2)),
    ],
)
def test_every_change_shows(place, touch):
    before = identity(place)
    touch(place)
    assert identity(place) != before
