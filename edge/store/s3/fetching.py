"""Objects of a bucket as local files: read in pieces, proven by their digest, and never used before."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from edge.store.disk.durable_files import FILE_MODE
from edge.store.disk.room import room_for
from edge.store.objects.port import StoreLost, proven_digest
from edge.store.s3.client import PIECE_BYTES, BucketClient


def pieces(bucket: BucketClient, key: str, start: int = 0) -> Iterator[bytes]:
    """The bytes from `start` on. Raises RefusedCall."""
    while True:
        piece = bucket.get_piece(key, start)
        start += len(piece.data)
        if piece.data:
            yield piece.data
        if start >= piece.bytes or len(piece.data) < PIECE_BYTES:
            return


def fetch(bucket: BucketClient, key: str, file: Path) -> None:
    """Into a new file. Raises RefusedCall, StoreLost `bad_digest` for other bytes than the key's, DiskFull."""
    hashing, digest = hashlib.sha256(), proven_digest(key)
    with room_for(file, 0), os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb") as target:
        for piece in pieces(bucket, key):
            hashing.update(piece)
            target.write(piece)
    if digest is not None and hashing.hexdigest() != digest:
        raise StoreLost("bad_digest", f"{bucket}: {key} was altered: its digest is {hashing.hexdigest()[:16]}…")


def open_fetched(bucket: BucketClient, key: str, file: Path) -> int:
    """A descriptor of a nameless file with the object's bytes, proven or not. Raises RefusedCall."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        file.unlink()
        with room_for(file, 0), os.fdopen(descriptor, "wb", closefd=False) as target:
            for piece in pieces(bucket, key):
                target.write(piece)
        os.lseek(descriptor, 0, os.SEEK_SET)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
