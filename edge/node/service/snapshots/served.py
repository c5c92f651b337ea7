"""What this worker serves: one immutable snapshot per app, each replaced whole.

An app is known by its head and never becomes unknown by damage. A request reads the mapping once and never waits.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.errors import Unavailable
from edge.domain.model import AppId
from edge.node.service.snapshots.first_asks import FirstAsks
from edge.store.damage import Damages
from edge.store.heads import Head, shard_of
from edge.store.objects.port import ObjectStore, blob_key


class ServedSnapshots:
    """Belongs to the loop. `snapshot(app)` returns an app's snapshot or None, `apps` is a live view of the ids of all
    known apps. One without a snapshot is not loaded yet, or in `unserved`: nothing of it can be read. `damages` is what
    cannot be served, `asks` are the requests that wait for an app. `swapped` hears of each new snapshot.
    """

    def __init__(self, store: ObjectStore, asks: FirstAsks | None = None) -> None:
        self.asks = asks or FirstAsks()
        self.damages = Damages()
        self.unserved: set[AppId] = set()
        self.swapped: Callable[[AppSnapshot], None] = _nobody_hears
        self.guard_blind = False  # whether nobody would notice a release that fails
        self.unserved_shards: Mapping[str, str] = {}  # of which apps may exist that no head names
        self._store = store
        self._snapshots: dict[AppId, AppSnapshot] = {}
        self._heads: dict[AppId, Head | None] = {}  # None: served without a head
        self.apps = self._heads.keys()
        self.snapshot = self._snapshots.get  # bound once: every check calls it

    def __len__(self) -> int:
        """Apps that can be served."""
        return len(self._heads) - len(self.unserved)

    @property
    def loaded(self) -> int:
        """Apps in memory."""
        return len(self._snapshots)

    def loaded_apps(self) -> list[AppId]:
        """Those in memory, as of now."""
        return list(self._snapshots)

    @property
    def hopeless(self) -> bool:
        """Whether apps are known, deleted ones aside, and none of them can be served."""
        return bool(self.unserved) and all(
            app in self.unserved for app, head in self._heads.items() if head is None or not head.deleted
        )

    def learn(self, heads: Mapping[AppId, Head]) -> None:
        """These apps exist, whether their revisions can be read or not; an older head than the known one is ignored."""
        for app, head in heads.items():
            known = self._heads.get(app)
            if known is None or head.revision >= known.revision:
                self._heads[app] = head

    def head(self, app: AppId) -> Head | None:
        """The newest known head of the app."""
        return self._heads.get(app)

    def is_deleted(self, app: AppId) -> bool:
        """Whether the newest known head says so."""
        head = self._heads.get(app)
        return head is not None and head.deleted

    def is_unserved(self, app: AppId) -> bool:
        """Whether nothing of the app can be served now although it exists, or may: it is damaged, not loaded yet, or
        of a head shard that cannot be read."""
        if app in self._heads:
            return app not in self._snapshots
        return bool(self.unserved_shards) and shard_of(app) in self.unserved_shards

    def is_withheld(self, app: AppId) -> bool:
        """Whether the app's head shard is not trusted now: what is known of the app may be of long ago."""
        return bool(self.unserved_shards) and shard_of(app) in self.unserved_shards

    def is_awaited(self, app: AppId) -> bool:
        """Whether the app is known, not loaded yet, and worth waiting for."""
        return app in self._heads and app not in self._snapshots and app not in self.unserved

    async def wait_for(self, app: AppId) -> None:
        """Have the app loaded if it is not yet, and wait for that as long as `FirstAsks` says."""
        if self.is_awaited(app):
            await self.asks.wait(app)

    def swap(self, snapshots: Iterable[AppSnapshot]) -> None:
        """Serve these from the next request on; an older revision than the one served is ignored."""
        for snapshot in snapshots:
            self._heads.setdefault(snapshot.app, None)
            served = self._snapshots.get(snapshot.app)
            if served is None or snapshot.revision >= served.revision:
                self._snapshots[snapshot.app] = snapshot
                self.swapped(snapshot)
            self.unserved.discard(snapshot.app)
            self.asks.settle(snapshot.app)

    def let_go(self, app: AppId) -> None:
        """The app can be read, and is not loaded until a device asks for it."""
        self.unserved.discard(app)

    def miss(self, app: AppId) -> None:
        """No revision of the app can be read now; it is served as before, if it was."""
        if app not in self._snapshots:
            self.unserved.add(app)
        self.asks.settle(app)

    def may_read(self, app: str, kind: str, digest: str) -> bool:
        """Whether this app's devices may fetch the blob. Raises Unavailable `app_unserved` for a known app without a
        snapshot."""
        snapshot = self._snapshots.get(AppId(app))
        if snapshot is None and self.is_unserved(AppId(app)):
            raise Unavailable("app_unserved", f"app {app!r} cannot be served now")
        return snapshot is not None and snapshot.may_read(kind, digest)

    def patch_to(self, app: str, new: str, old: str) -> str | None:
        """The blob of the app's patch between two plain files, by their digests."""
        snapshot = self._snapshots.get(AppId(app))
        return None if snapshot is None else snapshot.patch_to(new, old)

    def apps_with(self, digests: Collection[str]) -> list[AppId]:
        """The loaded apps whose devices may fetch one of these blobs. For a thread: it looks into each app."""
        found = list(self._snapshots.items())
        return [app for app, snapshot in found if any(snapshot.names_blob(digest) for digest in digests)]

    def blob(self, app: str, kind: str, digest: str) -> Path | None:
        """The path of a blob that this app's devices may fetch, else None. Raises FileNotFoundError for one that a
        revision names and the store has lost, and as `may_read`.
        """
        if not self.may_read(app, kind, digest):
            return None
        return self._store.path(blob_key(digest))


def _nobody_hears(snapshot: AppSnapshot) -> None:
    pass
