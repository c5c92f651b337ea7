"""The log of device facts: what a device's slot became, appended before anybody may rely on it.

Files `<number>.log` in a directory: a header of one slot's size, then 72-byte slots, each with its own checksum. They
are states, not steps: replaying them in order, the newest file's last, onto the table of any moment since the first of
them leads to the same facts. A torn or damaged slot is passed over; the one behind it is read all the same.
A file is never opened for writing again: each start begins the next number.
"""

import contextlib
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from zlib import crc32

from edge.facts.slot import SLOT_BYTES, NewerFacts, UnreadableFacts, is_whole
from edge.store.durable_files import sync_directory

LOG_FORMAT = 2
READ_SLOTS = 16_384  # 1.1 MiB at a time

Sync = Callable[[int], None]

_MAGIC = b"edgeflog"
_HEADER = struct.Struct("<8sIQ48s")


class FactsLog:
    """One file, for its only writer. Blocks: for a thread that may wait for the disk."""

    def __init__(self, directory: Path, number: int, seed: int, *, sync: Sync = os.fdatasync) -> None:
        """Raises OSError and leaves no file. `seed` is the table's: keys mean nothing without it."""
        self.number = number
        self.unsynced = False
        self._sync = sync
        self._path = directory / f"{number:012}.log"
        self._fd = _create(self._path, _HEADER.pack(_MAGIC, LOG_FORMAT, seed, b""))
        self._size_bytes = SLOT_BYTES

    @property
    def closed(self) -> bool:
        return self._fd < 0

    @property
    def slots(self) -> int:
        return self._size_bytes // SLOT_BYTES - 1

    def append(self, slots: bytes, *, durably: bool) -> None:
        """In the file when it returns, and with `durably` on the disk. Raises OSError: then none of them counts.

        After a failed write the file is cut back and goes on. When that fails too, or the sync does (what reached the
        disk is then unknown), the file is `closed`: slots that were not acknowledged may be found in it.
        """
        try:
            _write_all(self._fd, slots)
        except BaseException:
            self._cut()
            raise
        if durably:
            try:
                self._sync(self._fd)
            except BaseException:
                self._cut()
                self.close()
                raise
        self._size_bytes += len(slots)
        self.unsynced = not durably

    def sync(self) -> None:
        """Everything appended is on the disk. Raises OSError: the file is closed then."""
        try:
            self._sync(self._fd)
        except BaseException:
            self.close()
            raise
        self.unsynced = False

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        self.unsynced = False
        if fd >= 0:
            os.close(fd)

    def _cut(self) -> None:
        try:
            os.ftruncate(self._fd, self._size_bytes)
        except OSError:
            self.close()


def list_logs(directory: Path) -> list[Path]:
    """Oldest first."""
    return sorted(directory.glob("*.log"))


def log_number(path: Path) -> int:
    return int(path.stem)


def read_seed(path: Path) -> int:
    """Raises UnreadableFacts for a file that is no log, or a newer one."""
    with path.open("rb") as file:
        header = file.read(SLOT_BYTES)
    if len(header) < SLOT_BYTES or not is_whole(header) or header[: len(_MAGIC)] != _MAGIC:
        raise UnreadableFacts(f"{path.name} is not a log of device facts")
    _, version, seed, _ = _HEADER.unpack_from(header)
    if version != LOG_FORMAT:
        raise NewerFacts(f"facts log format {version} is not {LOG_FORMAT}")
    return int(seed)


def read_slots(path: Path) -> Iterator[bytes]:
    """Every whole slot in order."""
    with path.open("rb") as file:
        file.seek(SLOT_BYTES)
        while chunk := file.read(READ_SLOTS * SLOT_BYTES):
            for at in range(0, len(chunk), SLOT_BYTES):
                slot = chunk[at : at + SLOT_BYTES]
                if is_whole(slot):
                    yield slot


def remove_logs(directory: Path, before: int) -> None:
    """Remove the files whose slots are durable elsewhere. Raises OSError.

    One after the other, the oldest first and each durably: were an older one left without the one that followed it, a
    replay would bring back what was true once.
    """
    for path in list_logs(directory):
        if log_number(path) < before:
            path.unlink()
            sync_directory(directory)


def _create(path: Path, fields: bytes) -> int:
    unborn = path.with_suffix(".new")
    fd = os.open(unborn, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    try:
        _write_all(fd, fields + struct.pack("<I", crc32(fields)))
        os.fsync(fd)
        unborn.rename(path)
        sync_directory(path.parent)
    except BaseException:
        os.close(fd)
        for name in (unborn, path):
            with contextlib.suppress(OSError):
                name.unlink()
        raise
    return fd


def _write_all(fd: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(fd, rest) :]
