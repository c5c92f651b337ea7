"""Which releases of this node's apps are under guard now, read in the background and kept until an app changes.

Blocks; for one thread at a time. A node with many apps learns of them some at a time, the changed ones first.
"""

from collections.abc import Callable, Iterator, Mapping

from edge.domain.errors import EdgeError
from edge.domain.guarding.watch import Watch, watches_of
from edge.domain.model import AppId, AppState, Digest
from edge.store.heads import Head
from edge.store.releases import Releases

APPS_A_LOOK = 50  # revisions read in one go: a large one takes 20 ms


class WatchedApps:
    """`watches` are by app, only of apps that have some."""

    def __init__(self, releases: Releases, heads: Callable[[], Mapping[AppId, Head]]) -> None:
        """`heads` are those that this node serves now."""
        self.watches: dict[AppId, tuple[Watch, ...]] = {}
        self._releases = releases
        self._heads = heads
        self._read: dict[AppId, Digest] = {}

    @property
    def acting(self) -> int:
        """How many releases are watched that the guard may act on."""
        return sum(watch.acts for watches in self.watches.values() for watch in watches)

    def find(self, app: str, watch: str) -> Watch | None:
        """As of the last look."""
        return next((each for each in self.watches.get(AppId(app), ()) if each.id == watch), None)

    def look(self) -> list[AppState]:
        """Read what has changed; returns the states that were read. What cannot be read is tried again the next time,
        and its damage is reported where it is served."""
        heads = dict(self._heads())
        for gone in self._read.keys() - heads.keys():
            self._forget(gone)
        return [state for app, head in self._changed(heads) if (state := self._take(app, head)) is not None]

    def _changed(self, heads: dict[AppId, Head]) -> Iterator[tuple[AppId, Head]]:
        known = [each for each in heads.items() if each[0] in self._read and self._read[each[0]] != each[1].digest]
        new = [each for each in heads.items() if each[0] not in self._read]
        yield from [*known, *new][:APPS_A_LOOK]

    def _take(self, app: AppId, head: Head) -> AppState | None:
        try:
            state = self._releases.load_revision(app, head.revision, head.digest)
        except (EdgeError, OSError):
            return None
        self._forget(app)
        self._read[app] = head.digest
        if watches := tuple(watches_of(state)):
            self.watches[app] = watches
        return state

    def _forget(self, app: AppId) -> None:
        self._read.pop(app, None)
        self.watches.pop(app, None)
