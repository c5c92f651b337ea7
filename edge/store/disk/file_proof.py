"""What a proof of a file's bytes is about: one file in one state, read through the descriptor that is used.

A proof is a digest and a `FileIdentity`: as long as the identity holds, the bytes need no second reading, unless the
disk itself changes them.
"""

import hashlib
import mmap
import os
from collections.abc import Callable
from typing import NamedTuple

from edge.domain.model import Digest

READ_BYTES = 1024 * 1024  # at a time: hashing frees the interpreter for each


class FileIdentity(NamedTuple):
    """Times are in nanoseconds since the epoch. `changed_ns` moves with every write, whatever sets `modified_ns`."""

    device: int
    inode: int
    bytes: int
    modified_ns: int
    changed_ns: int


def identity_of(descriptor: int) -> FileIdentity:
    """As of now."""
    status = os.fstat(descriptor)
    return FileIdentity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def hash_file(descriptor: int) -> Digest:
    """Of the whole file, in bounded memory; leaves the descriptor's position alone. Blocks. Raises OSError."""
    block = bytearray(READ_BYTES)
    return hash_blocks(lambda offset: os.preadv(descriptor, [block], offset), block)[0]


def hash_blocks(
    read: Callable[[int], int], block: bytearray | mmap.mmap, spend: Callable[[int], None] = lambda count: None
) -> tuple[Digest, int]:
    """Of what `read(offset)` puts into `block`, up to the end, and how many bytes that is; `spend` is told each
    count."""
    hashing, offset, view = hashlib.sha256(), 0, memoryview(block)
    while got := read(offset):
        hashing.update(view[:got])
        offset += got
        spend(got)
    return Digest(hashing.hexdigest()), offset


def forget_cached(descriptor: int) -> None:
    """Let the next reading come from the disk: pages that no process has mapped leave the page cache."""
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
