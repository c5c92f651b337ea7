"""The port to the one truth: an object store with create-if-absent and compare-and-swap.

Keys are slash-separated names this project makes itself from digests, numbers and checked ids, never from a peer's
words. Calls block: shells run them off the event loop. A write that returned is durable.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol


class Stored(NamedTuple):
    data: bytes
    tag: str  # names these very bytes; what `swap` compares


class AlreadyExists(Exception):
    """`create` found the key taken. Our own protocol between writers, not a peer's fault."""


class Stale(Exception):
    """`swap` found other bytes than the tag names: another writer was first."""


class ObjectStore(Protocol):
    def get(self, key: str) -> Stored | None:
        """The object's bytes and tag, or None. For small objects: heads, revisions, manifests."""

    def create(self, key: str, data: bytes) -> str:
        """Write a new object and return its tag. Raises AlreadyExists; the old bytes stay."""

    def swap(self, key: str, data: bytes, tag: str) -> str:
        """Replace the object if it still has `tag`; returns the new tag. Raises Stale."""

    def has(self, key: str) -> bool: ...

    def adopt(self, key: str, file: Path) -> None:
        """Take a finished local file as a new object, durably. The file is gone afterwards.

        Harmless when the key exists: large objects are named by their digest, so the bytes are the same.
        """

    def path(self, key: str) -> Path:
        """Where the object's bytes are on this machine; raises FileNotFoundError when they are not."""

    def scratch(self) -> Path:
        """A fresh file name, on the same volume, for a transfer in progress. Its owner removes it."""

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys below a prefix, sorted."""


def blob_key(digest: str) -> str:
    return f"blobs/sha256/{digest[:2]}/{digest}"


def revision_key(app: str, revision: int, digest: str) -> str:
    return f"apps/{app}/revisions/{revision}-{digest}.json"


def head_key(shard: str) -> str:
    return f"heads/{shard}.json"
