"""Writes verified documents into this node's copy of the store, in an order in which a crash at any moment leaves a
copy that starts: what a revision needs, then the revision, then the head that names it.

Everything here blocks.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Protocol

from edge.domain.model import AppId, AppState
from edge.regions.following.chain import KEPT_REVISIONS, ChainedRevision
from edge.store.disk.room import Reserve
from edge.store.heads import Head
from edge.store.objects.files import tag_of
from edge.store.objects.fs import FsStore
from edge.store.objects.port import AlreadyExists, Stale, Stored, revision_key, revision_number, revisions_prefix
from edge.store.revisions import Revisions
from edge.store.stored_document import digest_of


class DocumentCheck(Protocol):
    """Of a document that is neither heads nor keys."""

    def take(self, sealed: bytes, keep: Callable[[], object]) -> None:
        """Accept a version from the source, which `keep` writes, and no older one after it. Raises Untrusted."""

    def order_of(self, stored: Stored) -> tuple[int, int]:
        """Of a version that is here; (0, 0) for one that is not to be believed."""


class StoreCopy:
    """`reserve` lends room for what may stop a release on a full disk: heads and revisions."""

    def __init__(self, mirror: FsStore, reserve: Reserve) -> None:
        self.mirror = mirror
        self._revisions = Revisions(mirror)
        self._reserve = reserve

    def put(self, key: str, content: bytes, order: Callable[[Stored], tuple[int, int]]) -> bool:
        """Make the document have these bytes; False: a later one by `order` is here, and stays. Raises OSError."""
        return self._reserve.lending(lambda: self._put(key, content, order))

    def add_revisions(self, app: AppId, chain: Iterable[ChainedRevision]) -> None:
        """Oldest first. One that is there, and damaged, is replaced. Raises OSError."""
        for each in reversed(list(chain)):
            key = revision_key(app, each.number, each.digest)
            self._reserve.lending(lambda key=key, content=each.content: self._add(key, content))  # type: ignore[misc]

    def content(self, app: AppId, head: Head) -> bytes:
        """The revision's bytes. Raises Unavailable `missing_object`, Untrusted `bad_digest`, OSError."""
        return self._revisions.content(app, head.revision, head.digest)

    def read(self, app: AppId, head: Head) -> AppState:
        """The app's state. Raises as `Revisions.load_revision`."""
        return self._revisions.load_revision(app, head.revision, head.digest)

    def has(self, app: AppId, head: Head) -> bool:
        """Whether there is a file of the revision, unread."""
        return self._revisions.has(app, head.revision, head.digest)

    def known_of(self, app: AppId, head: Head | None) -> Head | None:
        """The newest revision of the app that this node has, `head` at best: each was verified before it was
        written."""
        if head is None or self.has(app, head):
            return head
        lying = [(revision_number(key), key) for key in self._keys(app)]
        number, key = max(((number, key) for number, key in lying if number <= head.revision), default=(0, ""))
        return Head(number, key.rpartition("-")[2].removesuffix(".json")) if number else None  # type: ignore[arg-type]

    def let_go_of_revisions(self, heads: Mapping[AppId, Head]) -> int:
        """Delete all but the latest KEPT_REVISIONS of these apps; returns how many files."""
        gone = 0
        for app, head in heads.items():
            lying = sorted(self._keys(app), key=revision_number, reverse=True)
            current = revision_key(app, head.revision, head.digest)
            for key in lying[KEPT_REVISIONS:]:
                if key != current:
                    with suppress(OSError):
                        self.mirror.place(key).unlink(missing_ok=True)
                        gone += 1
        return gone

    def _keys(self, app: AppId) -> list[str]:
        """Of the app's revisions, without walking the rest of the store."""
        prefix = revisions_prefix(app)
        try:
            return [prefix + each.name for each in self.mirror.place(prefix.rstrip("/")).iterdir()]
        except OSError:
            return []

    def _put(self, key: str, content: bytes, order: Callable[[Stored], tuple[int, int]]) -> bool:
        # Others write it for a moment, while this node changes over; and an origin on a bucket, which has each change
        # of its own here before the bucket was looked at.
        new = Stored(content, tag_of(content))
        while True:  # again only if another one has written meanwhile
            held = self.mirror.get(key) if self.mirror.has(key) else None
            try:
                if held is None:
                    self.mirror.create(key, content)
                elif held.data != content:
                    if order(held) > order(new):
                        return False
                    self.mirror.swap(key, content, held.tag)
            except (AlreadyExists, Stale):
                continue
            return True

    def _add(self, key: str, content: bytes) -> None:
        try:
            self.mirror.create(key, content)
        except AlreadyExists:
            held = self.mirror.get(key) if self.mirror.has(key) else None
            if held is None or digest_of(held.data) != digest_of(content):
                self._replace(key, content)

    def _replace(self, key: str, content: bytes) -> None:
        """Whatever lies there gives way: what it was proves itself by the name."""
        scratch = self.mirror.scratch()
        scratch.write_bytes(content)
        self.mirror.replace(key, scratch)
