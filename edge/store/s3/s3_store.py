"""The object store in a bucket, with this node's disk in front of it: the mirror has what never changes.

Blobs and revisions are written to the bucket, then to the mirror, and read from the mirror, then from the bucket, and
never used unproven. Heads, keys and tokens are read from the bucket alone, as they are now: the mirror has them for who
serves from it, or only reads (`BucketReleases`).
Nothing is written before the bucket has shown that it keeps its conditions.
"""

import logging
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from edge.store.disk.durable_files import write_scratch
from edge.store.disk.room import cannot_write
from edge.store.objects.files import check_key, check_prefix, is_reserved, tag_of
from edge.store.objects.fs import FsStore
from edge.store.objects.port import AlreadyExists, Measured, Stale, Stored, StoreLost, is_immutable, proven_digest
from edge.store.objects.probe import probe
from edge.store.s3.client import DELETED_AT_ONCE, WHOLE_BYTES, BucketClient, BucketObject, asking
from edge.store.s3.collection import CollectionDesk
from edge.store.s3.fetching import fetch, open_fetched
from edge.store.s3.known_keys import KnownKeys
from edge.store.s3.swapping import create, swap

REMOVAL_BLOCK = 10_000  # each waits for two minutes, and is a document of 1 MB that every commit reads meanwhile

log = logging.getLogger("edge.store")


class S3Store:
    """A CollectableStore. The tag of an object that changes is its ETag."""

    removal_block = REMOVAL_BLOCK

    def __init__(
        self,
        bucket: BucketClient,
        mirror: FsStore,
        desk: CollectionDesk | None = None,
    ) -> None:
        """Asks nothing yet."""
        self.bucket = bucket
        self.mirror = mirror
        self._desk = desk or CollectionDesk(bucket)
        self._known = KnownKeys()
        self._documents: dict[str, Stored] = {}  # as they were read or written last
        self._proven = False
        self._proving = threading.RLock()

    def __repr__(self) -> str:
        return f"S3Store({self.bucket.place.url!r})"

    def __str__(self) -> str:
        return str(self.bucket)

    def prove(self) -> None:
        """See `probe`; once, or again after it failed. Raises StoreLost, Unavailable `unsafe_store`."""
        with self._proving:
            if not self._proven:
                self._proven = True  # while it writes
                try:
                    probe(self)
                except BaseException:
                    self._proven = False
                    raise

    def get(self, key: str) -> Stored | None:
        check_key(key)
        if is_immutable(key):
            return self._get_immutable(key)
        known = self._documents.get(key)
        try:
            found = asking(lambda: self.bucket.get(key, known.tag if known else ""))
        except FileNotFoundError:
            self._documents.pop(key, None)
            return None
        stored = Stored(found.data, found.tag) if found is not None else known
        assert stored is not None
        self._documents[key] = stored
        return stored

    def create(self, key: str, data: bytes) -> str:
        check_key(key)
        self.prove()
        immutable, seen_in = is_immutable(key), self._known.generation
        if not immutable:
            self._desk.check_time()
        tag = asking(lambda: create(self.bucket, key, data))
        if immutable:
            self._known.add(key, seen_in)
        else:
            self._documents[key] = Stored(data, tag)
        with _unless_full(key), suppress(AlreadyExists):
            self.mirror.create(key, data)
        return tag_of(data) if immutable else tag

    def swap(self, key: str, data: bytes, tag: str) -> str:
        check_key(key)
        self.prove()
        self._desk.check_time()
        before = self._documents.pop(key, None)

        def meet(theirs: BucketObject) -> None:
            self._documents[key] = Stored(theirs.data, theirs.tag)

        new_tag = asking(lambda: swap(self.bucket, key, data, tag, meet))
        self._documents[key] = Stored(data, new_tag)
        if before is not None and before.tag == tag:
            self._mirror_next(key, before.data, data)
        return new_tag

    def has(self, key: str) -> bool:
        check_key(key)
        if self._desk.is_condemned(key):
            return False
        if key in self._known:
            return True
        seen_in = self._known.generation
        found = asking(lambda: self.bucket.head(key)) is not None
        if found and is_immutable(key):
            self._known.add(key, seen_in)
        return found

    def occupied(self, key: str) -> bool:
        return self.has(key)

    def adopt(self, key: str, file: Path) -> None:
        check_key(key)
        self.prove()
        if not self.has(key):
            self._upload(key, file, over=self._desk.is_condemned(key))
        with _unless_full(key):
            self.mirror.adopt(key, file)
        file.unlink(missing_ok=True)

    def replace(self, key: str, file: Path) -> None:
        check_key(key)
        self.prove()
        self._upload(key, file, over=True)
        with _unless_full(key):
            self.mirror.replace(key, file)
        file.unlink(missing_ok=True)

    def open(self, key: str) -> int:
        with suppress(FileNotFoundError):
            return self.mirror.open(key)
        self._bring(key)
        return self.mirror.open(key)

    def path(self, key: str) -> Path:
        with suppress(FileNotFoundError):
            return self.mirror.path(key)
        self._bring(key)
        return self.mirror.path(key)

    def promise(self, digests: Iterable[str]) -> None:
        """Kept by this node alone: where another one collects, a publish may have to be repeated, and is told so."""
        self.mirror.promise(digests)

    def promised(self, since: float) -> set[str]:
        return self.mirror.promised(since)

    @contextmanager
    def referring(self) -> Iterator[None]:
        asking(self._look)
        with self._desk.referring():
            yield

    def collecting(self) -> AbstractContextManager[None]:
        self.prove()
        return self._desk.collecting()

    def removing(self, keys: Sequence[str]) -> AbstractContextManager[None]:
        return self._desk.removing(keys)

    def remove(self, keys: Sequence[str]) -> None:
        for key in keys:
            check_key(key)
        for start in range(0, len(keys), DELETED_AT_ONCE):
            part = keys[start : start + DELETED_AT_ONCE]
            self._desk.renew()
            self._known.forget(part)
            try:
                answered = asking(lambda part=part: self.bucket.delete(part))  # type: ignore[misc]
            except StoreLost:
                self._desk.note_unanswered()
                raise
            if not answered:
                self._desk.note_unanswered()
            self.mirror.remove(part)

    def scratch(self) -> Path:
        return self.mirror.scratch()

    def keys(self, prefix: str) -> Iterator[str]:
        return iter([each.key for each in self.measure(prefix)])

    def folders(self, prefix: str) -> Iterator[str]:
        check_prefix(prefix)
        return iter(sorted(asking(lambda: self.bucket.folders(prefix))))

    def measured(self, key: str) -> Measured | None:
        check_key(key)
        return asking(lambda: self.bucket.head(key))

    def measure(self, prefix: str) -> Iterator[Measured]:
        check_prefix(prefix)
        folder = prefix[: prefix.rfind("/") + 1]
        found = asking(lambda: [each for each, _ in self.bucket.objects(folder)])
        return iter(sorted(each for each in found if each.key.startswith(prefix) and not is_reserved(each.key)))

    def _mirror_next(self, key: str, before: bytes, data: bytes) -> None:
        """What this node changes is on its disk before it is acknowledged: a pause holds after a restart without the
        bucket. If the mirror is not at the version before, the follower brings it there, with what belongs to it."""
        with _unless_full(key), suppress(AlreadyExists, Stale):
            held = self.mirror.get(key)
            if held is not None and held.data == before:
                self.mirror.swap(key, data, held.tag)

    def _get_immutable(self, key: str) -> Stored | None:
        held, digest = self.mirror.get(key), proven_digest(key)
        if held is not None and (digest is None or held.tag == digest):
            return held
        seen_in = self._known.generation
        try:
            found = asking(lambda: self.bucket.get(key))
        except FileNotFoundError:
            return None
        assert found is not None
        stored = Stored(found.data, tag_of(found.data))
        if digest is None or stored.tag == digest:
            self._known.add(key, seen_in)
            self._keep(key, found.data)
        return stored

    def _keep(self, key: str, data: bytes) -> None:
        """In the mirror, in the place of what may be wrong there."""
        scratch = self.mirror.scratch()
        try:
            with _unless_full(key):
                write_scratch(scratch, data)
                self.mirror.replace(key, scratch)
        finally:
            scratch.unlink(missing_ok=True)

    def _bring(self, key: str) -> None:
        """Raises FileNotFoundError for what is not in the bucket, and for what may change: no file of it is true."""
        check_key(key)
        if not is_immutable(key):
            raise FileNotFoundError(key)
        scratch, seen_in = self.mirror.scratch(), self._known.generation
        try:
            asking(lambda: fetch(self.bucket, key, scratch))
            self.mirror.adopt(key, scratch)
            self._known.add(key, seen_in)
        finally:
            scratch.unlink(missing_ok=True)

    def _upload(self, key: str, file: Path, *, over: bool) -> None:
        self._desk.check_kept(key)
        seen_in = self._known.generation
        if file.stat().st_size > WHOLE_BYTES:
            asking(lambda: self.bucket.upload(key, file))
        elif over:
            asking(lambda: self.bucket.write(key, file.read_bytes()))
        else:
            with suppress(AlreadyExists):
                asking(lambda: create(self.bucket, key, file.read_bytes()))
        if not self._desk.is_condemned(key):  # it may go yet
            self._known.add(key, seen_in)

    def _look(self) -> None:
        """What is condemned by now; after a removal, nothing is known of the bucket any more."""
        self._known.begin(self._desk.look())


class BucketFiles(S3Store):
    """As S3Store, but every read is of the bucket, and nothing stays on the disk: for those who verify it, repair it,
    export it or copy it."""

    def create(self, key: str, data: bytes) -> str:
        check_key(key)
        self.prove()
        return asking(lambda: create(self.bucket, key, data))

    def adopt(self, key: str, file: Path) -> None:
        check_key(key)
        self.prove()
        if not self.has(key):
            self._upload(key, file, over=False)
        file.unlink()

    def replace(self, key: str, file: Path) -> None:
        check_key(key)
        self.prove()
        self._upload(key, file, over=True)
        file.unlink()

    def open(self, key: str) -> int:
        check_key(key)
        return asking(lambda: open_fetched(self.bucket, key, self.mirror.scratch()))

    def _get_immutable(self, key: str) -> Stored | None:
        try:
            found = asking(lambda: self.bucket.get(key))
        except FileNotFoundError:
            return None
        assert found is not None
        return Stored(found.data, tag_of(found.data))

    def _mirror_next(self, key: str, before: bytes, data: bytes) -> None:
        return None


@contextmanager
def _unless_full(key: str) -> Iterator[None]:
    """What the bucket has is kept, whether the disk has room for it or not: it is fetched when it is needed."""
    try:
        yield
    except OSError as error:
        if not cannot_write(error):
            raise
        log.warning("%s is in the bucket, and there is no room for it on this disk: %s", key, error)
