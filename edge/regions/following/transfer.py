"""One blob on its way into the copy: from where an earlier transfer ended, hashed as it arrives, kept when it is whole.

The unfinished file is in the store's `tmp/`, where a day without a write makes it a leftover. What is small is held in
memory instead, and written once.
"""

import asyncio
import fcntl
import hashlib
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from edge.domain.errors import EdgeError
from edge.domain.model import Digest
from edge.regions.source import SourceLost, TruthSource
from edge.store.disk.durable_files import FILE_MODE
from edge.store.disk.file_proof import READ_BYTES
from edge.store.disk.room import room_for
from edge.store.healing import keep_blob
from edge.store.objects.fs import FsStore
from edge.store.objects.port import blob_key
from edge.store.stored_document import Untrusted

BLOB_LIMIT_BYTES = 1024 * 2**20  # what a publisher may upload as one; a source that sends more lies
IDLE_SECONDS = 20.0  # a source that sends nothing of a blob for so long is lost
GRACE_SECONDS = 60.0  # before a transfer must have kept to the least rate: the source may be busy
LEAST_BYTES_PER_SECOND = 4_096  # on average; what drips holds a place that others wait for
WRITTEN_AT_ONCE = READ_BYTES  # gathered first: a hop to a thread for each is cheap then
KEPT_FROM_BYTES = 64 * 1024  # of a transfer that was cut off; less is fetched again sooner than it is kept


class WantedBlob(NamedTuple):
    """`bytes` None: not known, so the limit of a blob holds."""

    digest: Digest
    bytes: int | None


class BlobTransfer:
    """Of one blob, for one attempt. `received`: bytes that the source has sent so far."""

    def __init__(self, source: TruthSource, mirror: FsStore, wanted: WantedBlob) -> None:
        self._source = source
        self._mirror = mirror
        self._digest = wanted.digest
        self._limit = BLOB_LIMIT_BYTES if wanted.bytes is None else wanted.bytes
        self._part: int | None = None  # the descriptor of the unfinished file
        self._path: Path | None = None
        self._hashing = hashlib.sha256()
        self._written = 0
        self.received = 0
        self._pending: list[bytes] = []
        self._pending_bytes = 0

    async def run(self, *, again: bool = True) -> bool:
        """Returns when the blob is in the store; False: it was, and nothing was fetched. `again`: whatever lies there.
        Raises SourceLost, SourceRefuses, NotFound `missing_blob`, Untrusted `bad_digest`, OSError."""
        try:
            if not await asyncio.to_thread(self._is_wanted, again):
                return False
            start = self._written
            if start == 0 or self._hashing.hexdigest() != self._digest:
                try:
                    await self._receive(start)
                except (SourceLost, asyncio.CancelledError):
                    await asyncio.shield(asyncio.to_thread(self._save))
                    raise
            await asyncio.to_thread(self._finish)
            return True
        finally:
            self._close()

    def _is_wanted(self, again: bool) -> bool:
        """In a thread."""
        if not again and self._mirror.has(blob_key(self._digest)):
            return False
        self._resume()
        return True

    async def _receive(self, start: int) -> None:
        began = time.monotonic()
        async with _ended(self._source.blob(self._digest, start)) as pieces:
            while (piece := await self._next(pieces)) is not None:
                self.received += len(piece)
                if start + self.received > self._limit:
                    await asyncio.to_thread(self._discard)
                    raise Untrusted("bad_digest", f"blob {self._digest} has more than {self._limit} bytes")
                if time.monotonic() - began > GRACE_SECONDS + self.received / LEAST_BYTES_PER_SECOND:
                    raise SourceLost(
                        "source_lost", f"blob {self._digest} comes too slowly: {self.received} bytes so far"
                    )
                self._pending.append(piece)
                self._pending_bytes += len(piece)
                if self._pending_bytes >= WRITTEN_AT_ONCE:
                    await asyncio.to_thread(self._write)

    async def _next(self, pieces: AsyncIterator[bytes]) -> bytes | None:
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                return await anext(pieces, None)
        except TimeoutError as error:
            raise SourceLost("source_lost", f"the source sends nothing of blob {self._digest}") from error

    def _resume(self) -> None:
        """Go on with what an earlier transfer left, read again: a crash may have cut or changed it. In a thread."""
        path = self._own_path()
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # another process of this node, while it changes over, is at it
            os.close(descriptor)
            self._path = self._mirror.scratch()
            return
        self._part, self._path = descriptor, path
        while block := os.pread(descriptor, READ_BYTES, self._written):
            self._hashing.update(block)
            self._written += len(block)
        whole = self._written == self._limit and self._hashing.hexdigest() != self._digest
        if self._written > self._limit or whole:
            self._restart()

    def _own_path(self) -> Path:
        return self._mirror.scratch().with_name(f"fetch-{self._digest}")

    def _restart(self) -> None:
        assert self._part is not None
        os.ftruncate(self._part, 0)
        self._hashing, self._written = hashlib.sha256(), 0

    def _write(self) -> None:
        """In a thread. Raises DiskFull."""
        if self._part is None:
            self._path = self._path or self._own_path()
            self._part = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
            fcntl.flock(self._part, fcntl.LOCK_EX)
            os.ftruncate(self._part, 0)
        content = b"".join(self._pending)
        assert self._path is not None
        with room_for(self._path, len(content)):
            os.pwrite(self._part, content, self._written)
        self._hashing.update(content)
        self._written += len(content)
        self._pending, self._pending_bytes = [], 0

    def _save(self) -> None:
        """What has arrived, for the next attempt. In a thread."""
        if self._pending_bytes >= KEPT_FROM_BYTES or (self._part is not None and self._pending):
            try:
                self._write()
            except OSError:
                return  # it is fetched again

    def _finish(self) -> None:
        """In a thread. Raises Untrusted `bad_digest`, OSError."""
        if self._pending or self._part is None:
            self._write()
        if self._hashing.hexdigest() != self._digest:
            self._discard()
            raise Untrusted("bad_digest", f"what the source sends as blob {self._digest} has another digest")
        assert self._path is not None
        keep_blob(self._mirror, self._digest, self._path)

    def _discard(self) -> None:
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._part is not None:
            os.close(self._part)
            self._part = None


@asynccontextmanager
async def _ended(pieces: AsyncIterator[bytes]) -> AsyncIterator[AsyncIterator[bytes]]:
    """Tells the source when no more is wanted."""
    try:
        yield pieces
    finally:
        if isinstance(pieces, AsyncGenerator):
            with suppress(EdgeError):
                await pieces.aclose()


__all__ = ["BLOB_LIMIT_BYTES", "BlobTransfer", "WantedBlob"]
