"""Blobs are read once since they changed, by whoever asks; what is wrong is read twice, said once, and healed."""

import asyncio
import errno
import hashlib
import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from proving import a_book, a_prover

from edge.node.proving.prover import LARGE_BLOB_BYTES, READINGS_LIMIT
from edge.node.proving.verdicts import DamagedBlob, Fault, NotProvenYet
from edge.store.disk.file_proof import FileIdentity
from edge.store.healing import keep_bytes
from edge.store.objects.fs import FsStore
from edge.store.objects.port import blob_key

APP = "com.example.app"
WAIT_SECONDS = 60.0  # the end of a wait that ends at once where things are right
CONTENT = b"a file of a bundle " * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def store(tmp_path):
    made = FsStore(tmp_path / "store")
    keep_bytes(made, CONTENT)
    return made


@pytest.fixture
def place(store):
    return store.path(blob_key(DIGEST))


def flip_a_bit(place):
    place.write_bytes(CONTENT[:500] + bytes([CONTENT[500] ^ 1]) + CONTENT[501:])


async def fault_found(prover, digest=DIGEST):
    with pytest.raises(DamagedBlob):
        await prover.prove(digest, APP)
    return prover.quarantine.of(digest).fault


async def test_all_who_ask_share_one_reading(store, place):
    prover = a_prover(store)
    identities = await asyncio.gather(*(prover.prove(DIGEST, APP) for _ in range(100)))
    assert {identity.inode for identity in identities} == {place.stat().st_ino}
    assert prover.counts == {"readings": 1, "bytes": len(CONTENT)}


async def test_nothing_is_read_again_until_it_changes(store, place):
    prover = a_prover(store)
    first = await prover.prove(DIGEST, APP)
    assert await prover.prove(DIGEST, APP) == first
    assert prover.counts["readings"] == 1
    os.utime(place)
    assert await prover.prove(DIGEST, APP) != first
    assert prover.counts["readings"] == 2


async def test_a_restart_reads_nothing_again(store):
    book = a_book()
    await a_prover(store, book).prove(DIGEST, APP)
    again = a_prover(store, book)
    await again.prove(DIGEST, APP)
    assert again.counts["readings"] == 0


async def test_whoever_leaves_does_not_end_the_reading(store):
    prover = a_prover(store)
    asking = asyncio.create_task(prover.prove(DIGEST, APP))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await prover.prove(DIGEST, APP)
    assert prover.counts["readings"] == 1


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (flip_a_bit, Fault.WRONG),
        (lambda place: os.truncate(place, 1), Fault.WRONG),
        (lambda place: place.write_bytes(CONTENT + b"x"), Fault.WRONG),
        (lambda place: (place.unlink(), place.symlink_to("/dev/zero")), Fault.WRONG),
        (lambda place: (place.unlink(), place.mkdir()), Fault.WRONG),
        (lambda place: (place.unlink(), os.mkfifo(place)), Fault.WRONG),
        (lambda place: place.unlink(), Fault.MISSING),
        (lambda place: place.parent.rename(place.parent.with_name("zz")), Fault.MISSING),
    ],
)
async def test_damage_is_said_once_and_healed_by_right_bytes(store, place, caplog, damage, fault):
    prover = a_prover(store)
    await prover.prove(DIGEST, APP)
    damage(place)
    for _ in range(3):
        assert await fault_found(prover) is fault
    (said,) = [record.getMessage() for record in caplog.records]
    assert DIGEST in said and APP in said and "publish the same bundle again" in said
    assert prover.quarantine.found == {fault.value: 1}
    assert prover.counts["readings"] <= 3  # the good one, and two of what is wrong
    store._durable.clear()  # a folder is gone
    keep_bytes(store, CONTENT)
    await prover.recheck()
    assert len(prover.quarantine) == 0 and prover.quarantine.healed == 1
    assert (await prover.prove(DIGEST, APP)).bytes == len(CONTENT)


async def test_what_is_known_to_be_wrong_is_not_read_for_every_device(store, place):
    flip_a_bit(place)
    prover = a_prover(store)
    for _ in range(10):
        assert await fault_found(prover) is Fault.WRONG
    await prover.recheck()
    assert prover.counts["readings"] == 2


async def test_rot_that_keeps_size_and_times_is_found_by_reading_again(store, place):
    """As a disk does it: nothing of the file's state shows it. Here the book is told that the wrong file was proven."""
    prover = a_prover(store)
    right = await prover.prove(DIGEST, APP)
    flip_a_bit(place)
    status = place.stat()
    rotten = FileIdentity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    prover._remembered[DIGEST] = rotten
    prover._book.note_proof(DIGEST, rotten, 0.0)
    assert await prover.prove(DIGEST, APP) == rotten != right
    with pytest.raises(DamagedBlob):
        await prover.prove_again(DIGEST, APP)
    assert await fault_found(prover) is Fault.WRONG
    assert prover._book.proof_of(DIGEST) is None


class Failing(FsStore):
    """A store whose files cannot be opened, for a reason."""

    reason = errno.EIO

    def open(self, key):
        if self.reason:
            raise OSError(self.reason, os.strerror(self.reason))
        return super().open(key)


@pytest.mark.parametrize("reason", [errno.EIO, errno.EACCES, errno.EPERM, errno.ESTALE])
async def test_what_cannot_be_read_is_tried_again_later_and_heals_by_itself(store, caplog, reason):
    failing = Failing(store.root)
    failing.reason = reason
    prover = a_prover(failing)
    assert await fault_found(prover) is Fault.UNREADABLE
    await prover.recheck()
    assert len(prover.quarantine) == 1
    failing.reason = 0
    await prover.recheck()
    assert len(prover.quarantine) == 0
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


@pytest.mark.parametrize("reason", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
async def test_a_shortage_of_this_process_condemns_nothing(store, reason):
    failing = Failing(store.root)
    failing.reason = reason
    prover = a_prover(failing)
    with pytest.raises(NotProvenYet):
        await prover.prove(DIGEST, APP)
    assert len(prover.quarantine) == 0
    failing.reason = 0
    assert (await prover.prove(DIGEST, APP)).bytes == len(CONTENT)


async def test_a_file_that_is_replaced_while_it_is_read_is_judged_by_what_is_there(store, place):
    """The old file was whole and stays so; what a device gets next is another one."""
    prover = a_prover(store)
    before = await prover.prove(DIGEST, APP)
    place.unlink()
    place.write_bytes(b"wrong")
    assert await fault_found(prover) is Fault.WRONG
    place.unlink()
    keep_bytes(store, CONTENT)
    after = await prover.prove(DIGEST, APP)
    assert after.inode == place.stat().st_ino and after != before


class Restless(FsStore):
    """A store in which somebody goes on writing to each blob that is opened, until `stop`."""

    def __init__(self, root):
        super().__init__(root)
        self.stopping = threading.Event()
        self.writer = threading.Thread()

    def open(self, key):
        writing = self.path(key).open("r+b", buffering=0)
        begun = threading.Event()

        def write():
            with writing:
                while not self.stopping.is_set():
                    os.pwrite(writing.fileno(), CONTENT[:1], 0)
                    begun.set()

        self.writer = threading.Thread(target=write)
        self.writer.start()
        begun.wait()
        return super().open(key)

    def stop(self):
        self.stopping.set()
        self.writer.join()


async def test_a_file_that_never_stands_still_is_neither_proven_nor_condemned(store):
    restless = Restless(store.root)
    large = keep_bytes(store, CONTENT * 500)  # to be read for longer than two ticks of the kernel's clock
    prover = a_prover(restless)
    try:
        with pytest.raises(NotProvenYet):
            await prover.prove(large, APP)
    finally:
        restless.stop()
    assert len(prover.quarantine) == 0
    assert (await a_prover(store).prove(large, APP)).bytes == len(CONTENT) * 500


async def test_ahead_of_devices_all_blobs_of_a_bundle_are_read(store):
    others = [keep_bytes(store, b"%d" % n) for n in range(200)]
    lost = hashlib.sha256(b"never stored").hexdigest()
    prover = a_prover(store)
    await prover.prove_all([*others, DIGEST, lost, DIGEST], APP)
    assert prover.counts["readings"] == 201
    assert prover.quarantine.digests == {lost}


class Endless(FsStore):
    """A store whose large blobs take until `over` to be read. `opened` counts, by key: first to look, then to read."""

    def __init__(self, root, large):
        super().__init__(root)
        self.large = {blob_key(digest) for digest in large}
        self.opened, self.over = Counter(), threading.Event()

    def open(self, key):
        self.opened[key] += 1
        if key in self.large and self.opened[key] > 1:
            assert self.over.wait(WAIT_SECONDS)
        return super().open(key)

    @property
    def reading(self):
        return [key for key in self.large if self.opened[key] > 1]


async def test_large_blobs_do_not_keep_small_ones_waiting(store):
    large = [keep_bytes(store, bytes(LARGE_BLOB_BYTES + n)) for n in range(READINGS_LIMIT)]
    small = [keep_bytes(store, b"%d" % n) for n in range(4)]
    endless = Endless(store.root, large)
    prover = a_prover(endless)
    # A thread for each large one that might be read at once, and one for the rest, in which one comes after another.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(READINGS_LIMIT))
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            proving = [asyncio.create_task(prover.prove(digest, APP)) for digest in large]
            while endless.opened.keys() != endless.large or not endless.reading:
                await asyncio.sleep(0)
            await asyncio.to_thread(int)  # after the last look, whose blob would be read by now if it might be
            await asyncio.gather(*(prover.prove(digest, APP) for digest in small))
        assert len(endless.reading) == 1 and not any(each.done() for each in proving)
    finally:
        endless.over.set()
    await asyncio.gather(*proving)


async def test_quarantine_outlives_a_restart_and_knows_what_was_healed_meanwhile(store, place):
    book = a_book()
    flip_a_bit(place)
    assert await fault_found(a_prover(store, book)) is Fault.WRONG
    again = a_prover(store, book)
    assert again.quarantine.digests == {DIGEST}
    keep_bytes(store, CONTENT)
    await again.recheck()
    assert a_prover(store, book).quarantine.digests == frozenset()
