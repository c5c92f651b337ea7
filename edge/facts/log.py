"""The log of device facts: each new state of a device's slot, appended before anything may rely on it.

Files `<number>.log` in a directory: a header the size of a slot, then 72-byte slots, each with its own checksum. They
are states, not steps: replaying them in order, file by file, onto the table of any moment since the first of them leads
to the same facts. A torn or damaged slot is skipped, and a damaged one is counted; the next one is still read. A file
is never reopened for writing: each start begins the next number.
"""

import os
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from zlib import crc32

from edge.facts.slot import SLOT_BYTES, NewerFacts, UnreadableFacts, is_whole
from edge.store.disk.append_file import AppendFile, SyncFile
from edge.store.disk.durable_files import sync_directory
from edge.store.disk.room import cannot_write

LOG_FORMAT = 2
READ_SLOTS = 16_384  # 1.1 MiB at a time

_MAGIC = b"edgeflog"
_HEADER = struct.Struct("<8sIQ48s")
_CHECKSUM = struct.Struct("<I")


class FactsLog:
    """One file, for its only writer. Blocks: for a thread that may wait for the disk."""

    def __init__(self, directory: Path, number: int, seed: int, *, sync: SyncFile = os.fdatasync) -> None:
        """`seed` is the table's: keys mean nothing without it. Raises OSError and leaves no file."""
        self.number = number
        self.unsynced = False
        fields = _HEADER.pack(_MAGIC, LOG_FORMAT, seed, b"")
        header = fields + _CHECKSUM.pack(crc32(fields))
        self._file = AppendFile(directory / f"{number:012}.log", header, sync=sync)

    @property
    def closed(self) -> bool:
        return self._file.closed

    @property
    def slots(self) -> int:
        """How many were appended."""
        return self._file.size_bytes // SLOT_BYTES - 1

    def append(self, slots: bytes, *, durably: bool) -> None:
        """In the file when it returns, and on disk if `durably`. Raises OSError: then none of them counts.

        After a failed write the file is cut back and goes on. If that fails too, or the sync does, the file is
        `closed`: slots that were never acknowledged may be in it.
        """
        try:
            self._file.append(slots, durably=durably)
        except BaseException:
            if self._file.failed:
                self.close()
            raise
        self.unsynced = not durably

    def sync(self) -> None:
        """Make everything appended durable. Raises OSError: then the file is closed."""
        try:
            self._file.sync()
        except BaseException:
            self.close()
            raise
        self.unsynced = False

    def close(self) -> None:
        self.unsynced = False
        self._file.close()


class LogSeries:
    """The log over a writer's life: slots go to the last file, and to a new one after a failure or a compaction."""

    def __init__(self, directory: Path, first_number: int, seed: int, *, older_slots: int, sync: SyncFile) -> None:
        """`older_slots` are in the files before `first_number`. On a disk that cannot be written no file begins until
        it can, and appends are refused. Raises any other OSError."""
        self._directory, self._seed, self._sync = directory, seed, sync
        self._older_slots = older_slots
        self._unsynced_since = 0.0  # monotonic
        self._next_number = first_number
        self._log: FactsLog | None = None
        try:
            self._begin_next()
        except OSError as error:
            if not cannot_write(error):
                raise

    @property
    def slots(self) -> int:
        """In all files that a start would replay, but for those that a compaction is removing."""
        return self._older_slots + (self._log.slots if self._log else 0)

    @property
    def unsynced(self) -> bool:
        """Whether some slots are not on disk."""
        return self._log is not None and self._log.unsynced

    @property
    def unsynced_seconds(self) -> float:
        """How long the oldest slot has not been on disk; 0 when all are."""
        return time.monotonic() - self._unsynced_since if self.unsynced else 0.0

    def append(self, slots: bytes, *, durably: bool) -> None:
        """As `FactsLog.append`."""
        held = self._log
        if held is None or held.closed:
            held = self._begin_next()
        was_synced = not held.unsynced
        held.append(slots, durably=durably)
        if held.unsynced and was_synced:
            self._unsynced_since = time.monotonic()

    def sync(self) -> None:
        """As `FactsLog.sync`; the next append begins another file after a failure."""
        if self._log is not None:
            self._log.sync()

    def begin_next(self) -> int:
        """Begin the file that a compaction keeps, and count its slots alone; returns its number. Raises OSError."""
        self.close()
        begun = self._begin_next()
        self._older_slots = 0
        return begun.number

    def remove_before(self, number: int) -> None:
        """As `remove_logs`. May be called while another thread appends."""
        remove_logs(self._directory, number)

    def close(self) -> None:
        if self._log is not None:
            self._log.close()

    def _begin_next(self) -> FactsLog:
        slots = self._log.slots if self._log else 0
        begun = self._log = FactsLog(self._directory, self._next_number, self._seed, sync=self._sync)
        self._next_number += 1
        self._older_slots += slots
        return begun


def list_logs(directory: Path) -> list[Path]:
    """Oldest first."""
    return sorted(path for path in directory.glob("*.log") if path.stem.isdecimal())


def log_number(path: Path) -> int:
    """The number in a log's file name."""
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


def read_slots(path: Path, tell_missed: Callable[[int], None] = lambda slots: None) -> Iterator[bytes]:
    """Every whole slot in order. `tell_missed` hears how many slots are damaged, run by run.

    Slots at the end that were half written are not damage: a writer that died had not acknowledged them.
    """
    missed = half_written = 0
    for slot in _slots(path):
        if is_whole(slot):
            if missed:
                tell_missed(missed)
            missed = half_written = 0
            yield slot
        else:
            missed += 1
            half_written += _is_half_written(slot)
    if missed > half_written:
        tell_missed(missed - half_written)


def count_slots(path: Path) -> int:
    """How many a log has room for, whole or not."""
    return max(0, path.stat().st_size // SLOT_BYTES - 1)


def _slots(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(SLOT_BYTES)
        while chunk := file.read(READ_SLOTS * SLOT_BYTES):
            yield from (chunk[at : at + SLOT_BYTES] for at in range(0, len(chunk), SLOT_BYTES))


def _is_half_written(slot: bytes) -> bool:
    """A file system may fill what was not written with zeros."""
    return len(slot) < SLOT_BYTES or not any(slot[-_CHECKSUM.size :])


def remove_logs(directory: Path, before: int) -> None:
    """Remove the files whose slots are durable elsewhere. Raises OSError.

    One after the other, the oldest first and each durably: were an older one left without the one that followed it, a
    replay would bring back what was true once.
    """
    for path in list_logs(directory):
        if log_number(path) < before:
            path.unlink()
            sync_directory(directory)
