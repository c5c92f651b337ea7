"""The files of a chain: where they are, who may write now, and where the last good group ends.

A file holds whole groups. Its name is the number of its first record, so names are in the chain's order. What a crash
left half written was never acknowledged: it is moved aside, not thrown away, since it may be a trace of something else.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from edge.control.audit.chain.record import AuditRecord, Chain, Seal, digest_of_line, parse_line
from edge.store.disk.durable_files import FILE_MODE, sync_directory

FOLDER = "audit"  # in the node's own directory
SUFFIX = ".jsonl"
ASIDE = ".torn"
NUMBER_DIGITS = 12
_LOCK = "lock"


class End(NamedTuple):
    """Where the chain ends: in which file, of which size, and with which record of which time."""

    path: Path | None = None
    size_bytes: int = 0
    chain: Chain = Chain()
    at: float = 0.0
    begun_at: float = 0.0  # of the file's first record


class AuditFiles:
    """Of one node. Blocks. Several processes may write, one at a time: while a node changes over there are two."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cut_bytes = 0  # moved aside since the start
        self._known = End()  # read and written in a lock alone

    @contextmanager
    def locked(self, *, shared: bool = False) -> Iterator[None]:
        """Nobody else writes meanwhile. Raises OSError."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self.folder / _LOCK, flags, FILE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def paths(self) -> list[Path]:
        """Oldest first."""
        try:
            return sorted(path for path in self.folder.iterdir() if path.suffix == SUFFIX)
        except FileNotFoundError:
            return []

    def size_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.paths())

    def read(self) -> Iterator[tuple[str, bytes]]:
        """Every file with its name, oldest first."""
        for path in self.paths():
            yield path.name, path.read_bytes()

    def path_of(self, n: int) -> Path:
        """Of the file that begins with record `n`."""
        return self.folder / f"{n:0{NUMBER_DIGITS}d}{SUFFIX}"

    def end(self) -> End:
        """Where the chain ends now. Reads a file only if somebody else has written since. In a lock."""
        paths, known = self.paths(), self._known
        if not paths:
            self._known = End()
        elif paths[-1] != known.path or paths[-1].stat().st_size != known.size_bytes:
            self._known = self._find_end(paths)
        return self._known

    def _find_end(self, paths: list[Path]) -> End:
        for path in reversed(paths):
            content = path.read_bytes()
            found = _last_group(path, content)
            if found is not None:
                self._move_aside(path, content, found.size_bytes)
                return found
            self._move_aside(path, content, 0)
        return End()

    def _move_aside(self, path: Path, content: bytes, good_bytes: int) -> None:
        """What follows the good part of a file. The copy is durable before it is cut off."""
        torn = content[good_bytes:]
        if not torn:
            return
        self.cut_bytes += len(torn)
        number = 0
        while (aside := path.with_suffix(f"{ASIDE}{number or ''}")).exists():
            number += 1
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        try:
            write_all(descriptor, torn)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if good_bytes:
            os.truncate(path, good_bytes)
        else:
            path.unlink()
        sync_directory(self.folder)

    def append(self, path: Path, size_bytes: int, content: bytes, end: End) -> None:
        """Durably, at the end of the file, which has that size; the chain has that `end` then. Raises OSError: then
        none of it counts. In a lock."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(path, flags, FILE_MODE)
        try:
            write_all(descriptor, content)
            os.fdatasync(descriptor)
        except BaseException:
            os.ftruncate(descriptor, size_bytes)
            raise
        finally:
            os.close(descriptor)
        self._known = end
        if size_bytes == 0:
            sync_directory(self.folder)

    def remove_before(self, n: int) -> int:
        """Remove the files that hold records up to `n` alone; returns how many. In a lock."""
        paths = self.paths()
        gone = [path for path, after in pairwise(paths) if number_of(after) <= n + 1]
        for path in gone:
            path.unlink()
        return len(gone)


def number_of(path: Path) -> int:
    """Of the file's first record."""
    return int(path.stem) if path.stem.isdigit() else 0


def first_line(path: Path) -> bytes:
    """Without its end. Raises OSError."""
    with path.open("rb") as file:
        return file.readline().rstrip(b"\n")


def records_of(content: bytes) -> Iterator[tuple[AuditRecord, str]]:
    """The records in a file and their digests, in order; what cannot be read is left out, since verifying tells."""
    for line in content.split(b"\n"):
        try:
            read = parse_line(line) if line else None
        except ValueError:
            continue
        if isinstance(read, AuditRecord):
            yield read, digest_of_line(line)


def write_all(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _last_group(path: Path, content: bytes) -> End | None:
    """The end of the file's last whole group; None if there is none."""
    found, place, at, begun_at = None, 0, 0.0, 0.0
    for line in content.split(b"\n")[:-1]:
        place += len(line) + 1
        try:
            read = parse_line(line)
        except ValueError:
            break
        if isinstance(read, AuditRecord):
            at, begun_at = read.at, begun_at or read.at
        elif isinstance(read, Seal):
            found = End(path, place, Chain(read.n, digest_of_line(line)), at, begun_at)
    return found
