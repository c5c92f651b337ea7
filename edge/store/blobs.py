"""A blob of a store in memory, found to be the bytes that its digest names.

Raises Unavailable `missing_blob` for one that the store has lost, Untrusted `bad_digest` for one that was altered; both
say `what` it is, for a person.
"""

import mmap

from edge.domain.errors import Unavailable
from edge.domain.model import Digest
from edge.store.objects.port import ObjectStore, blob_key
from edge.store.stored_document import check_digest


def read_blob(store: ObjectStore, digest: Digest, what: str) -> bytes:
    """For small ones: manifests."""
    stored = store.get(blob_key(digest))
    if stored is None:
        raise _missing(digest, what)
    return check_digest(stored.data, digest, what)


def map_blob(store: ObjectStore, digest: Digest, what: str) -> memoryview:
    """For large ones: whoever maps the same file, in whichever process, shares its pages. Mapped while it is used."""
    try:
        with store.path(blob_key(digest)).open("rb") as file:
            # Of an empty file, which cannot be mapped, no blob is made.
            content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if file.seek(0, 2) else b"")
    except FileNotFoundError as error:
        raise _missing(digest, what) from error
    return check_digest(content, digest, what)


def _missing(digest: Digest, what: str) -> Unavailable:
    return Unavailable("missing_blob", f"the store has lost {what}, blob {digest}")
