"""Reads a revision with everything it names from the node's store and compiles it.

Everything here blocks: run it off the loop.
"""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from edge.domain.decision.snapshot import AppSnapshot, build_snapshot
from edge.domain.errors import EdgeError, Invalid, Unavailable
from edge.domain.forms.choice import FILES_ALWAYS, FormTerms
from edge.domain.manifest import read_manifest
from edge.domain.model import AppId, AppState, Digest
from edge.domain.patches.document import Patch, parse_patches
from edge.domain.targeting.id_sets import IdSet, parse_id_set
from edge.domain.targeting.partial_overrides import split
from edge.domain.targeting.places import NO_PLACE, NodePlace
from edge.node.service.snapshots.gapped_overrides import GappedOverrides
from edge.node.service.snapshots.last_good import find_last_good
from edge.store.blobs import map_blob, read_blob
from edge.store.damage import REPAIR, Damage
from edge.store.heads import shard_of
from edge.store.objects.port import ObjectStore
from edge.store.releases import Head, Revisions

log = logging.getLogger("edge.blobs")


class Loaded(NamedTuple):
    """What can be served of an app's head. `snapshot` None: nothing new, or nothing at all. `damages`: why not all."""

    snapshot: AppSnapshot | None
    damages: tuple[Damage, ...] = ()


class SnapshotBuilder:
    """`place` is where the node is; `damaged` returns the blobs that it cannot serve now. `before` is the app's
    previous snapshot: what both name is read once. `withdrawn_of` has the bundles of an app that this node remembers as
    withdrawn. The forms of bundles follow from the current `terms`."""

    def __init__(
        self,
        store: ObjectStore,
        place: NodePlace = NO_PLACE,
        damaged: Callable[[], frozenset[str]] = frozenset[str],
        withdrawn_of: Callable[[AppId], Collection[str]] = lambda app: (),
        terms: Callable[[], FormTerms] = lambda: FILES_ALWAYS,
    ) -> None:
        self.damaged = damaged
        self.terms = terms
        self._store = store
        self._place = place
        self._revisions = Revisions(store)
        self._missed: set[Digest] = set()  # manifests that could not be read, each logged once
        self._withdrawn_of = withdrawn_of
        self._id_sets: dict[AppId, dict[Digest, IdSet]] = {}  # mapped once, as long as the app names them

    def build(self, app: AppId, head: Head, now: float, before: AppSnapshot | None = None) -> AppSnapshot:
        """Compile a stored revision; `now` in seconds since the epoch. Raises Unavailable or Untrusted for a revision
        or an id set that cannot be read; a manifest that cannot be read is in the snapshot's `lost`."""
        return self.compile(self._revisions.load_revision(app, head.revision, head.digest), now, before)

    def load(self, app: AppId, head: Head, now: float, before: AppSnapshot | None = None) -> Loaded:
        """As `build`, but never raises: what is damaged is left out at the smallest grain, and named."""
        try:
            return self._load(app, head, now, before)
        except Exception as bug:  # of one app: the others are loaded all the same
            log.exception("bug while building revision %s of app %s", head.revision, app)
            return Loaded(None, (_unreadable(app, head, before.revision if before else None, bug),))

    def _load(self, app: AppId, head: Head, now: float, before: AppSnapshot | None) -> Loaded:
        try:
            state = self._revisions.load_revision(app, head.revision, head.digest)
            snapshot, damages = self._whole(state, now, before)
        except (EdgeError, OSError) as error:
            return self._older(app, head, now, before, error)
        lost = split(state.overrides)[1]
        return Loaded(snapshot, (*damages, *(_lost_overrides(app, *each) for each in lost.items())))

    def _whole(self, state: AppState, now: float, before: AppSnapshot | None) -> Loaded:
        sets, lost = self._readable_id_sets(state)
        snapshot = self._compile(state, now, before, sets)
        return Loaded(snapshot, (*_lost_bundles(state, snapshot), *lost))

    def _older(self, app: AppId, head: Head, now: float, before: AppSnapshot | None, error: Exception) -> Loaded:
        """What was served before, else the last good revision on disk."""
        if before is not None:
            return Loaded(None, (_unreadable(app, head, before.revision, error),))
        try:
            state = find_last_good(self._store, app, head, self._withdrawn_of(app))
            if state is None:
                return Loaded(None, (_unreadable(app, head, None, error),))
            snapshot, damages = self._whole(state, now, before)
        except (EdgeError, OSError):  # the disk does not answer
            return Loaded(None, (_unreadable(app, head, None, error),))
        return Loaded(snapshot, (_unreadable(app, head, state.revision, error), *damages))

    def compile(self, state: AppState, now: float, before: AppSnapshot | None = None) -> AppSnapshot:
        """As `build`, for a state at hand: a current one, or one that a change would make."""
        return self._compile(state, now, before, self._map_id_sets(state))

    def _compile(
        self, state: AppState, now: float, before: AppSnapshot | None, sets: Mapping[Digest, IdSet]
    ) -> AppSnapshot:
        known, lost = split(state.overrides)
        return build_snapshot(
            replace(state, overrides=GappedOverrides(known, lost)) if lost else state,
            self._manifest,
            now=now,
            before=before,
            ids_of=sets.get,
            patches_of=self._patches,
            lost_sets=frozenset(str(name) for name, stored in state.id_sets.items() if stored.blob not in sets),
            place=self._place,
            shard=shard_of(state.app),
            damaged=self.damaged(),
            terms=self.terms(),
        )

    def forget(self, app: AppId) -> None:
        """Let go of what is kept for the app's next build."""
        self._id_sets.pop(app, None)

    def _map_id_sets(self, state: AppState) -> dict[Digest, IdSet]:
        mapped = self._id_sets.get(state.app, {})
        wanted = {stored.blob for stored in state.id_sets.values()}
        self._id_sets[state.app] = {digest: mapped.get(digest) or self._map(digest) for digest in wanted}
        return self._id_sets[state.app]

    def _readable_id_sets(self, state: AppState) -> tuple[dict[Digest, IdSet], list[Damage]]:
        """As `_map_id_sets`, without those that are gone, altered or unreadable: who is in them is not known."""
        mapped, lost = self._id_sets.get(state.app, {}), list[Damage]()
        found: dict[Digest, IdSet] = {}
        for name, stored in state.id_sets.items():
            try:
                found[stored.blob] = mapped.get(stored.blob) or self._map(stored.blob)
            except (Unavailable, Invalid, OSError) as error:
                lost.append(_lost_set(state.app, name, error))
        self._id_sets[state.app] = found
        return found, lost

    def _map(self, digest: Digest) -> IdSet:
        return parse_id_set(map_blob(self._store, digest, "an id set"))

    def _manifest(self, digest: Digest) -> bytes | None:
        """None for one that is gone, altered or unreadable: the rest of its app is served all the same."""
        try:
            document = read_blob(self._store, digest, "a manifest")
            read_manifest(document)  # a check must not be the first to find that this release cannot read it
        except (Unavailable, Invalid, OSError) as error:
            if digest not in self._missed:
                log.error("manifest %s cannot be read: %s", digest, error)
            self._missed.add(digest)
            return None
        self._missed.discard(digest)
        return document

    def _patches(self, digest: Digest) -> tuple[Patch, ...]:
        """None for a document that is gone, altered or unreadable: its files are sent whole."""
        try:
            return parse_patches(read_blob(self._store, digest, "a patches document"))
        except (Unavailable, Invalid, OSError) as error:
            log.error("patches %s cannot be read: %s", digest, error)
            return ()


def _unreadable(app: AppId, head: Head, served: int | None, error: Exception) -> Damage:
    effect = "devices get nothing new" if served is None else f"devices get revision {served}, which is older"
    return Damage(
        app=app,
        grain="app" if served is None else "revision",
        name=str(head.revision),
        effect=effect,
        cause=str(error) or type(error).__name__,
        repair=REPAIR,
    )


def _lost_overrides(app: AppId, shard: str, blob: Digest) -> Damage:
    return Damage(
        app=app,
        grain="overrides",
        name=shard,
        effect="one device in 256 gets nothing new: it may have an override",
        cause=f"blob {blob} cannot be read",
        repair="run `edge store repair`, or restore the blob from a backup",
    )


def _lost_set(app: AppId, name: str, error: Exception) -> Damage:
    return Damage(
        app=app,
        grain="id_set",
        name=name,
        effect="devices that reach a segment which needs it get nothing new",
        cause=str(error),
        repair="upload the same ids again with `edge idset put`, or run `edge store repair`",
    )


def _lost_bundles(state: AppState, snapshot: AppSnapshot) -> Iterator[Damage]:
    for bundle in state.bundles.values():
        causes = {}
        if bundle.manifest in snapshot.lost:
            causes["manifests"] = f"manifest {bundle.manifest} or a file that it names cannot be read"
        if bundle.zip in snapshot.lost:
            causes["zips"] = f"zip {bundle.zip} cannot be read"
        if causes:
            yield Damage(
                app=state.app,
                grain="bundle",
                name=bundle.version,
                effect=f"not offered to devices that take {' or '.join(causes)}",
                cause="; ".join(causes.values()),
                repair="publish the same bundle again, which uploads what is missing, or run `edge store repair`",
            )
