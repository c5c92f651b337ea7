"""What all stored documents have in common: a `format`, a digest of their bytes, and one error when refused.

A reader accepts formats up to its own. It refuses a newer one and keeps the last good document.
"""

import errno
import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import msgspec

from edge.domain.errors import Conflict, EdgeError, Unavailable
from edge.domain.model import Digest
from edge.store.objects.port import ObjectStore, Stored, StoreLost

T = TypeVar("T")
B = TypeVar("B", bytes, memoryview)

UNREACHABLE = "unreachable_store"  # the code of what cannot be looked at now: nothing is wrong with it


class Untrusted(Unavailable):
    """A stored document failed verification; nothing in it is used.

    Codes: bad_signature, unknown_writer, newer_format, unreadable_document, misplaced_document, bad_digest,
    older_document, swapped_store, no_key_set; unreachable_store for what cannot be looked at.
    """


def refusal_of(error: Untrusted) -> EdgeError:
    """Why nothing can be changed as long as a document is refused, and what to do."""
    if error.code == "newer_format":
        return error
    if error.code == UNREACHABLE:
        return StoreLost("store_unreachable", error.message)
    return Conflict("older_store", f"{error.message}; restore the newer copy, or run `edge store accept-restored`")


class _Format(msgspec.Struct):
    format: int


# The process is short of something; the document may be as good as ever.
_SHORTAGE = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EAGAIN, errno.EINTR}
_format_decoder = msgspec.json.Decoder(_Format)
_counting = threading.Lock()


def read_stored(store: ObjectStore, key: str, what: str) -> Stored | None:
    """As `ObjectStore.get`, for a signed document of which a node keeps a copy of its own: what cannot be read is as
    good as damaged. Raises Untrusted `unreadable_document`, naming `what`, or UNREACHABLE where the store is somewhere
    else and does not answer; OSError for a shortage."""
    try:
        return store.get(key)
    except StoreLost as error:
        raise Untrusted(UNREACHABLE, error.message) from error
    except OSError as error:
        if error.errno in _SHORTAGE:
            raise
        reason = f"{what}, {key}, cannot be read ({error.strerror}): mend or move away what is in its place"
        raise Untrusted("unreadable_document", reason) from error


def parse_document(data: bytes, decoder: msgspec.json.Decoder[T], newest: int, what: str) -> T:
    """The document in verified bytes. Raises Untrusted `newer_format` or `unreadable_document`, naming `what`."""
    try:
        _check_format(_format_decoder.decode(data).format, newest, what)
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Untrusted("unreadable_document", f"{what} cannot be read: {error}") from error


def digest_of(data: bytes | memoryview) -> Digest:
    """Lower-case hexadecimal SHA-256."""
    return Digest(hashlib.sha256(data).hexdigest())


def check_digest(data: B, digest: Digest, what: str) -> B:
    """The bytes, if they have this digest. Raises Untrusted `bad_digest`, naming `what`."""
    actual = digest_of(data)
    if actual != digest:
        raise Untrusted("bad_digest", f"{what} was altered: its digest is {actual[:16]}…, not {digest[:16]}…")
    return data


@contextmanager
def counting(refused: Counter[str]) -> Iterator[None]:
    """Count an Untrusted error of the block by its code, and re-raise it. Safe among threads."""
    try:
        yield
    except Untrusted as error:
        if error.code != UNREACHABLE:  # nothing was there to refuse
            with _counting:
                refused[error.code] += 1
        raise


def _check_format(number: int, newest: int, what: str) -> None:
    if number > newest:
        raise Untrusted("newer_format", f"{what} has format {number}; this version reads up to {newest}: upgrade")
    if number < 1:
        raise Untrusted("unreadable_document", f"{what} has invalid format {number}")
