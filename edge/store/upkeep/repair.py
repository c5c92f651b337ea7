"""Repair a damaged store: from what the node itself remembers, or from another copy, and never with anything older.

Blobs and revisions are proven by their names, so it does not matter where they come from. Signed documents must be ones
that this node accepts: signed by the store's writers, and no older than what it has seen. A head is replaced only where
its revisions are at hand. Everything is replaced at once and whole; a node may serve meanwhile.
"""

import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from edge.domain.errors import EdgeError
from edge.domain.model import AppId, Digest
from edge.store.disk.durable_files import FILE_MODE
from edge.store.file_proof import hash_file
from edge.store.heads import OLDER, Head, Heads
from edge.store.healing import keep_blob
from edge.store.key_set import KEY_SET_KEY, Trust, read_trust
from edge.store.objects.files import StoreFiles, tag_of
from edge.store.objects.fs import FsStore
from edge.store.objects.port import AlreadyExists, Stale, Stored, revision_key
from edge.store.seen import SeenDocuments
from edge.store.stored_document import Untrusted
from edge.store.upkeep.archive import ExportedStore, proven_digest
from edge.store.upkeep.damaged import DamagedObject, ObjectKind
from edge.store.upkeep.verify import Opener

PIECE_BYTES = 1 << 20
_ORDER = (ObjectKind.KEY_SET, ObjectKind.TOKENS, ObjectKind.HEAD)  # each is verified by those before it

_LEADING = (*_ORDER, ObjectKind.REVISION, ObjectKind.HISTORY, ObjectKind.MANIFEST, ObjectKind.OVERRIDES)


class Repaired(NamedTuple):
    """`source` is where the bytes are from: `copy`, or `node` for what the node remembers; empty if nothing had them,
    and `reason` says why."""

    damage: DamagedObject
    source: str
    reason: str = ""


class StoreRepair:
    """`copy` is another store, if there is one; `documents` are the signed documents besides heads, with openers."""

    def __init__(
        self,
        store: FsStore,
        node_dir: Path,
        copy: StoreFiles | ExportedStore | None,
        documents: Mapping[str, Opener],
    ) -> None:
        self._store = store
        self._node_dir = node_dir
        self._copy = copy
        self._documents = documents
        self._seen = SeenDocuments(node_dir)

    def run(self, damages: Iterable[DamagedObject], *, dry_run: bool) -> list[Repaired]:
        """Each damaged object once. Raises Conflict `busy` while garbage is collected. Blocks."""
        found = {each.key: each for each in damages}
        first = [each for kind in _ORDER for each in found.values() if each.kind is kind]
        others = [each for each in found.values() if each.kind not in _ORDER]
        with self._store.collecting():
            return [self._repair(each, dry_run) for each in (*first, *others)]

    def _repair(self, damage: DamagedObject, dry_run: bool) -> Repaired:
        if damage.is_newer:
            return Repaired(damage, "", "a newer release wrote it")
        digest = proven_digest(damage.key)
        if digest is not None:
            return self._repair_proven(damage, digest, dry_run)
        return self._repair_signed(damage, dry_run)

    def _repair_proven(self, damage: DamagedObject, digest: Digest, dry_run: bool) -> Repaired:
        scratch = self._store.scratch()
        try:
            if not self._fetch(damage.key, scratch):
                return Repaired(damage, "", "the copy does not have it" if self._copy else "there is no copy")
            with scratch.open("rb") as file:
                if hash_file(file.fileno()) != digest:
                    return Repaired(damage, "", "it is damaged in the copy, too")
            if dry_run:
                return Repaired(damage, "copy")
            if damage.key.startswith("blobs/"):
                keep_blob(self._store, digest, scratch)
            else:
                self._store.replace(damage.key, scratch)
            return Repaired(damage, "copy")
        finally:
            scratch.unlink(missing_ok=True)

    def _fetch(self, key: str, scratch: Path) -> bool:
        if self._copy is None:
            return False
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb") as target:
            if isinstance(self._copy, ExportedStore):
                with self._copy.stream(key) as content:
                    if content is not None:
                        shutil.copyfileobj(content, target, PIECE_BYTES)
                    return content is not None
            with suppress(OSError), os.fdopen(self._copy.open(key), "rb") as source:
                shutil.copyfileobj(source, target, PIECE_BYTES)
                return True
        return False

    def _repair_signed(self, damage: DamagedObject, dry_run: bool) -> Repaired:
        reasons = []
        for source, content in self._candidates(damage.key):
            try:
                self._check(damage, content)
            except EdgeError as error:
                reasons.append(f"{source}: {error.message}")
                continue
            try:
                if not dry_run:
                    self._put(damage.key, content)
            except (AlreadyExists, Stale):
                return Repaired(damage, "", "it was changed meanwhile: verify again")
            return Repaired(damage, source)
        return Repaired(damage, "", "; ".join(reasons) or "neither the node nor a copy has it")

    def _candidates(self, key: str) -> list[tuple[str, bytes]]:
        """What the node has seen last goes first: it is never too old."""
        seen = self._seen.read(key if key.startswith("heads/") else key.rpartition("/")[2])
        copied = self._copy.get(key) if self._copy is not None else None
        found = [("node", seen)] if seen is not None else []
        if copied is not None and (seen is None or key.startswith("heads/")):
            found.append(("copy", copied.data))
        return found

    def _check(self, damage: DamagedObject, content: bytes) -> None:
        """Raises EdgeError for what this node would not accept."""
        offered = _Instead(self._store.root, damage.key, content)
        if damage.kind is ObjectKind.KEY_SET:
            read_trust(offered, self._node_dir)
        elif damage.kind is ObjectKind.HEAD:
            shard = damage.key.removeprefix("heads/").removesuffix(".json")
            self._check_revisions(Heads(offered, self._trust()).shard(shard).shard.apps)
        else:
            self._documents[damage.key](content)

    def _check_revisions(self, heads: Mapping[AppId, Head]) -> None:
        """A head whose revisions are nowhere would hide that the store went back. Raises Untrusted `older_document`."""
        places = [self._store, *([self._copy] if self._copy is not None else [])]
        for app, head in heads.items():
            key = revision_key(app, head.revision, head.digest)
            if not any(place.has(key) for place in places):
                where = "in neither the store nor the copy" if self._copy is not None else "not in the store"
                raise Untrusted(
                    OLDER,
                    f"revision {head.revision} of app {app!r} is {where}: name a copy that has it, or run "
                    "`edge store accept-restored`",
                )

    def _trust(self) -> Trust:
        """By the store's key set, or the one that is going to repair it."""
        try:
            return read_trust(self._store, self._node_dir, compare=True)
        except EdgeError:
            for _, content in self._candidates(KEY_SET_KEY):
                with suppress(EdgeError):
                    return read_trust(_Instead(self._store.root, KEY_SET_KEY, content), self._node_dir, compare=True)
            raise

    def _put(self, key: str, content: bytes) -> None:
        held = self._store.get(key)
        if held is None:
            self._store.create(key, content)
        else:
            self._store.swap(key, content, held.tag)


def leads_further(repaired: Iterable[Repaired]) -> bool:
    """Whether what was repaired leads to objects that nobody could look at before: then verify and repair again."""
    return any(each.source and each.damage.kind in _LEADING for each in repaired)


class _Instead(StoreFiles):
    """A store with other bytes under one key."""

    def __init__(self, root: Path, key: str, content: bytes) -> None:
        super().__init__(root)
        self._instead = {key: content}

    def get(self, key: str) -> Stored | None:
        content = self._instead.get(key)
        return Stored(content, tag_of(content)) if content is not None else super().get(key)
