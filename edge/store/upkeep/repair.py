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

from edge.domain.model import Digest
from edge.store.disk.durable_files import FILE_MODE
from edge.store.disk.file_proof import hash_file
from edge.store.healing import keep_blob
from edge.store.objects.port import AlreadyExists, CollectableStore, ObjectStore, Stale, proven_digest
from edge.store.upkeep.archive import ExportedStore
from edge.store.upkeep.damaged import DamagedObject, ObjectKind
from edge.store.upkeep.replacements import COPIED, SIGNED, Replacements
from edge.store.upkeep.verify import Opener

PIECE_BYTES = 1 << 20
_LEADING = (*SIGNED, ObjectKind.REVISION, ObjectKind.HISTORY, ObjectKind.MANIFEST, ObjectKind.OVERRIDES)


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
        store: CollectableStore,
        node_dir: Path,
        copy: ObjectStore | None,
        documents: Mapping[str, Opener],
    ) -> None:
        self._store = store
        self._copy = copy
        self._replacements = Replacements(store, node_dir, copy, documents)

    def run(self, damages: Iterable[DamagedObject], *, dry_run: bool) -> list[Repaired]:
        """Each damaged object once. Raises Conflict `busy` while garbage is collected. Blocks."""
        found = {each.key: each for each in damages}
        first = [each for kind in SIGNED for each in found.values() if each.kind is kind]
        others = [each for each in found.values() if each.kind not in SIGNED]
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
                return Repaired(damage, COPIED)
            if damage.key.startswith("blobs/"):
                keep_blob(self._store, digest, scratch)
            else:
                self._store.replace(damage.key, scratch)
            return Repaired(damage, COPIED)
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
        found = self._replacements.find(damage)
        if found.content is not None and not dry_run:
            try:
                self._put(damage.key, found.content)
            except (AlreadyExists, Stale):
                return Repaired(damage, "", "it was changed meanwhile: verify again")
        return Repaired(damage, found.source, found.reason)

    def _put(self, key: str, content: bytes) -> None:
        held = self._store.get(key)
        if held is None:
            self._store.create(key, content)
        else:
            self._store.swap(key, content, held.tag)


def leads_further(repaired: Iterable[Repaired]) -> bool:
    """Whether what was repaired leads to objects that nobody could look at before: then verify and repair again."""
    return any(each.source and each.damage.kind in _LEADING for each in repaired)
