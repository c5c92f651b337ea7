"""The port through which a node reads the truth that it follows. What it returns is bytes, trusted by nobody yet.

A source is another node (`sources.node`) or a store (`sources.store`). Every call ends: within the source's own time
limits it returns, or raises SourceLost.
"""

from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple, Protocol

from edge.domain.errors import Unavailable
from edge.domain.model import AppId
from edge.store.heads import Head


class SourceLost(Unavailable):
    """The source did not answer, or not to the end. Trying again later is right."""


class SourceRefuses(Unavailable):
    """The source answered, and will not give what was asked: the token is unknown, revoked or not a node's."""


class Document(NamedTuple):
    """A small document under its key in the store: the key set, the tokens, a head shard. An empty `content`: the
    source says that it has none."""

    key: str
    content: bytes
    tag: str  # of exactly these bytes, in the source's own words


class HeadsMoved(NamedTuple):
    """Some documents changed. A hint to look now, never a proof; `shards` may be empty: look at all."""

    shards: tuple[str, ...] = ()


class BlobsComing(NamedTuple):
    """A release that will be offered needs these blobs: digests and their sizes in bytes, largest use first. A hint."""

    app: AppId
    blobs: tuple[tuple[str, int], ...]


SourceEvent = HeadsMoved | BlobsComing


class TruthSource(Protocol):
    """Safe among the tasks of one event loop."""

    @property
    def name(self) -> str:
        """As people know it, without secrets: an address or a bucket."""

    async def documents(self, known: Mapping[str, str]) -> list[Document]:
        """The documents whose tags differ from the `known` ones (tags by key). One conditional request where the source
        can. Raises SourceLost, SourceRefuses."""

    def revisions(self, app: AppId, until: Head, after: int) -> AsyncIterator[bytes]:
        """The app's revision documents, newest first, from `until` down to the one above `after`; 0 means all. May be
        ended early. Raises SourceLost, also where one is missing, SourceRefuses."""

    def blob(self, digest: str, start: int = 0) -> AsyncIterator[bytes]:
        """The blob's bytes from `start` on, in pieces of at most 1 MiB. Raises SourceLost, NotFound `missing_blob`."""

    def events(self) -> AsyncIterator[SourceEvent]:
        """Until the connection is lost: raises SourceLost then. A source without push raises at once."""

    async def close(self) -> None:
        """Ends every call in progress."""
