"""A worker's word to the one writer of device facts that this node itself failed a download.

Shed, cut, lost, unreadable: a device that reports a failure then says nothing about its bundle. What is cut because a
peer takes nothing is that address's alone, or one slow network a second would excuse every bundle for good.
"""

import time
from collections.abc import Callable

from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.model import AppId
from edge.facts.changes import Faulted

REPEAT_SECONDS = 0.5  # the same fault again within this tells the writer nothing (telemetry.faults.SLACK_SECONDS)
RECENT_LIMIT = 10_000  # faults remembered as told; beyond it some are told twice

_Key = tuple[str, str, str]


class OwnFaults:
    """`tell` hands one over at once: the device's report may come to another worker a moment later."""

    def __init__(
        self,
        snapshot_of: Callable[[AppId], AppSnapshot | None],
        tell: Callable[[Faulted], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._snapshot_of = snapshot_of
        self._tell = tell
        self._clock = clock
        self._told: dict[_Key, float] = {}

    def note_everything(self) -> None:
        """The worker has more to do than it can: whatever fails now may have failed for that."""
        if self._is_news(("", "", "")):
            self._tell(Faulted())

    def note_download(self, app: str, digest: str, prefix: str = "") -> None:
        """Of every bundle that the blob is part of; with `prefix`, for that address alone."""
        snapshot = self._snapshot_of(AppId(app))
        if snapshot is None or not self._is_news((app, digest, prefix)):
            return
        for bundle in snapshot.bundles_with(digest):
            self._tell(Faulted(app, bundle.version, prefix))

    def _is_news(self, key: _Key) -> bool:
        now = self._clock()
        if now - self._told.get(key, -REPEAT_SECONDS) < REPEAT_SECONDS:
            return False
        if len(self._told) >= RECENT_LIMIT:
            self._told.clear()
        self._told[key] = now
        return True
