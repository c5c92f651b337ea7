"""The supervisor's snapshots for explain and previews: an app's latest, built once per revision.

Everything here blocks and may be called from any thread.
"""

import threading
import time
from collections import OrderedDict
from contextlib import suppress
from typing import NamedTuple

from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.errors import NotFound
from edge.domain.model import AppId, AppState
from edge.node.service.snapshots.builder import SnapshotBuilder
from edge.store.heads import Head
from edge.store.reading import ReleaseReader

# Apps that people inspect at a time. A channel with all its ways back holds 0.5 MB of manifests: 50 MB with 3 each.
APPS_LIMIT = 32


class CurrentSnapshots:
    """Keeps the snapshots of the `limit` apps that were used last."""

    def __init__(self, releases: ReleaseReader, builder: SnapshotBuilder, limit: int = APPS_LIMIT) -> None:
        self._releases = releases
        self._builder = builder
        self._limit = limit
        self._lock = threading.Lock()  # also while building, so that nothing is built twice
        self._kept: OrderedDict[AppId, _Kept] = OrderedDict()

    def load(self, app: AppId) -> AppSnapshot:
        """The app's latest revision. Raises NotFound `unknown_app`, and what `SnapshotBuilder.build` raises."""
        head = self._releases.head(app)
        with self._lock:
            kept = self._kept.get(app)
            damaged, terms = self._builder.damaged(), self._builder.terms()
            # One that lost something is built again: it may be back.
            if (
                kept is None
                or (kept.head, kept.damaged, kept.snapshot.terms) != (head, damaged, terms)
                or kept.snapshot.lost
            ):
                before = kept.snapshot if kept else None
                kept = self._kept[app] = _Kept(head, damaged, self._builder.build(app, head, time.time(), before))
            self._kept.move_to_end(app)
            while len(self._kept) > self._limit:
                oldest, _ = self._kept.popitem(last=False)
                self._builder.forget(oldest)
            return kept.snapshot

    def of(self, state: AppState, now: float) -> AppSnapshot:
        """Of a state from the store: the kept one where it is the latest, else compiled. `now` in seconds since the
        epoch."""
        with suppress(NotFound):  # deleted by now
            latest = self.load(state.app)
            if latest.revision == state.revision:
                return latest
        return self.compile(state, now)

    def compile(self, state: AppState, now: float) -> AppSnapshot:
        """Of a state that a change would make; it is not kept."""
        with self._lock:
            kept = self._kept.get(state.app)
            return self._builder.compile(state, now, kept.snapshot if kept else None)


class _Kept(NamedTuple):
    head: Head
    damaged: frozenset[str]
    snapshot: AppSnapshot
