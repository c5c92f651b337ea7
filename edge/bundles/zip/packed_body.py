"""The packed bytes of one entry: the smallest of the file as it is, zlib's deflate and, if asked for, libdeflate's.

libdeflate tries far more ways to write the same deflate stream: 2.7 to 4.6 % smaller for 0.2 s of CPU a MB
(`python -m benchmarks packing`), and every unpacker reads it. It needs a file whole, so larger ones are zlib's alone.
"""

import hashlib
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

import deflate

from edge.bundles.chunks import read_chunks
from edge.bundles.limits import MIB, TOTAL_RATIO_LIMIT
from edge.bundles.zip.form import DEFLATED, STORED
from edge.domain.errors import Invalid
from edge.domain.model import Digest

BEST_LEVEL = 12  # libdeflate's highest
BEST_LIMIT_BYTES = 8 * MIB  # takes 25 MB of memory; few files that shrink are larger


class PackedBody(NamedTuple):
    """The packed bytes of an entry, and the file they were made from."""

    method: int
    crc32: int
    packed_bytes: int
    plain_bytes: int
    plain: Digest


class Effort(NamedTuple):
    """zlib's level, and up to which size of a file libdeflate is tried too; 0: never."""

    level: int
    best_bytes: int


def write_smallest(file: BinaryIO, path: Path, effort: Effort, on_bytes: Callable[[int], None]) -> PackedBody:
    """Write the packed bytes of `path` where `file` stands. `on_bytes` is called with counts of plain bytes. Raises
    Invalid `source_changed` if the file changes while it is read.
    """
    body = _deflate(file, path, effort.level, on_bytes)
    if body.plain_bytes <= effort.best_bytes and _may_gain(body):
        body = _deflate_best(file, path, body)
    if body.packed_bytes < body.plain_bytes:
        return body
    _take_back(file, body)
    return _store(file, path, body)


def _may_gain(body: PackedBody) -> bool:
    """What shrinks to a hundredth has nothing left to gain, and would only come nearer to the limits of a zip's ratio:
    a file that zlib packs within them must not exceed them because it is packed better.
    """
    return body.plain_bytes <= body.packed_bytes * TOTAL_RATIO_LIMIT


def _take_back(file: BinaryIO, body: PackedBody) -> None:
    file.seek(-body.packed_bytes, os.SEEK_CUR)
    file.truncate()


def _deflate(file: BinaryIO, path: Path, level: int, on_bytes: Callable[[int], None]) -> PackedBody:
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    hashing, crc32, packed_bytes, plain_bytes = hashlib.sha256(), 0, 0, 0
    for chunk in read_chunks(path):
        hashing.update(chunk)
        crc32 = zlib.crc32(chunk, crc32)
        plain_bytes += len(chunk)
        packed_bytes += file.write(packer.compress(chunk))
        on_bytes(len(chunk))
    packed_bytes += file.write(packer.flush())
    return PackedBody(DEFLATED, crc32, packed_bytes, plain_bytes, Digest(hashing.hexdigest()))


def _deflate_best(file: BinaryIO, path: Path, seen: PackedBody) -> PackedBody:
    """In place of what zlib made, if it is smaller."""
    with path.open("rb") as source:
        plain = source.read(seen.plain_bytes + 1)  # it may have grown
    _check_same(path, seen, zlib.crc32(plain), len(plain))
    packed = deflate.deflate_compress(plain, BEST_LEVEL)
    best = seen._replace(packed_bytes=len(packed))
    if best.packed_bytes >= seen.packed_bytes or not _may_gain(best):
        return seen
    _take_back(file, seen)
    file.write(packed)
    return best


def _store(file: BinaryIO, path: Path, seen: PackedBody) -> PackedBody:
    crc32 = plain_bytes = 0
    for chunk in read_chunks(path):
        crc32 = zlib.crc32(chunk, crc32)
        plain_bytes += file.write(chunk)
    _check_same(path, seen, crc32, plain_bytes)
    return seen._replace(method=STORED, packed_bytes=plain_bytes)


def _check_same(path: Path, seen: PackedBody, crc32: int, plain_bytes: int) -> None:
    if (crc32, plain_bytes) != (seen.crc32, seen.plain_bytes):
        raise Invalid("source_changed", f"{path} changed while it was packed")
