"""A store as the source: a directory that several nodes can read, or a bucket (`sources.bucket`). It has no push; the
follower polls.

What it returns is what is stored, verified by nobody. It has threads of its own: a slow store holds up nobody else.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import msgspec

from edge.domain.errors import EdgeError, NotFound
from edge.domain.model import AppId, Digest
from edge.regions.feed.documents import FOLLOWED_DOCUMENTS
from edge.regions.source import Document, SourceEvent, SourceLost
from edge.store.heads import Head
from edge.store.objects.port import ObjectStore, Stored, blob_key, revision_key

PIECE_BYTES = 1024 * 1024
THREADS = 8  # calls at once: a look, a few revisions, and the blobs that a follower fetches side by side

T = TypeVar("T")


class _Link(msgspec.Struct):
    previous: Digest | None
    jumped_from: int | None = None


_decoder = msgspec.json.Decoder(_Link)


class StoreSource:
    """A TruthSource. `name` is the store's."""

    def __init__(self, store: ObjectStore, name: str, documents: tuple[str, ...] = FOLLOWED_DOCUMENTS) -> None:
        self.name = name
        self._store = store
        self._documents = documents
        self._threads = ThreadPoolExecutor(THREADS, "store-source")

    async def documents(self, known: Mapping[str, str]) -> list[Document]:
        """See `TruthSource`; all are asked for at once."""
        found = await asyncio.gather(*(self._read(key) for key in self._documents))
        documents = [
            Document(key, stored.data if stored else b"", stored.tag if stored else "")
            for key, stored in zip(self._documents, found, strict=True)
        ]
        return [each for each in documents if known.get(each.key, "") != each.tag]

    async def revisions(self, app: AppId, until: Head, after: int) -> AsyncIterator[bytes]:
        """See `TruthSource`: one object after the other, since each names the one before."""
        number, digest = until.revision, until.digest
        while number > after:
            stored = await self._read(revision_key(app, number, digest))
            if stored is None:
                raise SourceLost("source_lost", f"revision {number} of app {app!r} is not in {self.name}")
            yield stored.data
            try:
                link = _decoder.decode(stored.data)
            except msgspec.MsgspecError:
                return  # whoever verifies it says so
            if link.previous is None:
                return
            number = number - 1 if link.jumped_from is None else link.jumped_from
            digest = link.previous

    async def blob(self, digest: str, start: int = 0) -> AsyncIterator[bytes]:
        """See `TruthSource`."""
        try:
            descriptor = await self._ask(lambda: self._store.open(blob_key(digest)))
        except FileNotFoundError as error:
            raise self._lacks(digest) from error
        try:
            while piece := await self._ask(partial(os.pread, descriptor, PIECE_BYTES, start)):
                start += len(piece)
                yield piece
        finally:
            os.close(descriptor)

    async def events(self) -> AsyncIterator[SourceEvent]:
        """None: raises at once."""
        raise SourceLost("no_push", f"{self.name} tells of no changes")
        yield

    async def close(self) -> None:
        """What a thread is in the middle of ends within the store's own time limits, and nobody waits for it."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _lacks(self, digest: str) -> NotFound:
        return NotFound("missing_blob", f"{self.name} does not have blob {digest}")

    async def _read(self, key: str) -> Stored | None:
        return await self._ask(lambda: self._store.get(key))

    async def _ask(self, call: Callable[[], T]) -> T:
        """Raises SourceLost, FileNotFoundError."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except EdgeError as error:
            raise SourceLost(error.code, error.message) from error
        except FileNotFoundError:
            raise
        except OSError as error:
            raise SourceLost("source_lost", f"{self.name}: {error.strerror}") from error
