"""The revisions of an app, newest first, as a stream: read while they are sent, a block ahead.

They are sent as they lie. Each one's digest is in the one after it, so whoever reads them verifies them. Nothing is
read for who takes nothing, and a bounded number of streams exists at once.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Protocol

from edge.domain.errors import NotFound, Unavailable
from edge.domain.model import AppId
from edge.regions.feed.framing import FrameWriter
from edge.store.heads import Head
from edge.store.objects.port import Stored, revision_key
from edge.store.revision_document import parse_link

STREAMS_LIMIT = 32  # at once, with some 10 MB each if revisions are large
READS_AT_ONCE = 2  # threads that read and compress; devices and changes need the others
BLOCK_PLAIN_BYTES = 4 << 20  # read for one block
BLOCK_BYTES = 256 << 10  # of a block, compressed
DOCUMENTS_OF_BLOCK = 512


class RevisionFiles(Protocol):
    """Where revisions are."""

    def get(self, key: str) -> Stored | None: ...


class RevisionStreams:
    """Of one node. Safe among the tasks of one event loop."""

    def __init__(self, files: RevisionFiles) -> None:
        self._files = files
        self._open = 0
        self._reading = asyncio.Semaphore(READS_AT_ONCE)

    async def blocks(self, app: AppId, until: Head, after: int) -> AsyncGenerator[bytes, None]:
        """From `until` down to the one above `after`. The first block is the newest one alone. Raises Unavailable
        `busy`, NotFound `missing_object`, and Untrusted for one that cannot be read."""
        if self._open >= STREAMS_LIMIT:
            raise Unavailable("busy", f"{STREAMS_LIMIT} followers are reading revisions, which is the limit; try again")
        self._open += 1
        try:
            walk = _Walk(self._files, app, until, after)
            while not walk.is_over:
                async with self._reading:
                    block = await asyncio.to_thread(walk.next_block)
                yield block
        finally:
            self._open -= 1


class _Walk:
    """Back along an app's chain. Blocks."""

    def __init__(self, files: RevisionFiles, app: AppId, until: Head, after: int) -> None:
        self.is_over = False
        self._files, self._app, self._after = files, app, after
        self._number, self._digest = until.revision, until.digest
        self._writer = FrameWriter()
        self._limit = 1  # documents of the next block: who wants the newest alone costs no more

    def next_block(self) -> bytes:
        plain, count, ready = 0, 0, 0
        while count < self._limit and plain < BLOCK_PLAIN_BYTES and ready < BLOCK_BYTES and not self.is_over:
            document = self._read()
            plain, count = plain + len(document), count + 1
            ready = self._writer.add(document)
        self._limit = DOCUMENTS_OF_BLOCK
        return self._writer.take(last=self.is_over)

    def _read(self) -> bytes:
        key = revision_key(self._app, self._number, self._digest)
        stored = self._files.get(key)
        if stored is None:
            raise NotFound("missing_object", f"this node does not have {key}")
        previous, number = parse_link(stored.data, self._app, self._number)
        if previous is None or number <= self._after:
            self.is_over = True
        else:
            self._number, self._digest = number, previous
        return stored.data
