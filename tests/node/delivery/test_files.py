"""Descriptors kept open: proven, reused, closed least recently used first, never while held, never leaked."""

import asyncio
import errno
import hashlib
import os
from contextlib import AsyncExitStack

import pytest
from proving import open_files

from edge.node.delivery.files import OpenFiles
from edge.node.proving.verdicts import DamagedBlob, NotProvenYet
from edge.store.disk.file_proof import identity_of
from edge.store.healing import keep_bytes
from edge.store.objects.fs import FsStore
from edge.store.objects.port import blob_key

APP = "com.example.app"


def content(n):
    return str(n).encode() * 10


def digest(n):
    return hashlib.sha256(content(n)).hexdigest()


@pytest.fixture
def store(tmp_path):
    made = FsStore(tmp_path / "store")
    for n in range(5):
        keep_bytes(made, content(n))
    return made


@pytest.fixture
async def files(store):
    made = open_files(store, limit=2)
    yield made
    await made.close()


def place(store, n):
    return store.root / blob_key(digest(n))


async def read(files, n):
    async with files.lend(digest(n), APP) as file:
        return os.pread(file.fd, 100, 0)


def is_open(fd, path):
    link = f"/proc/self/fd/{fd}"
    return os.path.islink(link) and os.readlink(link).startswith(str(path))


def opened(store):
    """Numbers of the test's files that are open, once per descriptor."""
    links = (os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if fd_exists(fd))
    known = {str(place(store, n)): n for n in range(5)}
    return sorted(known[link] for link in links if link in known)


def fd_exists(fd):
    return os.path.islink(f"/proc/self/fd/{fd}")


async def test_a_file_is_lent_with_its_size_and_time(files, store):
    os.utime(place(store, 3), (5.0, 7.5))
    async with files.lend(digest(3), APP) as file:
        assert (file.bytes, file.modified, os.pread(file.fd, 3, 0)) == (10, 7.5, b"333")


class Counted:
    """Proofs of files as they are, counted; `held` keeps them back."""

    def __init__(self, store):
        self.store = store
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def prove(self, digest, app):
        self.asked += 1
        await self.may_answer.wait()
        descriptor = self.store.open(blob_key(digest))
        try:
            return identity_of(descriptor)
        finally:
            os.close(descriptor)


async def test_a_proof_outlives_its_descriptor(store):
    proofs = Counted(store)
    files = open_files(store, proofs, limit=1)
    for _ in range(3):
        for n in range(5):
            assert await read(files, n) == content(n)
    assert proofs.asked == 5
    assert len(opened(store)) == 1
    await files.close()


async def test_all_who_ask_at_once_share_one_opening(store):
    proofs = Counted(store)
    files = open_files(store, proofs)
    async with AsyncExitStack() as stack:
        lent = await asyncio.gather(*(stack.enter_async_context(files.lend(digest(0), APP)) for _ in range(50)))
        assert len({id(file) for file in lent}) == 1
        assert opened(store) == [0]
    assert proofs.asked == 1
    await files.close()


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(b"9999999999"),
        lambda path: os.truncate(path, 3),
        lambda path: path.write_bytes(content(0) + b"0"),
        lambda path: path.unlink(),
        lambda path: (path.unlink(), path.symlink_to(path.with_name(digest(1)))),
        lambda path: (path.rename(path.with_name("aside")), path.mkdir()),
    ],
)
async def test_what_changes_under_an_open_descriptor_is_not_lent_again(files, store, change):
    os.utime(place(store, 0), (5.0, 7.5))
    assert await read(files, 0) == content(0)
    change(place(store, 0))
    assert files.get(digest(0)) is None
    with pytest.raises(DamagedBlob):
        await read(files, 0)
    assert opened(store) == []


async def test_right_bytes_in_another_file_are_proven_and_lent(files, store):
    assert await read(files, 0) == content(0)
    path = place(store, 0)
    path.write_bytes(b"rotten")
    with pytest.raises(DamagedBlob):
        await read(files, 0)
    path.unlink()
    keep_bytes(store, content(0))
    assert await read(files, 0) == content(0)


async def test_who_holds_a_file_that_was_replaced_by_the_same_bytes_has_it_intact(files, store):
    async with files.lend(digest(0), APP) as file:
        place(store, 0).unlink()
        assert not file.current and file.is_intact()
    async with files.lend(digest(1), APP) as file:
        with place(store, 1).open("r+b") as changing:
            changing.write(b"9")
        os.utime(place(store, 1), ns=(1, file.identity.modified_ns))
        assert not file.current and not file.is_intact()


async def test_a_file_that_is_replaced_between_its_opening_and_its_proof_is_opened_again(store):
    proofs = Counted(store)
    proofs.may_answer.clear()
    files = open_files(store, proofs)
    asking = asyncio.create_task(read(files, 0))
    async with asyncio.timeout(60):
        while not proofs.asked:
            await asyncio.sleep(0.001)
    before = place(store, 0)
    before.unlink()
    keep_bytes(store, content(0))
    proofs.may_answer.set()
    assert await asking == content(0)
    async with files.lend(digest(0), APP) as file:
        assert os.fstat(file.fd).st_ino == before.stat().st_ino
    assert opened(store) == [0]
    await files.close()


async def test_the_wait_for_a_proof_has_an_end_and_the_proof_goes_on(store):
    proofs = Counted(store)
    proofs.may_answer.clear()
    files = open_files(store, proofs, wait_seconds=0.0)
    with pytest.raises(NotProvenYet):
        await read(files, 0)
    proofs.may_answer.set()
    async with asyncio.timeout(60):
        while files.get(digest(0)) is None:
            await asyncio.sleep(0.001)
    assert await read(files, 0) == content(0)
    assert proofs.asked == 1
    await files.close()


async def test_a_process_without_descriptors_blames_no_blob(store):
    def open_none(digest):
        raise OSError(errno.EMFILE, "Too many open files")

    proofs = Counted(store)
    files = OpenFiles(open_none, proofs)
    with pytest.raises(NotProvenYet):
        await read(files, 0)
    assert proofs.asked == 0
    await files.close()


async def test_missing_is_not_remembered(files, store):
    late = hashlib.sha256(b"here").hexdigest()
    with pytest.raises(DamagedBlob):
        async with files.lend(late, APP):
            pass
    keep_bytes(store, b"here")
    async with files.lend(late, APP) as file:
        assert os.pread(file.fd, 10, 0) == b"here"


async def test_the_least_recently_used_is_closed_first(files, store):
    for n in (0, 1, 0, 2):
        await read(files, n)
    assert opened(store) == [0, 2]


async def test_eviction_never_closes_a_descriptor_in_use(files, store):
    async with files.lend(digest(0), APP) as file:
        for n in range(1, 5):
            await read(files, n)
        assert is_open(file.fd, place(store, 0))
        assert os.pread(file.fd, 2, 0) == b"00"
    assert opened(store) == [3, 4]


async def test_two_holders_of_an_evicted_file_both_keep_it(files, store):
    async with AsyncExitStack() as first, AsyncExitStack() as second:
        file = await first.enter_async_context(files.lend(digest(0), APP))
        assert await second.enter_async_context(files.lend(digest(0), APP)) is file
        for n in range(1, 5):
            await read(files, n)
        await first.aclose()
        assert is_open(file.fd, place(store, 0))
        await second.aclose()
    assert opened(store) == [3, 4]


async def test_many_files_through_a_small_cache(files, store):
    got = await asyncio.gather(*(read(files, n % 5) for n in range(200)))
    assert got == [content(n % 5) for n in range(200)]
    assert len(opened(store)) == 2


async def test_a_cancelled_request_loses_no_descriptor(files, store):
    asking = [asyncio.create_task(read(files, n)) for n in range(5)]
    await asyncio.sleep(0)
    for task in asking:
        task.cancel()
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
    await files.close()
    assert opened(store) == []


async def test_close_waits_for_the_holders(files, store):
    async with files.lend(digest(0), APP) as file:
        await read(files, 1)
        await files.close()
        assert opened(store) == [0]
        assert os.pread(file.fd, 2, 0) == b"00"
    assert opened(store) == []


async def test_nothing_is_lent_after_close(files, store):
    await files.close()
    with pytest.raises(NotProvenYet):
        await read(files, 0)
    assert opened(store) == []
