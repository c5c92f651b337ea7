"""What one node tells those that follow it: its documents, revisions and blobs, and what moves. Any node has a feed, so
that others follow it in turn.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from edge.domain.errors import NotFound, Unavailable
from edge.regions.feed.documents import FeedDocuments
from edge.regions.feed.events import FeedEvents
from edge.regions.feed.revisions import RevisionStreams
from edge.regions.source import HeadsMoved
from edge.store.heads import SHARDS
from edge.store.objects.port import Stored, blob_key, head_key

WATCH_SECONDS = 1.0  # how late followers hear of another writer's change; this node's workers do as late
PULLS_LIMIT = 64  # for followers at once; each may wait for the node above
PULL_SECONDS = 25.0  # a follower waits 30 s for the beginning of an answer
_SHARDS = {head_key(shard): shard for shard in SHARDS}

# Fetches a blob from the node above, once however many ask; whether it is here then.
BlobPull = Callable[[str], Awaitable[bool]]


class FeedFiles(Protocol):
    """The directory that a node serves: its store, or the copy of it that it keeps."""

    def get(self, key: str) -> Stored | None: ...

    def place(self, key: str) -> Path: ...

    def open(self, key: str) -> int: ...


class OpenedBlob(NamedTuple):
    """Whoever has it closes the descriptor."""

    descriptor: int
    size_bytes: int


async def _nowhere(digest: str) -> bool:
    return False


class Feed:
    """Of one node. `pull` is set where blobs that are not here may be had from the node above."""

    def __init__(self, files: FeedFiles) -> None:
        self._files = files
        self._moved = asyncio.Event()
        self._pulls = 0
        self.pull: BlobPull = _nowhere
        self.events = FeedEvents()
        self.documents = FeedDocuments(files, on_change=self._tell_moved)
        self.revisions = RevisionStreams(files)

    async def run(self) -> None:
        """Tell what moves, whoever moves it, until cancelled: at once after `hear`, else within WATCH_SECONDS."""
        while True:
            if self.events.is_heard:
                await self.documents.look()
            await self._pause()

    def hear(self, *_: object) -> None:
        """This process wrote something."""
        self._moved.set()

    async def open_blob(self, digest: str) -> OpenedBlob:
        """Its bytes as they lie: whoever follows verifies them. Raises NotFound `missing_blob`."""
        try:
            return await asyncio.to_thread(self._open, blob_key(digest))
        except FileNotFoundError:
            pass
        if await self._pulled(digest):
            try:
                return await asyncio.to_thread(self._open, blob_key(digest))
            except FileNotFoundError:
                pass
        raise NotFound("missing_blob", f"this node does not have blob {digest}")

    async def _pulled(self, digest: str) -> bool:
        """Whether the node above had it. A bounded number at once: a follower may ask for what nobody has."""
        if self._pulls >= PULLS_LIMIT:
            raise Unavailable("busy", f"{PULLS_LIMIT} blobs are being fetched for followers, the limit; try again")
        self._pulls += 1
        try:
            async with asyncio.timeout(PULL_SECONDS):
                return await self.pull(digest)
        except TimeoutError as error:
            raise Unavailable("not_yet", f"blob {digest} is still being fetched; try again") from error
        finally:
            self._pulls -= 1

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(WATCH_SECONDS):
                await self._moved.wait()
        except TimeoutError:
            pass
        self._moved.clear()

    def _tell_moved(self, keys: Sequence[str]) -> None:
        """Shards by name; the others' documents are among those that a follower asks for with any of them."""
        self.events.tell(HeadsMoved(tuple(_SHARDS.get(key, key) for key in keys)))

    def _open(self, key: str) -> OpenedBlob:
        descriptor = self._files.open(key)
        return OpenedBlob(descriptor, os.fstat(descriptor).st_size)
