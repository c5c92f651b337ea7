"""What this worker serves: one immutable snapshot per app, each replaced whole.

A request reads the mapping once and never waits.
"""

from collections.abc import Iterable
from pathlib import Path

from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.model import AppId
from edge.store.objects.port import ObjectStore, blob_key


class ServedSnapshots:
    """Belongs to the loop. `snapshot(app)` returns an app's snapshot or None, `apps` is a live view of their ids."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._snapshots: dict[AppId, AppSnapshot] = {}
        self.apps = self._snapshots.keys()
        self.snapshot = self._snapshots.get  # bound once: every check calls it

    def __len__(self) -> int:
        return len(self._snapshots)

    def swap(self, snapshots: Iterable[AppSnapshot]) -> None:
        """Serve these from the next request on; an older revision than the one served is ignored."""
        for snapshot in snapshots:
            served = self._snapshots.get(snapshot.app)
            if served is None or snapshot.revision >= served.revision:
                self._snapshots[snapshot.app] = snapshot

    def blob(self, app: str, kind: str, digest: str) -> Path | None:
        """The path of a blob that this app's devices may fetch, else None. Raises FileNotFoundError for one that a
        revision names and the store has lost.
        """
        snapshot = self._snapshots.get(AppId(app))
        if snapshot is None or not snapshot.may_read(kind, digest):
            return None
        return self._store.path(blob_key(digest))
