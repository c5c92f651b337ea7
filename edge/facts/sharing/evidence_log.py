"""What devices did at this node and another one is to judge: numbered, in order, bounded, kept until it was taken.

Files `<n>.evidence`: a header with the number of the first record, then records, each with its length and checksum. A
file is never opened for writing again. Beyond a limit the oldest file goes, and what was in it is counted: offers
mostly, without which a failure at another region withholds nothing. What is withheld travels by the register.
"""

import os
import secrets
import struct
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from edge.store.disk.append_file import AppendFile, SyncFile
from edge.store.disk.durable_files import DIRECTORY_MODE, sync_directory

FILE_LIMIT_BYTES = 4 * 2**20
FILES_LIMIT = 64  # 256 MiB: some 2 million offers and failures, hours of a large region without its home
BATCH_LIMIT_BYTES = 512 * 1024

_MAGIC = b"edgeevid"
EVIDENCE_FORMAT = 1
_HEADER = struct.Struct("<8sIQ16s")
_RECORD = struct.Struct("<II")
_CHECKSUM = struct.Struct("<I")
_HEADER_BYTES = _HEADER.size + _CHECKSUM.size


class EvidenceBatch(NamedTuple):
    """Records in order, the first of which has number `first`. Numbers of another `epoch` mean others."""

    epoch: str
    first: int
    records: list[bytes]


class EvidenceLog:
    """For the one thread that appends. `dropped` counts records that were lost for want of room since the start."""

    def __init__(self, directory: Path, *, sync: SyncFile = os.fdatasync, files_limit: int = FILES_LIMIT) -> None:
        """Raises OSError."""
        directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        self.dropped = 0
        self._directory, self._sync, self._files_limit = directory, sync, files_limit
        files = _files(directory)
        self._serial = int(files[-1].stem) if files else 0
        last = _read_header(files[-1]) if files else None
        self.epoch, self.last = secrets.token_hex(8), 0
        if files and last is not None:
            self.epoch, first = last
            self.last = first + len(_records(files[-1].read_bytes(), _HEADER_BYTES)[0]) - 1
        self._file: AppendFile | None = None

    def append(self, records: Sequence[bytes], *, durably: bool) -> None:
        """Raises OSError: then none of it counts."""
        if self._file is not None and (self._file.failed or self._file.size_bytes >= FILE_LIMIT_BYTES):
            self.close()
        if self._file is None:
            self._file = self._begin()
        framed = b"".join([_RECORD.pack(len(each), crc32(each)) + each for each in records])
        self._file.append(framed, durably=durably)
        self.last += len(records)

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _begin(self) -> AppendFile:
        files = _files(self._directory)
        for path in files[: max(len(files) - self._files_limit + 1, 0)]:
            self.dropped += len(_records(path.read_bytes(), _HEADER_BYTES)[0])
            path.unlink(missing_ok=True)
        self._serial += 1
        fields = _HEADER.pack(_MAGIC, EVIDENCE_FORMAT, self.last + 1, self.epoch.encode())
        header = fields + _CHECKSUM.pack(crc32(fields))
        return AppendFile(self._directory / f"{self._serial:012}.evidence", header, sync=self._sync)


class EvidenceReader:
    """Reads what was appended, from another thread or process; `taken` frees it. Blocks."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._place: tuple[Path, int, int] | None = None  # a file, an offset in it, and the number of what is there

    def read(self, epoch: str, after: int) -> EvidenceBatch | None:
        """The next records after that number of that epoch, or from the oldest on, where the epoch is another one.
        None: there are none yet. Raises OSError."""
        headers = [(path, header) for path in _files(self._directory) if (header := _read_header(path)) is not None]
        for at, (path, (its_epoch, first)) in enumerate(headers):
            least = after if its_epoch == epoch else 0
            offset, number = _HEADER_BYTES, first
            if self._place is not None and self._place[0] == path and self._place[2] == least + 1:
                offset, number = self._place[1:]
            content = _from(path, offset)
            records, _ = _records(content, 0, limit_bytes=None if number <= least else BATCH_LIMIT_BYTES)
            if at + 1 < len(headers):  # after a failed write, a file may hold more than counts
                records = records[: max(headers[at + 1][1][1] - number, 0)]
            skipped = max(least + 1 - number, 0)
            if records[skipped:]:
                batch = _cut(records[skipped:])
                used = sum(len(each) + _RECORD.size for each in records[: skipped + len(batch)])
                self._place = path, offset + used, number + skipped + len(batch)
                return EvidenceBatch(its_epoch, number + skipped, batch)
        return None

    def taken(self, epoch: str, number: int) -> None:
        """Remove files all of whose records were taken; the last one stays, which holds the epoch. Raises OSError."""
        files = _files(self._directory)
        for path, following in pairwise(files):
            header = _read_header(following)
            if header is None or header[0] != epoch or header[1] > number + 1:
                break
            path.unlink(missing_ok=True)
            sync_directory(self._directory)


def _cut(records: list[bytes]) -> list[bytes]:
    size = 0
    for at, each in enumerate(records):
        size += len(each)
        if size > BATCH_LIMIT_BYTES and at:
            return records[:at]
    return records


def _files(directory: Path) -> list[Path]:
    """Oldest first."""
    return sorted(path for path in directory.glob("*.evidence") if path.stem.isdecimal())


def _from(path: Path, offset: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read()
    except FileNotFoundError:  # it had to make room
        return b""


def _read_header(path: Path) -> tuple[str, int] | None:
    """The epoch and the first number; None for a file that another release wrote, or that is none."""
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except FileNotFoundError:
        return None
    fields = header[: _HEADER.size]
    if len(header) < _HEADER_BYTES or crc32(fields) != _CHECKSUM.unpack(header[_HEADER.size :])[0]:
        return None
    magic, number, first, epoch = _HEADER.unpack(fields)
    return (epoch.decode(), first) if (magic, number) == (_MAGIC, EVIDENCE_FORMAT) else None


def _records(content: bytes, start: int, limit_bytes: int | None = None) -> tuple[list[bytes], int]:
    """Whole records from `start` on, and how many bytes they take; ends at a torn one, which was never acknowledged."""
    found, at = [], start
    while at + _RECORD.size <= len(content) and (limit_bytes is None or at - start <= limit_bytes):
        size, checksum = _RECORD.unpack_from(content, at)
        record = content[at + _RECORD.size : at + _RECORD.size + size]
        if len(record) < size or crc32(record) != checksum:
            break
        found.append(record)
        at += _RECORD.size + size
    return found, at - start
