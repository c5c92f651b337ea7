"""Keeps what a worker serves up to date: builds the revisions that it receives, off the loop, and swaps them in.

What cannot be read is left out, named in the damages, and tried again until it can.
"""

import asyncio
import time
from collections.abc import Mapping

from edge.domain.model import AppId
from edge.node.service.snapshots.builder import Loaded, SnapshotBuilder
from edge.node.service.snapshots.served import ServedSnapshots
from edge.store.damage import Damage, Grain
from edge.store.releases import Head

RETRY_SECONDS = 60.0  # how late a worker notices that what was damaged can be read again

GRAINS: tuple[Grain, ...] = ("app", "revision", "bundle", "overrides", "id_set")  # what building an app can find


class SnapshotLoader:
    """Belongs to the loop; one build at a time, in a thread."""

    def __init__(self, builder: SnapshotBuilder, served: ServedSnapshots) -> None:
        self._builder = builder
        self._served = served
        self._building = asyncio.Lock()
        self._damaged: set[AppId] = set()

    async def load(self, heads: Mapping[AppId, Head]) -> list[Damage]:
        """Returns when every next request is answered from these revisions, or from newer ones, as far as they can be
        read; with what is damaged in them."""
        self._served.learn(heads)
        if not heads:
            return []
        async with self._building:
            for app, loaded in await asyncio.to_thread(self._build_all, list(heads)):
                self._take(app, loaded)
        return [damage for app in heads for damage in self._served.damages.of(app) if damage.grain in GRAINS]

    async def retry(self, every_seconds: float = RETRY_SECONDS) -> None:
        """Until cancelled: try again what is damaged."""
        while True:
            await asyncio.sleep(every_seconds)
            known = {app: head for app in self._damaged if (head := self._served.head(app)) is not None}
            await self.load(known)

    def _build_all(self, apps: list[AppId]) -> list[tuple[AppId, Loaded]]:
        built = ((app, self._build(app)) for app in apps)
        return [(app, loaded) for app, loaded in built if loaded is not None]

    def _build(self, app: AppId) -> Loaded | None:
        """None where the newest known revision is served whole."""
        served, head = self._served.snapshot(app), self._served.head(app)
        if head is None or (served and served.revision >= head.revision and app not in self._damaged):
            return None
        return self._builder.load(app, head, time.time(), served)

    def _take(self, app: AppId, loaded: Loaded) -> None:
        snapshot, damages = loaded
        if snapshot is not None:
            self._served.swap([snapshot])
        elif self._served.snapshot(app) is None:
            self._served.unserved.add(app)
        self._served.damages.replace(app, GRAINS, damages)
        (self._damaged.add if damages else self._damaged.discard)(app)
