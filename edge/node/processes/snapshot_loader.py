"""Keeps what a worker serves up to date: builds the revisions that it receives, off the loop, and swaps them in."""

import asyncio
import logging
import time
from collections.abc import Mapping

from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.model import AppId
from edge.node.service.snapshots.builder import SnapshotBuilder
from edge.node.service.snapshots.served import ServedSnapshots
from edge.store.releases import Head

RETRY_SECONDS = 60.0  # how late a worker notices that a lost manifest is back

log = logging.getLogger("edge.worker")


class SnapshotLoader:
    """`unreadable` counts revisions that could not be built; their apps stay at the last good one."""

    def __init__(self, builder: SnapshotBuilder, served: ServedSnapshots) -> None:
        self.unreadable = 0
        self._builder = builder
        self._served = served
        self._building = asyncio.Lock()
        self._incomplete: dict[str, Head] = {}  # apps that are served without one of their manifests

    async def load(self, heads: Mapping[str, Head]) -> None:
        """Returns when every next request is answered from these revisions, or from newer ones."""
        if heads:
            async with self._building:
                self._served.swap(await asyncio.to_thread(self._build_all, heads))

    async def retry(self, every_seconds: float = RETRY_SECONDS) -> None:
        """Until cancelled: look again for manifests that were lost."""
        while True:
            await asyncio.sleep(every_seconds)
            await self.load(dict(self._incomplete))

    def _build_all(self, heads: Mapping[str, Head]) -> list[AppSnapshot]:
        return [snapshot for app, head in heads.items() if (snapshot := self._build(AppId(app), head)) is not None]

    def _build(self, app: AppId, head: Head) -> AppSnapshot | None:
        served = self._served.snapshot(app)
        # A retry may have waited while a newer revision was built.
        if served and (served.revision > head.revision or (served.revision == head.revision and not served.lost)):
            return None
        try:
            snapshot = self._builder.build(app, head, time.time(), served)
        except Exception:
            log.exception("app %s stays at its last good revision: revision %s cannot be read", app, head.revision)
            self.unreadable += 1
            return None
        self._incomplete.pop(app, None)
        if snapshot.lost:
            self._incomplete[app] = head
        return snapshot
