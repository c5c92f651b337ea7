"""The object store's port: create-if-absent and compare-and-swap.

Keys are slash-separated names that this project makes from digests, numbers and checked ids, never from a peer's input.
Calls block: run them off the event loop. A write is durable when it returns.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, Protocol

APPS_PREFIX = "apps/"
TOKENS_KEY = "access/tokens.json"


class Stored(NamedTuple):
    """An object."""

    data: bytes
    tag: str  # identifies exactly these bytes; `swap` compares it


class AlreadyExists(Exception):
    """`create` found the key taken. Part of the protocol between writers, not a peer's fault."""


class Stale(Exception):
    """`swap` found other bytes than the tag's: another writer was first."""


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
