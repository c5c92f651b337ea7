"""A worker reports to the writer of device facts that this node itself failed a download.

Shed, cut, lost or unreadable: a failure that a device reports then is no evidence against its bundle. A download that
is cut because its peer reads nothing counts for that address alone; otherwise one slow network would excuse every
bundle.
"""

import time
from collections.abc import Callable

from edge.domain.decision.snapshot import AppSnapshot
from edge.domain.model import AppId
from edge.facts.changes import Faulted

REPEAT_SECONDS = 0.5  # the same fault again within this adds nothing for the writer
RECENT_LIMIT = 10_000  # faults remembered as reported; beyond it some are reported twice

_Key = tuple[str, str, str]


class OwnFaults:
    """`tell` sends a fault at once: the device's report may reach another worker a moment later."""

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
        """The worker is overloaded: any download that fails now may have failed because of that."""
        if self._is_news(("", "", "")):
            self._tell(Faulted())

    def note_download(self, app: str, digest: str, prefix: str = "") -> None:
        """For every bundle that contains the blob; with `prefix`, for that address prefix alone."""
        snapshot = self._snapshot_of(AppId(app))
        if snapshot is None or not self._is_news((app, digest, prefix)):
            return
        for bundle in snapshot.bundles_with(digest):
            self._tell(Faulted(app, bundle.version, prefix))

    def note_app(self, app: AppId) -> None:
        """For every bundle of the app: it is known and cannot be served now, so which one it was cannot be told."""
        if self._is_news((app, "", "")):
            self._tell(Faulted(app))

    def _is_news(self, key: _Key) -> bool:
        now = self._clock()
        if now - self._told.get(key, -REPEAT_SECONDS) < REPEAT_SECONDS:
            return False
        if len(self._told) >= RECENT_LIMIT:
            self._told.clear()
        self._told[key] = now
        return True
