"""Writes the zip that old devices unpack: the same files give the same bytes, whenever and wherever they are packed.

The caller checks and sorts the names. The bytes depend on the compressors in use and the effort, and nothing else of
the machine.
"""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from edge.bundles.chunks import read_chunks
from edge.bundles.limits import check_entry_ratio
from edge.bundles.zip.form import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    END,
    END_SIGNATURE,
    FLAG_UTF8,
    LOCAL,
    LOCAL_SIGNATURE,
    SHARED,
)
from edge.bundles.zip.packed_body import Effort, PackedBody, write_smallest
from edge.domain.errors import Invalid

VERSION_NEEDED = 20  # deflate
MADE_BY_UNIX = 3 << 8 | VERSION_NEEDED
PERMISSIONS = 0o100644 << 16  # a plain file; devices ignore the rest
DATE_1980 = 0 << 9 | 1 << 5 | 1  # the format's first day, at midnight


class WrittenEntry(NamedTuple):
    """An entry of the zip being written."""

    body: PackedBody
    offset: int  # of the packed bytes, from the start of the zip


class ZipWriter:
    """`add` every file, then `finish`. Writes to a seekable file from its start; the caller owns the file."""

    def __init__(self, file: BinaryIO, effort: Effort) -> None:
        self._file = file
        self._effort = effort
        self._directory: list[bytes] = []

    def add(self, name: str, path: Path, on_bytes: Callable[[int], None]) -> WrittenEntry:
        """Append one file. Raises as `write_smallest`, and Invalid `zip_ratio`."""
        return self._add(name, lambda: write_smallest(self._file, path, self._effort, on_bytes))

    def add_packed(self, name: str, body: PackedBody, packed: Path) -> WrittenEntry:
        """Append a file that an earlier `add` packed into the bytes of `packed`. Raises as `add`."""

        def write() -> PackedBody:
            written = sum(self._file.write(chunk) for chunk in read_chunks(packed))
            if written != body.packed_bytes:
                raise Invalid("source_changed", f"{str(packed)!r} changed while it was packed")
            return body

        return self._add(name, write)

    def _add(self, name: str, write: Callable[[], PackedBody]) -> WrittenEntry:
        offset, raw_name = self._file.tell(), name.encode()
        start = offset + LOCAL.size + len(raw_name)
        self._file.seek(start)
        body = write()
        check_entry_ratio(name, body.plain_bytes, body.packed_bytes)
        end = self._file.tell()
        shared = _shared_fields(body, raw_name)
        self._file.seek(offset)
        self._file.write(LOCAL.pack(LOCAL_SIGNATURE, shared) + raw_name)
        self._file.seek(end)
        fields = CENTRAL.pack(CENTRAL_SIGNATURE, MADE_BY_UNIX, shared, 0, 0, 0, PERMISSIONS, offset)
        self._directory.append(fields + raw_name)
        return WrittenEntry(body, start)

    def finish(self) -> None:
        """Write the directory."""
        offset, count = self._file.tell(), len(self._directory)
        directory = b"".join(self._directory)
        self._file.write(directory)
        self._file.write(END.pack(END_SIGNATURE, 0, 0, count, count, len(directory), offset, 0))


def _shared_fields(body: PackedBody, name: bytes) -> bytes:
    flags = 0 if name.isascii() else FLAG_UTF8
    sizes = (body.crc32, body.packed_bytes, body.plain_bytes)
    return SHARED.pack(VERSION_NEEDED, flags, body.method, 0, DATE_1980, *sizes, len(name), 0)
