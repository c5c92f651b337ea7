"""Append-only files: a failed append leaves nothing behind, or the file says that its end is unknown."""

import errno
import fcntl
import os
import stat

import pytest
from facts_world import file_size_limit, no_sync

from edge.store.disk.append_file import UNFINISHED, AppendFile

HEADER = b"header\n"


def failing_sync(fd):
    raise OSError(errno.EIO, "the disk is gone")


def a_file(path, sync=no_sync, **options):
    return AppendFile(path, HEADER, sync=sync, **options)


def test_a_new_file_has_its_header_and_is_private(tmp_path):
    file = a_file(tmp_path / "a.log")
    assert (tmp_path / "a.log").read_bytes() == HEADER
    assert stat.S_IMODE((tmp_path / "a.log").stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["a.log"]
    file.close()
    assert file.closed
    file.close()


def test_a_link_in_its_place_empties_nobodys_file(tmp_path):
    other = tmp_path / "other"
    other.write_bytes(b"somebody's")
    (tmp_path / "a.log").with_suffix(UNFINISHED).symlink_to(other)
    with pytest.raises(OSError, match="symbolic links"):
        a_file(tmp_path / "a.log")
    assert other.read_bytes() == b"somebody's"


def test_appends_follow_the_header_in_order(tmp_path):
    file = a_file(tmp_path / "a.log")
    file.append(b"one", durably=False)
    file.append(b"two", durably=True)
    file.close()
    assert (tmp_path / "a.log").read_bytes() == HEADER + b"onetwo"
    assert file.size_bytes == len(HEADER) + 6


def test_only_a_durable_append_syncs(tmp_path):
    synced = []
    file = a_file(tmp_path / "a.log", sync=synced.append)
    file.append(b"one", durably=False)
    assert synced == []
    file.append(b"two", durably=True)
    file.sync()
    assert len(synced) == 2
    file.close()


def test_a_failed_write_is_cut_off_and_the_file_goes_on(tmp_path):
    file = a_file(tmp_path / "a.log")
    with pytest.raises(OSError), file_size_limit(len(HEADER) + 2):
        file.append(b"too long", durably=True)
    assert not file.failed
    file.append(b"next", durably=True)
    file.close()
    assert (tmp_path / "a.log").read_bytes() == HEADER + b"next"


def test_a_failed_sync_takes_the_append_back_and_fails_the_file(tmp_path):
    file = a_file(tmp_path / "a.log", sync=failing_sync)
    file.append(b"kept", durably=False)
    with pytest.raises(OSError, match="gone"):
        file.append(b"lost", durably=True)
    assert file.failed
    file.close()
    assert (tmp_path / "a.log").read_bytes() == HEADER + b"kept"


def test_a_failed_sync_alone_fails_the_file(tmp_path):
    file = a_file(tmp_path / "a.log", sync=failing_sync)
    with pytest.raises(OSError, match="gone"):
        file.sync()
    assert file.failed and not file.closed
    file.close()


def test_a_locked_file_is_locked_until_it_is_closed(tmp_path):
    file = a_file(tmp_path / "a.log", locked=True)
    with (tmp_path / "a.log").open("rb") as other:
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.close()
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_file_that_could_not_be_made_leaves_nothing(tmp_path):
    (tmp_path / "a.log").mkdir()
    with pytest.raises(OSError):
        a_file(tmp_path / "a.log")
    with pytest.raises(OSError), file_size_limit(3):
        a_file(tmp_path / "b.log")
    assert os.listdir(tmp_path) == ["a.log"]
