"""Collect garbage: delete blobs that no revision within the retention refers to, and uploads that were never committed.

Safe beside a node that serves and publishes. A blob goes only if it was neither uploaded nor promised to a publisher
for two days. Blobs are deleted a few at a time, in blocks in which nobody commits, and each block looks first at what
was committed meanwhile; a commit looks for all its blobs. Nothing is deleted while anything that could refer to a blob
is damaged or of a newer release. Revisions are never deleted: they are the history.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from edge.domain.errors import EdgeError, Unavailable
from edge.domain.model import AppId, Digest
from edge.store.heads import SHARDS, Head, Heads
from edge.store.key_set import Trust
from edge.store.objects.port import CollectableStore, Measured, blob_key
from edge.store.upkeep.lying import lying_heads
from edge.store.upkeep.survey import ReachPart, Survey, survey_apps
from edge.store.upkeep.verify import Counted

HOLD_SECONDS = 48 * 3600.0  # a publish that takes longer than two days uploads again


class Collected(NamedTuple):
    """`removed` are the blobs that were deleted, or would be; `held` nobody refers to either, but only for two days."""

    removed: Counted
    held: Counted
    kept: int
    dry_run: bool


class _Idle(NamedTuple):
    digest: Digest
    bytes: int


class Collector:
    """One collection. `open_trust` reads the key set; `now` is in seconds since the epoch."""

    def __init__(
        self, store: CollectableStore, open_trust: Callable[[], Trust], *, now: float, retention_seconds: float
    ) -> None:
        self._store = store
        self._now = now
        self._heads = Heads(store, open_trust())
        self._known: dict[AppId, Head] = {}
        self._survey = Survey(store, now - retention_seconds, whole_chains=False)

    def run(self, *, dry_run: bool, reach: ReachPart) -> Collected:
        """Raises Unavailable `store_damaged` if anything is damaged that may refer to blobs, Conflict `busy` if another
        collection runs or a commit does not end. Blocks for as long as the disk takes."""
        with self._store.collecting():
            self._look(reach)
            idle, held = self._idle()
            removed = idle if dry_run else self._remove(idle, reach)
        return Collected(_sum(removed), _sum(held), len(self._survey.blobs), dry_run)

    def _look(self, reach: ReachPart) -> None:
        heads = self._read_heads()
        survey_apps(self._survey, heads, reach)
        self._known = heads
        self._check()

    def _read_heads(self) -> dict[AppId, Head]:
        heads: dict[AppId, Head] = {}
        for name in SHARDS:
            try:
                shard = self._heads.shard(name)
            except EdgeError as error:
                raise _damaged(error.message) from error
            if shard.tag is None and lying_heads(self._store, name):
                raise _damaged(f"head shard {name} is missing")
            heads |= shard.shard.apps
        return heads

    def _check(self) -> None:
        """A manifest that only an undo needs may be lost: the undo is refused anyway. So may patches."""
        for each in self._survey.damages:
            if not each.kind.is_spare:
                raise _damaged(each.detail)

    def _idle(self) -> tuple[list[_Idle], list[_Idle]]:
        """What nobody refers to: for long, and for a short time."""
        promised = self._store.promised(self._now - HOLD_SECONDS)
        idle: list[_Idle] = []
        held: list[_Idle] = []
        for found in self._store.measure("blobs/sha256/"):
            digest = Digest(found.key.rpartition("/")[2])
            # A name that is no blob's is not ours.
            if digest not in self._survey.blobs and found.key == blob_key(digest):
                young = digest in promised or self._is_young(found)
                (held if young else idle).append(_Idle(digest, found.bytes))
        return idle, held

    def _is_young(self, found: Measured) -> bool:
        return self._now - found.written < HOLD_SECONDS

    def _remove(self, idle: list[_Idle], reach: ReachPart) -> list[_Idle]:
        removed: list[_Idle] = []
        step = self._store.removal_block
        for start in range(0, len(idle), step):
            block = idle[start : start + step]
            with self._store.removing([blob_key(each.digest) for each in block]):
                removed += self._remove_block(block)
            reach("blobs collected", min(start + step, len(idle)), len(idle))
        return removed

    def _remove_block(self, block: Sequence[_Idle]) -> list[_Idle]:
        """Look again, now that nobody commits, and delete."""
        self._catch_up()
        promised = self._store.promised(self._now - HOLD_SECONDS)
        gone = [each for each in block if each.digest not in self._survey.blobs and each.digest not in promised]
        gone = [each for each in gone if self._is_there_and_old(each.digest)]
        self._store.remove([blob_key(each.digest) for each in gone])
        return gone

    def _is_there_and_old(self, digest: Digest) -> bool:
        found = self._store.measured(blob_key(digest))
        return found is not None and not self._is_young(found)

    def _catch_up(self) -> None:
        """What was committed since the last look."""
        heads = self._read_heads()
        for app, head in heads.items():
            before = self._known.get(app)
            if head != before:
                self._survey.add(app, head, before.revision if before else 0)
        self._known = heads
        self._check()


def _damaged(what: str) -> Unavailable:
    return Unavailable(
        "store_damaged", f"no garbage is collected while the store is damaged ({what}): run `edge store verify`"
    )


def _sum(found: Sequence[_Idle]) -> Counted:
    return Counted(len(found), sum(each.bytes for each in found))
