"""A full disk: what is refused says what is missing and leaves nothing; the reserve is lent and taken back."""

import errno
import os

import pytest
from small_disk import DISK_BYTES, a_small_disk

from edge.store.disk.append_file import AppendFile
from edge.store.disk.durable_files import create_file, make_directories, replace_file
from edge.store.disk.room import (
    BLOCK_BYTES,
    LENT_AT_ONCE_BYTES,
    DiskFull,
    NoReserve,
    Reserve,
    cannot_write,
    free_bytes,
    refusal_of_room,
    room_for,
)

MIB = 1 << 20


@pytest.fixture
def disk(tmp_path):
    with a_small_disk(tmp_path / "disk") as mounted:
        yield mounted


def files(disk):
    return {path.name for path in disk.path.iterdir()} - {"filler"}


@pytest.mark.parametrize("write", [create_file, replace_file])
def test_a_file_without_room_says_what_is_missing_and_leaves_nothing(disk, write):
    disk.fill(spare=2 * BLOCK_BYTES)
    with pytest.raises(DiskFull) as caught:
        write(disk.path / "wanted", bytes(5 * BLOCK_BYTES), disk.path / "scratch")
    assert caught.value.errno == errno.ENOSPC
    refusal = refusal_of_room(caught.value)
    assert refusal is not None and (refusal.code, refusal.status) == ("storage_full", 507)
    assert f"{disk.path}/scratch" in refusal.message and "bytes are missing" in refusal.message
    assert files(disk) == set() and free_bytes(disk.path) == 2 * BLOCK_BYTES
    disk.make_room()
    write(disk.path / "wanted", bytes(5 * BLOCK_BYTES), disk.path / "scratch")
    assert files(disk) == {"wanted"}


def test_an_append_without_room_is_cut_back_and_repeated_when_there_is_some(disk):
    file = AppendFile(disk.path / "a.log", b"header")
    disk.fill()
    for _ in range(2):
        with pytest.raises(DiskFull):
            file.append(bytes(3 * BLOCK_BYTES), durably=True)
    assert file.size_bytes == (disk.path / "a.log").stat().st_size == len(b"header")
    disk.make_room()
    file.append(bytes(3 * BLOCK_BYTES), durably=True)
    file.close()
    with pytest.raises(DiskFull):
        disk.fill()
        AppendFile(disk.path / "b.log", bytes(BLOCK_BYTES))
    assert files(disk) == {"a.log"}


def test_a_read_only_file_system_has_its_own_code(disk):
    disk.seal()
    with pytest.raises(OSError) as caught:
        create_file(disk.path / "wanted", b"x", disk.path / "scratch")
    refusal = refusal_of_room(caught.value)
    assert refusal is not None and (refusal.code, refusal.status) == ("storage_read_only", 507)
    assert cannot_write(caught.value)
    make_directories(disk.path, disk.path.parent)  # what exists needs no room


def test_other_failures_are_not_a_full_disk(tmp_path):
    with pytest.raises(OSError) as caught, room_for(tmp_path, 1):
        raise OSError(errno.EIO, "the disk is gone")
    assert not isinstance(caught.value, DiskFull) and not cannot_write(caught.value)
    assert refusal_of_room(caught.value) is None


def test_a_quota_is_a_full_disk(tmp_path):
    with pytest.raises(DiskFull) as caught, room_for(tmp_path / "a" / "b", 1):
        raise OSError(errno.EDQUOT, "over the quota")
    assert caught.value.missing_bytes == BLOCK_BYTES and caught.value.filename == str(tmp_path / "a" / "b")


# --- the reserve ---


def test_the_reserve_takes_its_room_and_gives_it_to_what_needs_it(disk):
    reserve = Reserve(disk.path / "reserve", 4 * MIB)
    reserve.fill()
    assert reserve.whole and free_bytes(disk.path) == DISK_BYTES - 4 * MIB
    disk.fill()
    attempts = []

    def write():
        attempts.append(1)
        create_file(disk.path / f"wanted{len(attempts)}", bytes(2 * MIB + 1), disk.path / "scratch")

    with pytest.raises(DiskFull):
        write()
    reserve.lending(write)
    assert len(attempts) == 1 + 1 + 3  # a MiB more at each attempt
    assert not reserve.whole and reserve.held_bytes == 4 * MIB - 2 * MIB - BLOCK_BYTES
    disk.make_room()
    reserve.fill()
    assert reserve.whole


def test_what_the_reserve_cannot_hold_is_refused_and_the_reserve_is_whole_again(disk):
    reserve = Reserve(disk.path / "reserve", 2 * LENT_AT_ONCE_BYTES)
    reserve.fill()
    disk.fill()
    with pytest.raises(DiskFull):
        reserve.lending(lambda: create_file(disk.path / "wanted", bytes(3 * MIB), disk.path / "scratch"))
    assert reserve.whole and files(disk) == {"reserve"}


def test_a_failure_that_is_not_about_room_lends_nothing(disk):
    reserve = Reserve(disk.path / "reserve", MIB)
    reserve.fill()

    def fail():
        raise OSError(errno.EIO, "the disk is gone")

    with pytest.raises(OSError, match="gone"):
        reserve.lending(fail)
    assert reserve.whole


def test_a_reserve_takes_as_much_as_there_is(disk):
    disk.fill(spare=3 * BLOCK_BYTES)
    reserve = Reserve(disk.path / "reserve", MIB)
    reserve.fill()
    assert reserve.held_bytes == 3 * BLOCK_BYTES and not reserve.whole


def test_a_reserve_that_cannot_be_written_is_not_there(disk):
    disk.seal()
    reserve = Reserve(disk.path / "reserve", MIB)
    reserve.fill()
    assert not reserve.whole and not reserve.lend()


def test_without_a_reserve_a_full_disk_is_one():
    def fail():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space"):
        NoReserve().lending(fail)
