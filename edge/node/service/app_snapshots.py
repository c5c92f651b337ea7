"""What this worker serves now: one immutable snapshot per app, each replaced whole.

Loading reads the node's own disk and runs off the loop; a request reads the mapping once and never waits.
"""

import logging
from collections.abc import Iterable
from pathlib import Path

from edge.domain.decision.snapshot import AppSnapshot, build_snapshot
from edge.domain.errors import Invalid, Unavailable
from edge.domain.manifest import read_manifest
from edge.domain.model import AppId, AppState, Digest
from edge.domain.targeting.id_sets import IdSet, parse_id_set
from edge.store.blobs import map_blob, read_blob
from edge.store.heads import shard_of
from edge.store.objects.port import ObjectStore, blob_key
from edge.store.releases import Head, Revisions

log = logging.getLogger("edge.blobs")


class Current:
    """`loader` methods block; `swap` and the look-ups belong to the loop."""

    def __init__(self, store: ObjectStore, region: str = "") -> None:
        self._store = store
        self._region = region
        self._revisions = Revisions(store)
        self._snapshots: dict[AppId, AppSnapshot] = {}
        self.apps = self._snapshots.keys()  # a live view
        self.snapshot = self._snapshots.get  # of an app, or None: every check asks
        self._missed: set[Digest] = set()  # manifests that could not be read, each logged once
        self._id_sets: dict[AppId, dict[Digest, IdSet]] = {}  # mapped once, as long as the app names them

    def __len__(self) -> int:
        return len(self._snapshots)

    def build(self, app: AppId, head: Head, now: float) -> AppSnapshot:
        """Read and compile one revision. Blocks; run it off the loop. Raises what reading the revision and its id sets
        raises; a manifest that cannot be read is in the snapshot's `lost`."""
        return self.compile(self._revisions.load_revision(app, head.revision, head.digest), now)

    def compile(self, state: AppState, now: float) -> AppSnapshot:
        """As `build`, of a state at hand: one that is current, or one that would be."""
        return build_snapshot(
            state,
            self._manifest,
            now=now,
            before=self._snapshots.get(state.app),
            ids_of=self._map_id_sets(state).get,
            region=self._region,
            shard=shard_of(state.app),
        )

    def swap(self, snapshots: Iterable[AppSnapshot]) -> None:
        """Serve these from the next request on; an older revision than the one served is ignored."""
        for snapshot in snapshots:
            served = self._snapshots.get(snapshot.app)
            if served is None or snapshot.revision >= served.revision:
                self._snapshots[snapshot.app] = snapshot

    def blob(self, app: str, kind: str, digest: str) -> Path | None:
        """Where a blob lies that devices of this app may fetch; None for every other. Raises FileNotFoundError for one
        that a revision names and the store has lost.
        """
        snapshot = self._snapshots.get(AppId(app))
        if snapshot is None or not snapshot.may_read(kind, digest):
            return None
        return self._store.path(blob_key(digest))

    def _map_id_sets(self, state: AppState) -> dict[Digest, IdSet]:
        mapped = self._id_sets.get(state.app, {})
        wanted = {stored.blob for stored in state.id_sets.values()}
        self._id_sets[state.app] = {digest: mapped.get(digest) or self._map(digest) for digest in wanted}
        return self._id_sets[state.app]

    def _map(self, digest: Digest) -> IdSet:
        return parse_id_set(map_blob(self._store, digest, "an id set"))

    def _manifest(self, digest: Digest) -> bytes | None:
        """None for one that is gone, altered or cannot be read: the rest of its app is served all the same."""
        try:
            document = read_blob(self._store, digest, "a manifest")
            read_manifest(document)  # a check must not be the first to find that this release cannot read it
        except (Unavailable, Invalid, OSError) as error:
            if digest not in self._missed:
                log.error(
                    "devices that take manifests are not offered the bundle of manifest %s until it can be read"
                    " (publish the same bundle again, which uploads what is missing, or restore it from a backup): %s",
                    digest,
                    error,
                )
            self._missed.add(digest)
            return None
        self._missed.discard(digest)
        return document
