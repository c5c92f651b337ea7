"""A disk without room: how much is missing where, and the room that a node keeps for what has to be written even then.

The reserve is a file whose blocks are allocated. What must be written gets them step by step, and what is left, or free
again later, is taken back. File systems that copy on write may not keep the promise.
"""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from edge.domain.errors import OutOfRoom

# For a pause, a rollback, a withdrawal, a kill: a revision has at most 4 MiB, mostly some ten kB; a head shard, which
# is there twice for a moment, a hundred bytes an app.
RESERVE_BYTES = 8 << 20
LENT_AT_ONCE_BYTES = 1 << 20
BLOCK_BYTES = 4096

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

T = TypeVar("T")


class DiskFull(OSError):
    """`missing_bytes` are missing where `filename` is."""

    def __init__(self, error: OSError, path: Path, size_bytes: int) -> None:
        super().__init__(error.errno, error.strerror, str(path))
        self.missing_bytes = max(size_bytes - free_bytes(path), BLOCK_BYTES)


def is_full(error: OSError) -> bool:
    """Whether there was no room, by the disk or by a quota."""
    return error.errno in _FULL


def cannot_write(error: OSError) -> bool:
    """Whether nothing new can be written: the disk is full, or read-only."""
    return is_full(error) or error.errno == errno.EROFS


@contextmanager
def room_for(path: Path, size_bytes: int) -> Iterator[None]:
    """Raises DiskFull, with what is missing, if the block meets a full disk while it writes there."""
    try:
        yield
    except OSError as error:
        if is_full(error) and not isinstance(error, DiskFull):
            raise DiskFull(error, path, size_bytes) from error
        raise


def refusal_of_room(error: OSError) -> OutOfRoom | None:
    """What to tell the client, with the path; None for any other failure."""
    where = error.filename or "the data directory"
    if error.errno == errno.EROFS:
        return OutOfRoom("storage_read_only", f"cannot write {where}: the file system is read-only")
    if not is_full(error):
        return None
    missing = f": {error.missing_bytes:,} bytes are missing" if isinstance(error, DiskFull) else ""
    return OutOfRoom("storage_full", f"no room to write {where}{missing}; make room and try again")


def free_bytes(path: Path) -> int:
    """Of the file system of `path`, or of its nearest parent that exists, for this user; 0 if it is
    read-only or cannot be asked."""
    for place in (path, *path.parents):
        try:
            found = os.statvfs(place)
        except FileNotFoundError:
            continue
        except OSError:
            break
        return 0 if found.f_flag & os.ST_RDONLY else found.f_bavail * found.f_frsize
    return 0


def total_bytes(path: Path) -> int:
    """The size of the file system of `path`; 0 if it cannot be asked."""
    try:
        found = os.statvfs(path)
    except OSError:
        return 0
    return found.f_blocks * found.f_frsize


class Reserve:
    """For one process. Safe among threads; blocks."""

    def __init__(self, path: Path, size_bytes: int = RESERVE_BYTES) -> None:
        """Reserves nothing yet."""
        self._path = path
        self._size_bytes = size_bytes
        self._lock = threading.Lock()

    @property
    def held_bytes(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0

    @property
    def whole(self) -> bool:
        return self.held_bytes >= self._size_bytes

    def fill(self) -> None:
        """Reserve what is missing, or as much of it as is free. Never raises OSError."""
        with self._lock:
            held = self.held_bytes
            wanted = min(self._size_bytes - held, free_bytes(self._path)) // BLOCK_BYTES * BLOCK_BYTES
            if wanted > 0:
                self._allocate(held, wanted)

    def lend(self) -> bool:
        """Give some of it back to the disk; False if nothing is left."""
        with self._lock:
            held = self.held_bytes
            if held:
                try:
                    os.truncate(self._path, max(0, held - LENT_AT_ONCE_BYTES))
                except OSError:
                    return False
            return held > 0

    def lending(self, work: Callable[[], T]) -> T:
        """The result of `work`, which begins again with more room when it meets a full disk. Raises what it raises."""
        lent = False
        try:
            while True:
                try:
                    return work()
                except OSError as error:
                    if not is_full(error) or not self.lend():
                        raise
                    lent = True
        finally:
            if lent:
                self.fill()

    def _allocate(self, held: int, size_bytes: int) -> None:
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        except OSError:
            return
        try:
            os.posix_fallocate(descriptor, held, size_bytes)
        except OSError:
            os.ftruncate(descriptor, held)
        finally:
            os.close(descriptor)


class NoReserve(Reserve):
    """For one who keeps no room."""

    def __init__(self) -> None:
        super().__init__(Path(os.devnull), 0)

    def lend(self) -> bool:
        return False
