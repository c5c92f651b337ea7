"""A store's blob in memory, verified by its digest.

Raises Unavailable `missing_blob` for one that the store has lost, Untrusted `bad_digest` for one that was altered; both
messages name `what` it is.
"""

import mmap
import os

from edge.domain.errors import Unavailable
from edge.domain.model import Digest
from edge.store.objects.port import ObjectStore, blob_key
from edge.store.stored_document import check_digest


def read_blob(store: ObjectStore, digest: Digest, what: str) -> bytes:
    """A small blob, such as a manifest."""
    stored = store.get(blob_key(digest))
    if stored is None:
        raise _missing(digest, what)
    return check_digest(stored.data, digest, what)


def map_blob(store: ObjectStore, digest: Digest, what: str) -> memoryview:
    """A large blob: processes that map the same file share its pages. It stays mapped while the view is in use."""
    try:
        with os.fdopen(store.open(blob_key(digest)), "rb") as file:
            # An empty file cannot be mapped.
            content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if file.seek(0, 2) else b"")
    except FileNotFoundError as error:
        raise _missing(digest, what) from error
    return check_digest(content, digest, what)


def _missing(digest: Digest, what: str) -> Unavailable:
    return Unavailable("missing_blob", f"the store has lost {what}, blob {digest}")
