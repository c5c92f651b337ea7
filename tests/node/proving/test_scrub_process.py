"""What the scrubbing process reads, and how slowly."""

import os

import pytest

from edge.node.proving.scrub_process import BLOBS_PER_REPORT, Pacer, Scrub
from edge.store.disk.file_proof import READ_BYTES
from edge.store.healing import keep_bytes
from edge.store.objects.fs import FsStore
from edge.store.objects.port import blob_key


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.now += seconds


class Counting(Pacer):
    """Waits for nothing."""

    def __init__(self):
        super().__init__(1.0, Clock(), lambda seconds: None)
        self.spent = 0

    def spend(self, count):
        self.spent += count


def test_the_rate_is_kept_and_what_was_not_used_is_lost():
    clock = Clock()
    pacer = Pacer(1000.0, clock, clock.wait)
    for _ in range(10):
        pacer.spend(1000)
    assert 108.0 <= clock.now <= 110.0
    clock.now += 3600.0
    begun = clock.now
    for _ in range(10):
        pacer.spend(1000)
    assert clock.now - begun >= 8.0


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, READ_BYTES, READ_BYTES + 1, 3 * READ_BYTES + 12_345])
def test_files_of_every_size_are_read_from_the_cache_and_from_the_disk(tmp_path, size):
    store = FsStore(tmp_path / "store")
    digest = keep_bytes(store, os.urandom(size))
    pacer = Counting()
    scrub = Scrub(store, pacer, 0.0)
    identity = scrub._read(digest)
    assert identity is not None and identity.bytes == size
    assert pacer.spent == size
    descriptor = store.open(blob_key(digest))
    try:
        assert scrub._hash_stored(descriptor, size) == digest
        assert scrub._hash_cached(descriptor, size) in (digest, None)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: os.truncate(path, 3),
        lambda path: path.write_bytes(b"other bytes"),
        lambda path: path.unlink(),
        lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
        lambda path: (path.unlink(), os.mkfifo(path)),
    ],
)
def test_what_is_not_whole_is_suspected(tmp_path, damage):
    store = FsStore(tmp_path / "store")
    digest = keep_bytes(store, b"some bytes")
    damage(store.path(blob_key(digest)))
    assert Scrub(store, Counting(), 0.0)._read(digest) is None


def test_a_report_is_a_line_of_bounded_length():
    assert BLOBS_PER_REPORT * 250 < 64 * 1024
