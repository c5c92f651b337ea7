"""What one node tells those that follow it: its documents, and the bytes of its blobs."""

import asyncio
import os
from pathlib import Path
from typing import NamedTuple, Protocol

from edge.domain.errors import NotFound
from edge.regions.feed.documents import FeedDocuments
from edge.store.objects.port import Stored, blob_key


class FeedFiles(Protocol):
    """The directory that a node serves: its store, or the copy of it that it keeps."""

    def get(self, key: str) -> Stored | None: ...

    def place(self, key: str) -> Path: ...

    def open(self, key: str) -> int: ...


class OpenedBlob(NamedTuple):
    """Whoever has it closes the descriptor."""

    descriptor: int
    size_bytes: int


class Feed:
    """Of one node. Any node has one, so that others follow it in turn."""

    def __init__(self, files: FeedFiles) -> None:
        self._files = files
        self.documents = FeedDocuments(files)

    async def open_blob(self, digest: str) -> OpenedBlob:
        """Its bytes as they lie: whoever follows verifies them. Raises NotFound `missing_blob`."""
        try:
            return await asyncio.to_thread(self._open, blob_key(digest))
        except FileNotFoundError as error:
            raise NotFound("missing_blob", f"this node does not have blob {digest}") from error

    def _open(self, key: str) -> OpenedBlob:
        descriptor = self._files.open(key)
        return OpenedBlob(descriptor, os.fstat(descriptor).st_size)
