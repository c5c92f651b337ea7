"""Files in chunks: no code of this package reads a whole file into memory."""

import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from edge.bundles.limits import CHUNK_BYTES
from edge.domain.model import Digest


class FileDigests(NamedTuple):
    """What identifies a file's bytes."""

    bytes: int  # the file's size
    sha256: Digest
    crc32: str  # 8 lower-case hexadecimal characters


def read_chunks(path: Path) -> Iterator[bytes]:
    """The file's bytes in order, at most CHUNK_BYTES at a time, never empty."""
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk


def digest_file(path: Path) -> FileDigests:
    """Size and digests of a whole file, in one pass."""
    size, crc32, hashing = 0, 0, hashlib.sha256()
    for chunk in read_chunks(path):
        size += len(chunk)
        crc32 = zlib.crc32(chunk, crc32)
        hashing.update(chunk)
    return FileDigests(size, Digest(hashing.hexdigest()), f"{crc32:08x}")
