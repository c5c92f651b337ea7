"""What devices did at this node and another one is to judge: numbered, in order, bounded, kept until it was taken.

Files `<n>.evidence`: a header with the number of the first record, then records, each with its length and checksum. A
file is never opened for writing again. Beyond a limit the oldest file goes, and what was in it is counted: offers
mostly, without which a failure at another region withholds nothing. What is withheld travels by the register.

A number is given once in an epoch, and each start begins an epoch, whose name is random: a disk that was put back to an
older state, or copied, cannot give again what was given after that state. A failed write ends one, too: what it left
may have been read. Numbers rise through all epochs of a log, so that a reader sees what follows what.
"""

import os
import secrets
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from edge.store.disk.append_file import AppendFile, SyncFile
from edge.store.disk.durable_files import DIRECTORY_MODE, sync_directory

FILE_LIMIT_BYTES = 4 * 2**20
LOG_LIMIT_BYTES = 256 * 2**20  # some 2 million offers and failures, hours of a large region without its home
FILES_LIMIT = 1_024  # each start begins one: a node that starts again each minute has 17 hours
BATCH_LIMIT_BYTES = 512 * 1024

_MAGIC = b"edgeevid"
EVIDENCE_FORMAT = 1
_HEADER = struct.Struct("<8sIQ16s")
_RECORD = struct.Struct("<II")
_CHECKSUM = struct.Struct("<I")
_HEADER_BYTES = _HEADER.size + _CHECKSUM.size


class EvidenceBatch(NamedTuple):
    """Records in order, the first of which has number `first`. Numbers of another `epoch` mean others. `follows`:
    nothing was between them and the place that was asked for."""

    epoch: str
    first: int
    records: list[bytes]
    follows: bool = True


class EvidenceLog:
    """For the one thread that appends. `dropped` counts records that were lost for want of room since the start."""

    def __init__(self, directory: Path, *, sync: SyncFile = os.fdatasync, limit_bytes: int = LOG_LIMIT_BYTES) -> None:
        """Raises OSError."""
        directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        self.dropped = 0
        self._directory, self._sync, self._limit_bytes = directory, sync, limit_bytes
        files = _files(directory)
        self._serial = int(files[-1].stem) if files else 0
        last = _read_header(files[-1]) if files else None
        self.epoch, self.last = _new_epoch(), 0
        if files and last is not None:
            self.last = last[1] + len(_records(files[-1].read_bytes(), _HEADER_BYTES)[0]) - 1
        self._file: AppendFile | None = None

    def append(self, records: Sequence[bytes], *, durably: bool) -> None:
        """Raises OSError: then none of it counts."""
        if self._file is not None and self._file.size_bytes >= FILE_LIMIT_BYTES:
            self.close()
        if self._file is None:
            self._file = self._begin()
        framed = b"".join([_RECORD.pack(len(each), crc32(each)) + each for each in records])
        try:
            self._file.append(framed, durably=durably)
        except BaseException:
            self.close()
            self.epoch = _new_epoch()
            raise
        self.last += len(records)

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _begin(self) -> AppendFile:
        self._make_room()
        self._serial += 1
        fields = _HEADER.pack(_MAGIC, EVIDENCE_FORMAT, self.last + 1, self.epoch.encode())
        header = fields + _CHECKSUM.pack(crc32(fields))
        return AppendFile(self._directory / f"{self._serial:012}.evidence", header, sync=self._sync)

    def _make_room(self) -> None:
        """For one more file."""
        sizes = {path: _size_of(path) for path in _files(self._directory)}
        held = sum(sizes.values())
        for count, (path, size) in enumerate(sizes.items()):
            if held + FILE_LIMIT_BYTES <= self._limit_bytes and len(sizes) - count < FILES_LIMIT:
                return
            self.dropped += len(_records(_from(path, _HEADER_BYTES), 0)[0])
            path.unlink(missing_ok=True)
            held -= size


class _LogFile(NamedTuple):
    """`ends` is the last number that counts, None in the last file: after a failed write one may hold more."""

    path: Path
    epoch: str
    first: int
    ends: int | None


class EvidenceReader:
    """Reads what was appended, from another thread or process; `taken` frees it. Blocks."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._place: tuple[Path, int, int] | None = None  # a file, an offset in it, and the number of what is there
        self._headers: dict[Path, tuple[str, int] | None] = {}

    def read(self, epoch: str, after: int) -> EvidenceBatch | None:
        """The next records after that number of that epoch; from the oldest on, where the epoch is not known here.
        None: there are none yet. Raises OSError."""
        files = self._listed()
        at = _last_of(files, epoch, after)
        for file in files[max(at, 0) :]:
            least = after if file.epoch == epoch else 0
            batch = self._read(file, least)
            if batch is not None:
                follows = at >= 0 and batch.first == after + 1
                return batch._replace(follows=follows)
        return None

    def taken(self, epoch: str, number: int) -> None:
        """Remove files all of whose records were taken, and those before them; the last one stays, from which numbers
        go on. Raises OSError."""
        files = self._listed()
        at = _last_of(files, epoch, number)
        for file in files[: max(at, 0)]:
            file.path.unlink(missing_ok=True)
            sync_directory(self._directory)

    def _read(self, file: _LogFile, least: int) -> EvidenceBatch | None:
        """What the file has beyond a number."""
        offset, number = _HEADER_BYTES, file.first
        if self._place is not None and self._place[0] == file.path and self._place[2] == least + 1:
            offset, number = self._place[1:]
        content = _from(file.path, offset)
        records, _ = _records(content, 0, limit_bytes=None if number <= least else BATCH_LIMIT_BYTES)
        if file.ends is not None:
            records = records[: max(file.ends - number + 1, 0)]
        skipped = max(least + 1 - number, 0)
        if not records[skipped:]:
            return None
        batch = _cut(records[skipped:])
        used = sum(len(each) + _RECORD.size for each in records[: skipped + len(batch)])
        self._place = file.path, offset + used, number + skipped + len(batch)
        return EvidenceBatch(file.epoch, number + skipped, batch)

    def _listed(self) -> list[_LogFile]:
        paths = _files(self._directory)
        self._headers = {path: self._headers.get(path) or _read_header(path) for path in paths}
        heads = [(path, *header) for path, header in self._headers.items() if header is not None]
        firsts = [first for _, _, first in heads]
        ends = [None if following is None else following - 1 for following in (*firsts[1:], None)]
        return [_LogFile(*head, end) for head, end in zip(heads, ends, strict=False)]


def _new_epoch() -> str:
    return secrets.token_hex(8)


def _last_of(files: list[_LogFile], epoch: str, after: int) -> int:
    """The file in which what follows that number of the epoch begins, or the one after which it does; -1: the epoch is
    not known here."""
    known = [at for at, file in enumerate(files) if file.epoch == epoch]
    begun = [at for at in known if files[at].first <= after + 1]
    return max(begun, default=min(known, default=-1))


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


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # it was taken
        return 0


def _from(path: Path, offset: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read()
    except FileNotFoundError:  # it was taken, or had to make room
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
