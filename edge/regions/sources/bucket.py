"""A bucket as the source: four requests for a look at which nothing has changed, whatever the number of apps.

The heads' tags come from one listing, the other documents' from conditional reads. Reading is all it needs to be
allowed.
"""

from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import cast

from edge.regions.source import Document
from edge.regions.sources.store import PIECE_BYTES, StoreSource
from edge.store.objects.port import ObjectStore, Stored, blob_key
from edge.store.s3.client import BucketClient, asking

HEADS_PREFIX = "heads/"


class BucketSource(StoreSource):
    """A TruthSource."""

    def __init__(self, bucket: BucketClient) -> None:
        super().__init__(cast(ObjectStore, BucketReader(bucket)), str(bucket))
        self._bucket = bucket

    async def documents(self, known: Mapping[str, str]) -> list[Document]:
        """See `TruthSource`."""
        heads = await self._ask(self._tags_of_heads)
        changed = []
        for key in self._documents:
            tag = known.get(key, "")
            if not key.startswith(HEADS_PREFIX):
                found = await self._ask(partial(self._read_changed, key, tag))
                changed += [] if found is None else [found]
            elif key not in heads:
                changed += [Document(key, b"", "")] if tag else []
            elif heads[key] != tag:
                stored = await self._read(key)
                changed.append(Document(key, stored.data, stored.tag) if stored else Document(key, b"", ""))
        return changed

    async def blob(self, digest: str, start: int = 0) -> AsyncIterator[bytes]:
        """See `TruthSource`."""
        key = blob_key(digest)
        while True:
            try:
                data, size = await self._ask(partial(self._piece, key, start))
            except FileNotFoundError as error:
                raise self._lacks(digest) from error
            for at in range(0, len(data), PIECE_BYTES):
                yield data[at : at + PIECE_BYTES]
            start += len(data)
            if start >= size or not data:
                return

    def _tags_of_heads(self) -> dict[str, str]:
        with_tags = asking(lambda: list(self._bucket.objects(HEADS_PREFIX)))
        return {found.key: tag for found, tag in with_tags}

    def _read_changed(self, key: str, tag: str) -> Document | None:
        """None if it still has the tag."""
        try:
            found = asking(lambda: self._bucket.get(key, tag))
        except FileNotFoundError:
            return Document(key, b"", "") if tag else None
        return None if found is None else Document(key, found.data, found.tag)

    def _piece(self, key: str, start: int) -> tuple[bytes, int]:
        piece = asking(lambda: self._bucket.get_piece(key, start))
        return piece.data, piece.bytes


class BucketReader:
    """As much of an ObjectStore as a source reads of one."""

    def __init__(self, bucket: BucketClient) -> None:
        self._bucket = bucket

    def get(self, key: str) -> Stored | None:
        try:
            found = asking(lambda: self._bucket.get(key))
        except FileNotFoundError:
            return None
        assert found is not None
        return Stored(found.data, found.tag)
