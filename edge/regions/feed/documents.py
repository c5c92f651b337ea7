"""The small documents that a follower mirrors, held in memory: they are read once when their files change, however
many nodes ask, and never parsed. They are signed, so whoever reads them verifies them.
"""

import asyncio
import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from edge.regions.source import Document
from edge.store.heads import SHARDS
from edge.store.key_set import KEY_SET_KEY
from edge.store.objects.port import PEOPLE_KEY, TOKENS_KEY, Stored, head_key

# In the order in which they are verified: a head is signed by a key of the set.
FOLLOWED_DOCUMENTS = (KEY_SET_KEY, TOKENS_KEY, PEOPLE_KEY, *map(head_key, SHARDS))
LOOK_SECONDS = 0.25  # what was looked at so short a time ago is not looked at again, whoever asks
TAG_DIGITS = 16  # of SHA-256: tags tell documents apart, and prove nothing


class DocumentFiles(Protocol):
    """A store's directory."""

    def get(self, key: str) -> Stored | None: ...

    def place(self, key: str) -> Path: ...


class _Held(NamedTuple):
    stamp: tuple[int, int, int, int]
    document: Document


_NO_STAMP = (0, 0, 0, 0)


class FeedDocuments:
    """Of one store, whoever changes it. Safe among the tasks of one event loop. `on_change` is called with the keys of
    what differs from what was known before."""

    def __init__(
        self,
        files: DocumentFiles,
        keys: tuple[str, ...] = FOLLOWED_DOCUMENTS,
        *,
        on_change: Callable[[Sequence[str]], None] = lambda keys: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_change = on_change
        self._files, self._monotonic = files, monotonic
        self._held = {key: _Held(_NO_STAMP, Document(key, b"", "")) for key in keys}
        self._looked = float("-inf")
        self._looking = asyncio.Lock()

    async def changed(self, known: Mapping[str, str]) -> list[Document]:
        """The documents whose tags differ from the `known` ones, as they were at most LOOK_SECONDS ago."""
        await self.look(LOOK_SECONDS)
        held = (each.document for each in self._held.values())
        return [each for each in held if known.get(each.key, "") != each.tag]

    async def look(self, within_seconds: float = 0.0) -> None:
        """Read what changed since the last look, unless one began `within_seconds`."""
        wanted = self._monotonic() - within_seconds
        async with self._looking:
            if self._looked >= wanted:
                return
            began = self._monotonic()
            found = await asyncio.to_thread(self._read_changed)
            moved = [key for key, held in found.items() if held.document.tag != self._held[key].document.tag]
            self._held |= found
            self._looked = began
        if moved:
            self._on_change(moved)

    def _read_changed(self) -> dict[str, _Held]:
        found: dict[str, _Held] = {}
        for key, held in self._held.items():
            stamp = _stamp(self._files.place(key))
            if stamp != held.stamp:
                document = self._read(key, held.document)
                found[key] = _Held(stamp, document)
        return found

    def _read(self, key: str, before: Document) -> Document:
        """As it is now; as it was, if it cannot be read: that is this node's trouble, not its followers'."""
        try:
            stored = self._files.get(key)
        except OSError:
            return before
        if stored is None:
            return Document(key, b"", "")
        return Document(key, stored.data, hashlib.sha256(stored.data).hexdigest()[:TAG_DIGITS])


def _stamp(place: Path) -> tuple[int, int, int, int]:
    """Differs once the file was replaced: every write of the store renames another one into its place."""
    try:
        status = os.lstat(place)
    except OSError:
        return _NO_STAMP
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size
