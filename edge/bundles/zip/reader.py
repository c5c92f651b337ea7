"""Reads an untrusted zip: only the strict form of `form`, and no declared size is trusted.

It refuses bad zips before unpacking where the directory shows the fault, else while unpacking.
Memory: the directory (at most FILE_COUNT_LIMIT names) and one chunk.
"""

import os
import stat
import zlib
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, NoReturn

from edge.bundles.limits import CHUNK_BYTES, check_count, check_entry_ratio, check_sizes, check_zip
from edge.bundles.zip.form import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    DEFLATED,
    END,
    END_SIGNATURE,
    FLAG_UTF8,
    FLAGS_ENCRYPTED,
    LOCAL,
    LOCAL_SIGNATURE,
    SHARED,
    STORED,
    ZIP64_SIZE,
)
from edge.domain.errors import Invalid
from edge.domain.manifest import NAME_LIMIT_BYTES, check_name, check_targets

END_SEARCH_BYTES = END.size + 0xFFFF  # with a comment of the greatest length after the record


class ZipEntry(NamedTuple):
    """One file of the zip, as its directory declares it. Offsets are from the start of the zip, sizes in bytes."""

    name: str
    method: int
    crc32: int
    packed_bytes: int
    plain_bytes: int  # as declared; `unpack` verifies it
    offset: int  # of the header in front of the packed bytes
    header: bytes  # the fields that this header must repeat

    @property
    def raw_name(self) -> bytes:
        return self.name.encode()

    @property
    def start(self) -> int:
        """Offset of the packed bytes."""
        return self.offset + LOCAL.size + len(self.raw_name)

    @property
    def end(self) -> int:
        """Offset after the packed bytes."""
        return self.start + self.packed_bytes


def read_directory(file: BinaryIO) -> list[ZipEntry]:
    """Every file of the zip, in order of offset; names are safe, declared sizes within limits.

    Raises Invalid `zip_malformed`, `zip_encrypted`, `zip_compression`, `zip_symlink`, `zip_ratio`, `unsafe_name`,
    `duplicate_name`, `empty_bundle`; TooLarge `zip_too_many_files`, `zip_too_large`.
    """
    zip_bytes = file.seek(0, os.SEEK_END)
    count, offset, end = _read_end(file, zip_bytes)
    check_count(count)
    file.seek(offset)
    entries = [_read_central(file) for _ in range(count)]
    if file.tell() != end:
        _malformed("the directory's length differs from that in its end record")
    check_targets(entry.name for entry in entries)
    plain_bytes = check_sizes([(entry.name, entry.plain_bytes) for entry in entries])
    for entry in entries:
        check_entry_ratio(entry.name, entry.plain_bytes, entry.packed_bytes)
    check_zip(plain_bytes, zip_bytes)
    entries.sort(key=lambda entry: entry.offset)
    _check_layout(file, entries, offset)
    return entries


def unpack(file: BinaryIO, entry: ZipEntry) -> Iterator[bytes]:
    """The plain bytes of one entry, in chunks of at most CHUNK_BYTES; never more than declared.

    Raises Invalid `zip_malformed` if the bytes end early, go on, or have another CRC than declared.
    """
    crc32 = plain_bytes = 0
    for chunk in _plain_chunks(file, entry):
        plain_bytes += len(chunk)
        if plain_bytes > entry.plain_bytes:
            _malformed(f"{entry.name!r} unpacks to more than the {entry.plain_bytes} bytes it declares")
        crc32 = zlib.crc32(chunk, crc32)
        yield chunk
    if plain_bytes != entry.plain_bytes:
        _malformed(f"{entry.name!r} unpacks to {plain_bytes} bytes, but declares {entry.plain_bytes}")
    if crc32 != entry.crc32:
        _malformed(f"{entry.name!r} does not have the CRC it declares")


def _malformed(reason: str) -> NoReturn:
    raise Invalid("zip_malformed", f"zip: {reason}")


def _read_end(file: BinaryIO, zip_bytes: int) -> tuple[int, int, int]:
    """Number of entries, offset and end of the directory."""
    if zip_bytes < END.size:
        _malformed(f"{zip_bytes} bytes are not a zip")
    file.seek(zip_bytes - END.size)
    signature, disk, start_disk, here, count, directory_bytes, offset, comment = END.unpack(file.read(END.size))
    if signature != END_SIGNATURE:
        file.seek(max(0, zip_bytes - END_SEARCH_BYTES))
        found = file.read(END_SEARCH_BYTES).rfind(END_SIGNATURE) >= 0
        _malformed("bytes follow its end record" if found else "no end record: truncated, or not a zip")
    if disk or start_disk or here != count or comment:
        _malformed("the end record names several disks or has a comment")
    end = zip_bytes - END.size
    if offset + directory_bytes != end:
        _malformed("zip64, or a directory that does not end at the end record")
    if count * CENTRAL.size > directory_bytes:
        _malformed("a directory too short for its entries")
    return count, offset, end


def _read_central(file: BinaryIO) -> ZipEntry:
    fixed = file.read(CENTRAL.size)
    if len(fixed) < CENTRAL.size or fixed[:4] != CENTRAL_SIGNATURE:
        _malformed("a directory entry is missing or damaged")
    _, _, header, comment_bytes, disk, _, attributes, offset = CENTRAL.unpack(fixed)
    _, flags, method, _, _, crc32, packed_bytes, plain_bytes, name_bytes, extra_bytes = SHARED.unpack(header)
    raw_name = file.read(name_bytes)
    name = _decode_name(raw_name, flags)
    check_name(name)
    _check_kind(name, flags, method, attributes)
    if ZIP64_SIZE in (packed_bytes, plain_bytes, offset):
        _malformed(f"{name!r}: zip64")
    if extra_bytes or comment_bytes or disk:
        _malformed(f"{name!r}: extra field, comment or several disks")
    if method == STORED and packed_bytes != plain_bytes:
        _malformed(f"{name!r}: stored, with two sizes")
    return ZipEntry(name, method, crc32, packed_bytes, plain_bytes, offset, header)


def _decode_name(raw_name: bytes, flags: int) -> str:
    shown = repr(raw_name[:NAME_LIMIT_BYTES])
    if not raw_name.isascii() and not flags & FLAG_UTF8:
        raise Invalid("unsafe_name", f"zip: name {shown} is not marked as UTF-8")
    try:
        return raw_name.decode()
    except UnicodeDecodeError as error:
        raise Invalid("unsafe_name", f"zip: name {shown} is not UTF-8") from error


def _check_kind(name: str, flags: int, method: int, attributes: int) -> None:
    if flags & FLAGS_ENCRYPTED:
        raise Invalid("zip_encrypted", f"zip: {name!r} is encrypted inside the zip")
    if flags & ~FLAG_UTF8:
        _malformed(f"{name!r}: flags {flags:#06x}; sizes must precede the bytes")
    if method not in (STORED, DEFLATED):
        raise Invalid("zip_compression", f"zip: {name!r}: compression method {method} is neither stored nor deflate")
    kind = stat.S_IFMT(attributes >> 16)
    if kind == stat.S_IFLNK:
        raise Invalid("zip_symlink", f"zip: {name!r} is a symbolic link")
    if kind not in (0, stat.S_IFREG):
        _malformed(f"{name!r} is not a plain file")


def _check_layout(file: BinaryIO, entries: list[ZipEntry], directory: int) -> None:
    """Every byte before the directory belongs to exactly one entry, and both headers of an entry agree."""
    position = 0
    for entry in entries:
        if entry.offset != position:
            _malformed(f"{entry.name!r} overlaps another entry, or hidden bytes precede it")
        file.seek(position)
        expected = LOCAL.pack(LOCAL_SIGNATURE, entry.header) + entry.raw_name
        if file.read(len(expected)) != expected:
            _malformed(f"{entry.name!r}: the header in front of its bytes differs from the directory")
        position = entry.end
    if position != directory:
        _malformed(f"{entries[-1].name!r} does not end where the directory begins")


def _plain_chunks(file: BinaryIO, entry: ZipEntry) -> Iterator[bytes]:
    file.seek(entry.start)
    if entry.method == STORED:
        return _packed_chunks(file, entry)
    return _inflate(file, entry)


def _packed_chunks(file: BinaryIO, entry: ZipEntry) -> Iterator[bytes]:
    left = entry.packed_bytes
    while left:
        chunk = file.read(min(CHUNK_BYTES, left))
        if not chunk:
            _malformed(f"{entry.name!r} is truncated")
        left -= len(chunk)
        yield chunk


def _inflate(file: BinaryIO, entry: ZipEntry) -> Iterator[bytes]:
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for packed in _packed_chunks(file, entry):
            while packed:
                yield inflater.decompress(packed, CHUNK_BYTES)
                packed = inflater.unconsumed_tail
            if inflater.unused_data:
                _malformed(f"{entry.name!r}: bytes after the end of its deflate stream")
        while not inflater.eof:  # what zlib still holds after all packed bytes are in
            chunk = inflater.decompress(b"", CHUNK_BYTES)
            if not chunk:
                _malformed(f"{entry.name!r}: its deflate stream is truncated")
            yield chunk
    except zlib.error as error:
        raise Invalid("zip_malformed", f"zip: {entry.name!r}: {error}") from error
