"""A new file that one thread appends to: what was appended is in it whole, or not at all.

The file appears under its name with its header and durably, or not at all. It is never opened for writing again. What
the bytes mean is the owner's business.
"""

import contextlib
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from edge.store.disk.durable_files import FILE_MODE, sync_directory
from edge.store.disk.room import room_for

UNFINISHED = ".new"  # the suffix of a file whose header is not durable yet

SyncFile = Callable[[int], None]  # makes the bytes of a file descriptor durable; raises OSError


class AppendFile:
    """Blocks: for a thread that may wait for the disk. `size_bytes` counts what was appended, the header included."""

    def __init__(self, path: Path, header: bytes, *, sync: SyncFile = os.fdatasync, locked: bool = False) -> None:
        """With `locked` the file is locked (flock, exclusive) until it is closed. Raises OSError and leaves no file."""
        self.size_bytes = len(header)
        self.failed = False  # the end of the file is unknown: it can only be closed
        self._sync = sync
        self._path = path
        with room_for(path, len(header)):
            self._fd = _create(path, header, locked=locked)

    @property
    def closed(self) -> bool:
        return self._fd < 0

    def append(self, content: bytes, *, durably: bool) -> None:
        """In the file when it returns, and on disk if `durably`. Raises OSError: then none of it counts.

        After a failed write the file is cut back and can be appended to. If that fails too, or the sync does (what
        reached the disk is then unknown), the file is `failed` and content that was never acknowledged may be in it.
        """
        try:
            with room_for(self._path, len(content)):
                _write_all(self._fd, content)
        except BaseException:
            self._cut_back()
            raise
        if durably:
            try:
                self.sync()
            except BaseException:
                self._cut_back()
                raise
        self.size_bytes += len(content)

    def sync(self) -> None:
        """Make everything appended durable. Raises OSError: then the file is `failed`."""
        try:
            self._sync(self._fd)
        except BaseException:
            self.failed = True
            raise

    def close(self) -> None:
        """Does nothing when closed already."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _cut_back(self) -> None:
        try:
            os.ftruncate(self._fd, self.size_bytes)
        except OSError:
            self.failed = True


def _create(path: Path, header: bytes, *, locked: bool) -> int:
    unfinished = path.with_suffix(UNFINISHED)
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW
    fd = os.open(unfinished, flags, FILE_MODE)
    try:
        if locked:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _write_all(fd, header)
        os.fsync(fd)
        unfinished.rename(path)
        sync_directory(path.parent)
    except BaseException:
        os.close(fd)
        for name in (unfinished, path):
            with contextlib.suppress(OSError):
                name.unlink()
        raise
    return fd


def _write_all(fd: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(fd, rest) :]
