"""A cache of compressed files on this machine: a folder of entries named by their input, kept within a size.

Damaged and unreadable entries count as missing, and failed writes are ignored. Any number of publishers may share the
folder. An entry is written under another name and then renamed; reading it verifies its bytes, and the caller verifies
that they are those of the file.
"""

import hashlib
import os
import re
import secrets
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from edge.bundles.limits import CHUNK_BYTES, MIB
from edge.domain.model import Digest
from edge.store.disk.durable_files import DIRECTORY_MODE, FILE_MODE

CACHE_LIMIT_BYTES = 1024 * MIB  # some two hundred versions of a 12 MB app, of which most files are shared
KEPT_SHARE = 0.8  # of the limit, after the oldest entries were deleted
LEFTOVER_SECONDS = 24 * 3600  # after which an unfinished entry is deleted

_HEAD = struct.Struct(">8sLQ32s")  # magic, CRC-32 and size of the plain file, SHA-256 of all that and the body
_MAGIC = b"edgepk1\n"
_LABEL = re.compile(r"[A-Za-z0-9._-]{1,100}")
_UNFINISHED = ".part"


class PlainFile(NamedTuple):
    """The file that was compressed."""

    crc32: int
    bytes: int


class CachedBody(NamedTuple):
    """An entry: the file it was made of, and its compressed bytes."""

    plain: PlainFile
    bytes: int  # 0: compressing the file saves nothing
    blob: Digest  # of the body


IsRight = Callable[[CachedBody, Path], bool]  # whether the body, written there, is that of the plain file


class PackingCache:
    """Of compressed files, by label (see `effort`) and plain digest. Blocks; raises no OSError."""

    def __init__(self, root: Path, limit_bytes: int = CACHE_LIMIT_BYTES) -> None:
        self._root, self._limit_bytes = root, limit_bytes
        self._grown = False

    def restore(self, label: str, plain: Digest, target: Path, is_right: IsRight | None = None) -> CachedBody | None:
        """Write the body to `target`, a new file. None, and no target, if the entry is missing, damaged or not right; a
        bad one is deleted."""
        place = self._place(label, plain)
        try:
            with place.open("rb") as entry, target.open("xb") as file:
                cached = _read(entry.read(_HEAD.size), iter(lambda: entry.read(CHUNK_BYTES), b""), file.write)
            if cached is not None and (is_right is None or is_right(cached, target)):
                os.utime(place)  # used last of all
                return cached
            place.unlink(missing_ok=True)
        except OSError:
            pass
        target.unlink(missing_ok=True)
        return None

    def keep(self, label: str, plain: Digest, file: PlainFile, body: Iterable[bytes]) -> None:
        """Store an entry. An empty body means that compressing the file saves nothing."""
        place = self._place(label, plain)
        unfinished = place.with_name(f"{place.name}.{secrets.token_hex(8)}{_UNFINISHED}")
        try:
            place.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
            with os.fdopen(descriptor, "wb") as entry:
                entry.write(bytes(_HEAD.size))
                hashing = _hashing(file)
                for chunk in body:
                    hashing.update(chunk)
                    entry.write(chunk)
                entry.seek(0)
                entry.write(_HEAD.pack(_MAGIC, file.crc32, file.bytes, hashing.digest()))
            unfinished.replace(place)
            self._grown = True
        except OSError:  # no room, or not ours to write: the next publish compresses again
            with suppress(OSError):
                unfinished.unlink(missing_ok=True)

    def trim(self, now: float) -> None:
        """Delete the least recently used entries until the rest fits, if this object added any. `now` is in seconds
        since the epoch.
        """
        if not self._grown:
            return
        entries = sorted(self._entries(now))
        total = sum(size for _, size, _ in entries)
        if total <= self._limit_bytes:
            return
        for _, size, path in entries:
            if total <= self._limit_bytes * KEPT_SHARE:
                return
            with suppress(OSError):
                path.unlink(missing_ok=True)
            total -= size

    def _entries(self, now: float) -> Iterable[tuple[float, int, Path]]:
        """When each was last used, its size in bytes and its path. Deletes unfinished entries of killed publishers."""
        for folder, _, names in os.walk(self._root):
            for name in names:
                path = Path(folder, name)
                with suppress(OSError):
                    found = path.stat()
                    if name.endswith(_UNFINISHED) and now - found.st_mtime > LEFTOVER_SECONDS:
                        path.unlink()
                    else:
                        yield found.st_mtime, found.st_size, path

    def _place(self, label: str, plain: Digest) -> Path:
        if _LABEL.fullmatch(label) is None:
            raise ValueError(f"not a label: {label!r}")
        return self._root / label / plain[:2] / plain


def _hashing(file: PlainFile) -> "hashlib._Hash":
    return hashlib.sha256(struct.pack(">LQ", *file))


def _read(head: bytes, body: Iterable[bytes], write: Callable[[bytes], object]) -> CachedBody | None:
    if len(head) < _HEAD.size:
        return None
    magic, crc32, plain_bytes, proof = _HEAD.unpack(head)
    plain, blob, size = PlainFile(crc32, plain_bytes), hashlib.sha256(), 0
    hashing = _hashing(plain)
    for chunk in body:
        hashing.update(chunk)
        blob.update(chunk)
        size += len(chunk)
        write(chunk)
    if magic != _MAGIC or hashing.digest() != proof:
        return None
    return CachedBody(plain, size, Digest(blob.hexdigest()))
