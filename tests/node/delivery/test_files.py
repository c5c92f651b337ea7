"""Descriptors kept open: reused, closed least recently used first, never while held, never leaked."""

import asyncio
import os
from contextlib import AsyncExitStack

import pytest

from edge.node.delivery.files import OpenFiles


@pytest.fixture
def paths(tmp_path):
    found = [tmp_path / str(n) for n in range(5)]
    for path in found:
        path.write_bytes(path.name.encode() * 10)
    return found


@pytest.fixture
async def files():
    made = OpenFiles(limit=2)
    yield made
    await made.close()


async def read(files, path):
    async with files.lend(path.name, path) as file:
        return file if file is None else os.pread(file.fd, 100, 0)


def is_open(fd, path):
    link = f"/proc/self/fd/{fd}"
    return os.path.islink(link) and os.readlink(link).startswith(str(path))


def opened(paths):
    """Names of the test's files that are open, once per descriptor."""
    links = (os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if fd_exists(fd))
    known = {str(path): path.name for path in paths}
    return sorted(known[link] for link in links if link in known)


def fd_exists(fd):
    return os.path.islink(f"/proc/self/fd/{fd}")


async def test_a_file_is_lent_with_its_size_and_time(files, paths):
    os.utime(paths[3], (5.0, 7.5))
    async with files.lend(paths[3].name, paths[3]) as file:
        assert (file.bytes, file.modified, os.pread(file.fd, 3, 0)) == (10, 7.5, b"333")


async def test_what_is_open_is_not_opened_again(files, paths):
    assert await read(files, paths[0]) == b"0" * 10
    paths[0].unlink()  # a second opening would fail
    assert await read(files, paths[0]) == b"0" * 10


async def test_missing_is_none(files, tmp_path, paths):
    for path in (tmp_path / "missing", paths[0] / "below-a-file", tmp_path):
        assert await read(files, path) is None


async def test_missing_is_not_remembered(files, tmp_path):
    path = tmp_path / "late"
    assert await read(files, path) is None
    path.write_bytes(b"here")
    assert await read(files, path) == b"here"


async def test_the_least_recently_used_is_closed_first(files, paths):
    for n in (0, 1, 0, 2):
        await read(files, paths[n])
    assert opened(paths) == ["0", "2"]


async def test_eviction_never_closes_a_descriptor_in_use(files, paths):
    async with files.lend(paths[0].name, paths[0]) as file:
        for path in paths[1:]:
            await read(files, path)
        assert is_open(file.fd, paths[0])
        assert os.pread(file.fd, 2, 0) == b"00"
    assert opened(paths) == ["3", "4"]


async def test_two_holders_of_an_evicted_file_both_keep_it(files, paths):
    async with AsyncExitStack() as first, AsyncExitStack() as second:
        file = await first.enter_async_context(files.lend(paths[0].name, paths[0]))
        assert await second.enter_async_context(files.lend(paths[0].name, paths[0])) is file
        for path in paths[1:]:
            await read(files, path)
        await first.aclose()
        assert is_open(file.fd, paths[0])
        await second.aclose()
    assert opened(paths) == ["3", "4"]


async def test_all_who_ask_at_once_share_one_opening(files, paths):
    async with AsyncExitStack() as stack:
        lent = await asyncio.gather(
            *(stack.enter_async_context(files.lend(paths[0].name, paths[0])) for _ in range(50))
        )
        assert len({id(file) for file in lent}) == 1
        assert opened(paths) == ["0"]


async def test_many_files_through_a_small_cache(files, paths):
    got = await asyncio.gather(*(read(files, paths[n % 5]) for n in range(200)))
    assert got == [paths[n % 5].name.encode() * 10 for n in range(200)]
    assert len(opened(paths)) == 2


async def test_a_cancelled_request_loses_no_descriptor(files, paths):
    asking = [asyncio.create_task(read(files, path)) for path in paths]
    await asyncio.sleep(0)
    for task in asking:
        task.cancel()
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert all(isinstance(result, asyncio.CancelledError) for result in results)
    await files.close()
    assert opened(paths) == []


async def test_close_waits_for_the_holders(files, paths):
    async with files.lend(paths[0].name, paths[0]) as file:
        await read(files, paths[1])
        await files.close()
        assert opened(paths) == ["0"]
        assert os.pread(file.fd, 2, 0) == b"00"
    assert opened(paths) == []


async def test_nothing_is_lent_after_close(files, paths):
    await files.close()
    assert await read(files, paths[0]) is None
    assert opened(paths) == []


async def test_an_unreadable_store_is_our_fault_and_rises(files, tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for _ in range(2):
        with pytest.raises(OSError, match="symbolic links"):
            await read(files, loop)
