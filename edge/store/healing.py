"""Puts blobs into the store, and replaces stored bytes that are not what their name says.

A name that is taken proves nothing: a disk may have changed or cut the bytes, or something else may lie there. So they
are read again, from the disk, before they count as stored, and only then replaced, at once and whole, by proven ones.
"""

import enum
import hashlib
import os
from pathlib import Path

from edge.domain.model import Digest
from edge.store.disk.durable_files import write_scratch
from edge.store.disk.file_proof import forget_cached, hash_file
from edge.store.objects.port import ObjectStore, blob_key


class Kept(enum.Enum):
    """What became of a blob that was given to the store."""

    NEW = "new"
    STORED = "stored"  # the same bytes were there
    HEALED = "healed"  # something else was there


def keep_blob(store: ObjectStore, digest: Digest, file: Path) -> Kept:
    """Move a local file, whose bytes were verified to have this digest, into the store. Blocks. Raises OSError."""
    key = blob_key(digest)
    if not store.occupied(key):
        store.adopt(key, file)
        return Kept.NEW
    if is_intact(store, digest):
        store.promise([digest])
        store.adopt(key, file)  # deletes it, and makes the entry of another writer durable
        return Kept.STORED
    store.replace(key, file)
    return Kept.HEALED


def keep_bytes(store: ObjectStore, data: bytes) -> Digest:
    """As `keep_blob`, for a small blob in memory; returns its digest."""
    digest = Digest(hashlib.sha256(data).hexdigest())
    scratch = store.scratch()
    try:
        write_scratch(scratch, data)
        keep_blob(store, digest, scratch)
    finally:
        scratch.unlink(missing_ok=True)
    return digest


def is_intact(store: ObjectStore, digest: Digest) -> bool:
    """Whether the stored bytes have this digest, read from the disk; false for what is missing or cannot be read."""
    try:
        descriptor = store.open(blob_key(digest))
    except OSError:
        return False
    try:
        forget_cached(descriptor)
        return hash_file(descriptor) == digest
    except OSError:
        return False
    finally:
        os.close(descriptor)
