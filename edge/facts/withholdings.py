"""From which devices of which app each bundle was withheld, so that all of them can be lifted at once.

The table has neither: its keys are hashes, and apps share the names of versions. Files `<number>.withheld` in the
writer's directory: a header, then records of 36 bytes in order, each with its own checksum. A record is on disk before
the failure that it is about, so no withheld bundle lacks one; a record whose failure is gone by now means nothing.
Compactions of the log drop those, and the oldest beyond a limit.
"""

import os
import struct
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from xxhash import xxh3_64_intdigest

from edge.facts.slot import WHOLE
from edge.store.disk.append_file import AppendFile, SyncFile
from edge.store.disk.durable_files import sync_directory

RECORDS_LIMIT = 1_000_000  # the newest, 36 MB; a device beyond them is lifted singly
READ_RECORDS = 16_384
READS_LIMIT = 10  # a compaction may remove a file that is being read; there is one every half million changes

_MAGIC = b"edgewith"
_HEADER = struct.Struct("<8sIQ12s")
_RECORD = struct.Struct("<12sQQI")
_CHECKSUM = struct.Struct("<I")
RECORD_BYTES = _RECORD.size + _CHECKSUM.size
WITHHOLDINGS_FORMAT = 1

IsWithheld = Callable[[bytes, int], bool]  # of a device's key and a bundle's `name_hash`


class Withholding(NamedTuple):
    """`key` as of `slot.key_of`, `app` as of `app_hash`, `bundle` a `name_hash`, `at` in seconds since the epoch."""

    key: bytes
    app: int
    bundle: int
    at: int


def app_hash(app: str) -> int:
    """64 bits. Files hold it, so it never changes."""
    return xxh3_64_intdigest(app.encode())


class Withholdings:
    """The files of one directory, for its only writer. Blocks: for the committing thread, except where stated."""

    def __init__(self, directory: Path, seed: int, *, sync: SyncFile = os.fdatasync) -> None:
        """`seed` is the table's: files with another one are of no use. Writes nothing yet."""
        self._directory, self._seed, self._sync = directory, seed, sync
        self._next_number = max(map(_number, _files(directory)), default=0) + 1
        self._file: AppendFile | None = None

    def append(self, added: list[Withholding]) -> None:
        """On disk when it returns. Raises OSError: then none of it counts."""
        if self._file is not None and self._file.failed:
            self.close()
        if self._file is None:
            self._file = self._begin(self._next_number)
            self._next_number += 1
        self._file.append(b"".join(map(_encode, added)), durably=True)

    def begin_next(self) -> int:
        """Close the file; returns a number that is above all files so far and below all later ones."""
        self.close()
        self._next_number += 1
        return self._next_number - 1

    def tidy(self, number: int, is_withheld: IsWithheld, limit: int = RECORDS_LIMIT) -> None:
        """Replace the files below `number` by one with the records that still mean something, at most `limit`. May be
        called while another thread appends. Raises OSError."""
        old = [path for path in _files(self._directory) if _number(path) < number]
        if not old:
            return
        records = sum(path.stat().st_size // RECORD_BYTES - 1 for path in old)
        merged = self._begin(number)
        try:
            for some in _chunks(islice(_read(old, self._seed), max(records - limit, 0), None)):
                kept = [_encode(each) for each in some if is_withheld(each.key, each.bundle)]
                merged.append(b"".join(kept), durably=False)
            merged.sync()
        finally:
            merged.close()
        for path in old:
            path.unlink()
        sync_directory(self._directory)

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _begin(self, number: int) -> AppendFile:
        fields = _HEADER.pack(_MAGIC, WITHHOLDINGS_FORMAT, self._seed, b"")
        header = fields + _CHECKSUM.pack(crc32(fields))
        return AppendFile(self._directory / f"{number:012}.withheld", header, sync=self._sync)


def find_withheld(
    directory: Path, seed: int, app: str, bundle: int, is_withheld: IsWithheld, since: float = 0.0
) -> list[bytes]:
    """The keys of the app's devices from which `bundle` (a `name_hash`) is withheld since `since` or later, in seconds
    since the epoch, as far as is kept. Blocks: seconds for a million. Raises OSError."""
    wanted = app_hash(app)
    for _ in range(READS_LIMIT):
        keys: set[bytes] = set()
        try:
            for each in _read(_files(directory), seed):
                if each.app == wanted and each.bundle == bundle and each.at >= since and is_withheld(each.key, bundle):
                    keys.add(each.key)
        except FileNotFoundError:
            continue
        return list(keys)
    raise FileNotFoundError(f"{directory}: its files keep changing")


def _chunks(found: Iterator[Withholding]) -> Iterator[list[Withholding]]:
    while some := list(islice(found, READ_RECORDS)):
        yield some


def _files(directory: Path) -> list[Path]:
    """Oldest first."""
    return sorted(path for path in directory.glob("*.withheld") if path.stem.isdecimal())


def _number(path: Path) -> int:
    return int(path.stem)


def _encode(each: Withholding) -> bytes:
    fields = _RECORD.pack(*each)
    return fields + _CHECKSUM.pack(crc32(fields))


def _read(paths: list[Path], seed: int) -> Iterator[Withholding]:
    """Every whole record in order; a torn one, and a file of another table or release, is skipped."""
    for path in paths:
        with path.open("rb") as file:
            header = file.read(RECORD_BYTES)
            if len(header) < RECORD_BYTES or crc32(header) != WHOLE or not header.startswith(_MAGIC):
                continue
            _, version, its_seed, _ = _HEADER.unpack_from(header)
            if (version, its_seed) != (WITHHOLDINGS_FORMAT, seed):
                continue
            while chunk := file.read(READ_RECORDS * RECORD_BYTES):
                for at in range(0, len(chunk) - RECORD_BYTES + 1, RECORD_BYTES):
                    if crc32(chunk[at : at + RECORD_BYTES]) == WHOLE:
                        yield Withholding(*_RECORD.unpack_from(chunk, at))
