"""The object store's port: create-if-absent and compare-and-swap.

Keys are slash-separated names that this project makes from digests, numbers and checked ids, never from a peer's input.
Calls block: run them off the event loop. A write is durable when it returns.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

from edge.domain.errors import Unavailable
from edge.domain.model import Digest

APPS_PREFIX = "apps/"
TOKENS_KEY = "access/tokens.json"
PEOPLE_KEY = "access/people.json"
BLOBS_PREFIX = "blobs/"

_DIGEST = re.compile(r"(?:blobs/sha256/[0-9a-f]{2}/|apps/[^/]+/revisions/[0-9]+-)([0-9a-f]{64})(?:\.json)?")
_REVISION = re.compile(r"apps/[^/]+/revisions/[^/]+")


class Stored(NamedTuple):
    """An object."""

    data: bytes
    tag: str  # identifies exactly these bytes; `swap` compares it


class AlreadyExists(Exception):
    """`create` found the key taken. Part of the protocol between writers, not a peer's fault."""


class Stale(Exception):
    """`swap` found other bytes than the tag's: another writer was first."""


class StoreLost(Unavailable):
    """The store is somewhere else, and did not do what it was asked: it is not known whether anything has changed. What
    this node has of it stays in use."""


class Measured(NamedTuple):
    """An object's size in bytes, and when it was written last, in seconds since the epoch."""

    key: str
    bytes: int
    written: float


class ObjectStore(Protocol):
    """Where heads, revisions, blobs and keys are kept. Safe among threads."""

    def get(self, key: str) -> Stored | None:
        """The object, or None if there is none. For small objects: heads, revisions, manifests."""

    def create(self, key: str, data: bytes) -> str:
        """Write a new object and return its tag. Raises AlreadyExists; the old bytes stay."""

    def swap(self, key: str, data: bytes, tag: str) -> str:
        """Replace the object if it still has `tag`; returns the new tag. Raises Stale."""

    def has(self, key: str) -> bool:
        """Whether there is an object: a link or a folder in its place is none."""

    def occupied(self, key: str) -> bool:
        """Whether anything has the name, an object or not."""

    def adopt(self, key: str, file: Path) -> None:
        """Move a finished local file into the store as an object, durably.

        If the key exists, the file is deleted and the old bytes stay. For blobs, see `keep_blob`.
        """

    def replace(self, key: str, file: Path) -> None:
        """As `adopt`, but whatever has the name gives way, at once: readers see the old bytes or the new ones.

        For blobs alone, whose bytes are proven by their name.
        """

    def open(self, key: str) -> int:
        """A read-only descriptor of the object, which the caller closes.

        Raises FileNotFoundError if there is none here, and OSError for what cannot be read or is no regular file.
        """

    def path(self, key: str) -> Path:
        """The object's file on this machine. Raises FileNotFoundError if it is not here."""

    def promise(self, digests: Iterable[str]) -> None:
        """These blobs are in the store, and somebody who was told so may refer to them soon: they are not collected
        for two days. Raises Unavailable `storage_full`."""

    def referring(self) -> AbstractContextManager[None]:
        """Nothing is collected during the block, in which one looks for blobs and writes what refers to them. Raises
        Conflict `busy`."""

    def scratch(self) -> Path:
        """An unused file name on the same volume, for a transfer in progress. The caller removes the file."""

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys with the prefix, sorted. Raises ValueError for an invalid prefix."""

    def folders(self, prefix: str) -> Iterator[str]:
        """The next parts of all keys with a prefix that ends in a slash, if more parts follow: the ids of all apps for
        `apps/`. Sorted; cheap where `keys` is not."""

    def measured(self, key: str) -> Measured | None:
        """None if there is no such object."""

    def measure(self, prefix: str) -> Iterator[Measured]:
        """All objects with the prefix, by key; as `keys`, in one go."""


class CollectableStore(ObjectStore, Protocol):
    """A store that garbage is collected in."""

    removal_block: int  # objects removed in one block of `removing`

    def promised(self, since: float) -> set[str]:
        """The digests of `promise` from this moment on, in seconds since the epoch; forgets those of days before."""

    def collecting(self) -> AbstractContextManager[None]:
        """One collection at a time. Raises Conflict `busy` at once."""

    def removing(self, keys: Sequence[str]) -> AbstractContextManager[None]:
        """For the block that removes some of these; nobody begins to refer to one meanwhile. Raises Conflict `busy`."""

    def remove(self, keys: Sequence[str]) -> None:
        """Only in a block of `removing` them."""


def blob_key(digest: str) -> str:
    """Of a blob; its bytes never change."""
    return f"blobs/sha256/{digest[:2]}/{digest}"


def revision_key(app: str, revision: int, digest: str) -> str:
    """Of a revision; its bytes never change."""
    return f"{revisions_prefix(app)}{revision}-{digest}.json"


def head_key(shard: str) -> str:
    """Of a head shard, which changes by `swap`."""
    return f"heads/{shard}.json"


def revisions_prefix(app: str) -> str:
    """Of all revisions of an app."""
    return f"{APPS_PREFIX}{app}/revisions/"


def revision_number(key: str) -> int:
    """Of a revision's key; 0 for any other key."""
    number, _, _ = key.rpartition("/")[2].partition("-")
    return int(number) if number.isascii() and number.isdigit() else 0


def is_immutable(key: str) -> bool:
    """Whether an object's bytes never change: blobs and revisions."""
    return key.startswith(BLOBS_PREFIX) or _REVISION.fullmatch(key) is not None


def proven_digest(key: str) -> Digest | None:
    """The digest that an object must have by its name; None for a document that is signed instead."""
    found = _DIGEST.fullmatch(key)
    return Digest(found[1]) if found else None
