"""Verify a store: signatures, chains, digests, references. It writes nothing, and a node may serve from the store.

Heads are read first: what is published meanwhile is newer than what is verified. What a newer release wrote is
reported as such. Blobs that nothing refers to and abandoned transfers are counted; they are no damage.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from edge.domain.errors import EdgeError
from edge.domain.model import AppId, Digest
from edge.store.disk.file_proof import hash_file
from edge.store.heads import SHARDS, Head, Heads, shard_of
from edge.store.key_set import KEY_SET_KEY, Trust
from edge.store.objects.files import StoreFiles
from edge.store.objects.port import TOKENS_KEY, ObjectStore, blob_key, head_key
from edge.store.stored_document import Untrusted, read_stored
from edge.store.upkeep.damaged import DamagedObject, ObjectKind, once_each
from edge.store.upkeep.lying import lying_heads
from edge.store.upkeep.survey import MISSING, BlobUse, ReachPart, Survey, survey_apps

SLACK_SECONDS = 24 * 3600.0  # a node may collect meanwhile what was just in use

Opener = Callable[[bytes], object]  # verifies a signed document; raises Untrusted


class Counted(NamedTuple):
    files: int
    bytes: int


class Verified(NamedTuple):
    """What was verified, and what is wrong. `unreferenced` is None where only some apps were looked at."""

    apps: int
    revisions: int
    bundles: int
    blobs: Counted
    hashed: bool
    damages: tuple[DamagedObject, ...]
    unreferenced: Counted | None
    transfers: Counted

    @property
    def damaged(self) -> list[DamagedObject]:
        return [each for each in self.damages if not each.is_newer]

    @property
    def newer(self) -> list[DamagedObject]:
        return [each for each in self.damages if each.is_newer]


class StoreVerification:
    """One look at a store. `documents` are the signed documents besides heads, each with what verifies it."""

    def __init__(self, store: ObjectStore, open_trust: Callable[[], Trust], documents: Mapping[str, Opener]) -> None:
        self._store = store
        self._open_trust = open_trust
        self._documents = documents
        self._damages: list[DamagedObject] = []

    def run(
        self, *, now: float, retention_seconds: float, app: AppId | None, hashing: bool, reach: ReachPart
    ) -> Verified:
        """`now` is in seconds since the epoch. With `app` only that app, its shard and the signed documents. Without
        `hashing` blobs are only looked for and their sizes compared. Blocks for as long as the disk takes."""
        heads = self._heads(app)
        survey = Survey(self._store, now - retention_seconds + SLACK_SECONDS)
        survey_apps(survey, heads, reach)
        known = {each.key for each in survey.damages}
        uses = {digest: use for digest, use in survey.blobs.items() if blob_key(digest) not in known}
        sizes = _sizes(self._store, uses if app is not None else None)
        wrong = list(wrong_blobs(self._store, uses, sizes, hashing=hashing, reach=reach))
        return Verified(
            apps=len(heads),
            revisions=len(survey.revisions),
            bundles=survey.bundles,
            blobs=_counted(sizes.get(digest, 0) for digest in survey.blobs),
            hashed=hashing,
            damages=once_each((*self._damages, *survey.damages, *wrong)),
            unreferenced=None if app is not None else _unreferenced(sizes, survey),
            transfers=_counted(self._transfers()),
        )

    def _transfers(self) -> Iterator[int]:
        """Bytes of the files that are on their way into a directory. A bucket shows nothing before it is whole."""
        if isinstance(self._store, StoreFiles):
            yield from (status.st_size for _, status in self._store.transfers())

    def _heads(self, app: AppId | None) -> dict[AppId, Head]:
        """Every head that can be trusted, and for damaged shards the newest revisions that lie in the store."""
        shards = SHARDS if app is None else shard_of(app)
        heads: dict[AppId, Head] = {}
        try:
            trust = self._open_trust()
        except EdgeError as error:
            self._damages.append(DamagedObject(ObjectKind.KEY_SET, KEY_SET_KEY, error.code, error.message))
            trust = None
        for name in shards:
            heads |= self._shard(name, trust)
        for key, opener in self._documents.items() if trust else ():
            self._open(key, opener, trust)
        return {each: head for each, head in heads.items() if app in (None, each)}

    def _shard(self, name: str, trust: Trust | None) -> dict[AppId, Head]:
        key = head_key(name)
        if trust is None:
            return lying_heads(self._store, name)
        try:
            shard = Heads(self._store, trust).shard(name)
        except (Untrusted, OSError) as error:
            code = error.code if isinstance(error, Untrusted) else "unreadable_file"
            code = code if self._store.occupied(key) else MISSING
            self._damages.append(DamagedObject(ObjectKind.HEAD, key, code, str(error)))
            return lying_heads(self._store, name)
        if shard.tag is not None:
            return shard.shard.apps
        lying = lying_heads(self._store, name)
        if lying:
            detail = f"{key} is not in the store, but revisions of {len(lying)} of its apps are"
            self._damages.append(DamagedObject(ObjectKind.HEAD, key, MISSING, detail))
        return lying

    def _open(self, key: str, opener: Opener, trust: Trust | None) -> None:
        """Tokens are always there, since the first start; of what else is about access, only what was seen before."""
        kind = ObjectKind.TOKENS if key == TOKENS_KEY else ObjectKind.PEOPLE
        try:
            stored = read_stored(self._store, key, key)
            if stored is not None:
                opener(stored.data)
        except Untrusted as error:
            self._damages.append(DamagedObject(kind, key, error.code, error.message))
        else:
            seen = trust is not None and trust.seen.read(key.rpartition("/")[2]) is not None
            if stored is None and (kind is ObjectKind.TOKENS or seen):
                self._damages.append(DamagedObject(kind, key, MISSING, f"{key} is not in the store"))


def wrong_blobs(
    store: ObjectStore,
    uses: Mapping[Digest, BlobUse],
    sizes: Mapping[Digest, int],
    *,
    hashing: bool,
    reach: ReachPart,
) -> Iterator[DamagedObject]:
    """Those that are missing, or have other bytes than their digest's. `sizes` are those that are there."""
    total, done = sum(sizes.get(digest, 0) for digest in uses), 0
    for digest, use in uses.items():
        size = sizes.get(digest)
        fault, detail = _fault(store, digest, use, size, hashing)
        if fault:
            yield DamagedObject(
                use.kind, blob_key(digest), fault, f"{use.detail}: {detail}", use.app, use.name, use.also
            )
        done += size or 0
        reach("blobs", done, total)


def _fault(store: ObjectStore, digest: Digest, use: BlobUse, size: int | None, hashing: bool) -> tuple[str, str]:
    if size is None:
        return MISSING, "the blob is not in the store"
    if use.bytes not in (None, size):
        return "bad_size", f"the blob has {size} bytes, not {use.bytes}"
    if not hashing:
        return "", ""
    try:
        with os.fdopen(store.open(blob_key(digest)), "rb") as file:
            actual = hash_file(file.fileno())
    except OSError as error:
        return "unreadable_file", f"the blob cannot be read: {error.strerror or error}"
    return ("", "") if actual == digest else ("bad_digest", f"the blob was altered: its digest is {actual[:16]}…")


def _sizes(store: ObjectStore, wanted: Iterable[Digest] | None) -> dict[Digest, int]:
    """Of these blobs, or of all in the store, in bytes; what has a blob's place and is none is left out."""
    if wanted is None:
        found = ((Digest(each.key.rpartition("/")[2]), each) for each in store.measure("blobs/"))
        return {digest: each.bytes for digest, each in found}
    looked = ((digest, store.measured(blob_key(digest))) for digest in wanted)
    return {digest: each.bytes for digest, each in looked if each is not None}


def _unreferenced(sizes: Mapping[Digest, int], survey: Survey) -> Counted:
    return _counted(size for digest, size in sizes.items() if digest not in survey.blobs)


def _counted(sizes: Iterable[int]) -> Counted:
    held = list(sizes)
    return Counted(len(held), sum(held))
