"""The releases in a bucket, for a writer that has a verified copy of them on its disk.

A change reads the bucket and is made there. Everybody else reads the copy, which follows the bucket, and what this
process has changed since: no read waits for a bucket that is slow or gone, and none is older than what this process
has acknowledged.
"""

import threading
from concurrent.futures import ThreadPoolExecutor

from edge.domain.model import AppId
from edge.store.disk.room import Reserve
from edge.store.heads import Head, HeadShard
from edge.store.key_set import Trust
from edge.store.objects.port import revision_key, revision_number, revisions_prefix
from edge.store.reading import ReleaseReader
from edge.store.releases import Releases
from edge.store.revision_document import RevisionLine
from edge.store.s3.s3_store import S3Store
from edge.store.signing import Writer

BROUGHT_AT_ONCE = 16  # revisions of an old page of history, of which a bucket is asked side by side
BROUGHT = 4 * BROUGHT_AT_ONCE  # in one go: a page, and some more for the next


class BucketReleases(Releases):
    """As Releases. `problems` are the bucket's, as of the last time that a head was changed or signed again."""

    def __init__(
        self, store: S3Store, writer: Writer, trust: Trust, copied: ReleaseReader, reserve: Reserve | None = None
    ) -> None:
        """`copied` reads the copy. Raises Forbidden `unlisted_writer`."""
        super().__init__(store, writer, trust, reserve)
        self._bucket = store
        self._copied = copied
        self._bringing = threading.Lock()

    def known_shard(self, shard: str) -> HeadShard:
        return _later(self._copied.known_shard(shard), self.shards.known(shard))

    def last_good_shard(self, shard: str) -> HeadShard:
        return _later(self._copied.last_good_shard(shard), self.shards.known(shard))

    def _standing(self, shard: str) -> dict[AppId, Head]:
        """A bucket that went back takes nothing from the copy, which has the revisions too."""
        return self.last_good_shard(shard).apps

    def _line_before(self, app: AppId, line: RevisionLine) -> RevisionLine | None:
        link = line.previous
        if link is not None and not self._is_here(revision_key(app, line.previous_number, link)):
            self._bring(app, line.previous_number)
        return super()._line_before(app, line)

    def _is_here(self, key: str) -> bool:
        return self._bucket.mirror.has(key)

    def _bring(self, app: AppId, number: int) -> None:
        """Into the copy: what another origin changed while this one did not follow. One go at a time, which leaves
        requests for changes."""
        with self._bringing:
            older = [key for key in self._bucket.keys(revisions_prefix(app)) if revision_number(key) <= number]
            wanted = sorted(older, key=revision_number)[-BROUGHT:]
            with ThreadPoolExecutor(BROUGHT_AT_ONCE, "history") as threads:
                list(threads.map(self._bucket.get, [key for key in wanted if not self._is_here(key)]))


def _later(one: HeadShard, other: HeadShard) -> HeadShard:
    return one if one.order >= other.order else other
