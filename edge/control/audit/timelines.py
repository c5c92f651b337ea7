"""The revisions of apps by time, as far as they were asked for: read once, since a chain's past never changes."""

import threading
from collections.abc import Iterator
from typing import NamedTuple

from edge.domain.errors import EdgeError
from edge.domain.model import AppId, Digest
from edge.store.reading import ReleaseReader
from edge.store.revision_document import RevisionLine

BLOCK = 50  # revisions read at once
LINES_LIMIT = 20_000  # remembered of all apps; some 500 bytes each


class ToldRevision(NamedTuple):
    """A revision: `at` in seconds since the epoch, `kind` its command's."""

    number: int
    at: float
    by: str
    kind: str
    summary: str
    reason: str
    digest: Digest
    change: str


class _Known:
    def __init__(self, head: Digest) -> None:
        self.head = head
        self.lines: list[ToldRevision] = []  # newest first
        self.whole = False


class Timelines:
    """Of one node's reader. Safe among threads; blocks."""

    def __init__(self, releases: ReleaseReader) -> None:
        self._releases = releases
        self._known: dict[AppId, _Known] = {}  # the one that was asked for last is the last
        self._lock = threading.Lock()

    def apps(self) -> list[AppId]:
        """All apps, those that were deleted too."""
        return sorted(self._releases.heads())

    def lines(self, app: AppId) -> Iterator[ToldRevision]:
        """Newest first; what cannot be read ends it, as it does the app's history."""
        place = 0
        known = self._known_of(app)
        while known is not None:
            with self._lock:
                if place >= len(known.lines):
                    self._extend(app, known)
                block = known.lines[place:]
            if not block:
                return
            yield from block
            place += len(block)

    def find(self, app: AppId, number: int) -> ToldRevision | None:
        """The revision with that number."""
        for told in self.lines(app):
            if told.number <= number:
                return told if told.number == number else None
        return None

    def _known_of(self, app: AppId) -> _Known | None:
        try:
            head = self._releases.last_head(app)
        except EdgeError:
            return None
        with self._lock:
            known = self._known.pop(app, None)
            if known is None or known.head != head.digest:
                known = self._grown(app, known, head.digest)
            self._known[app] = known
            while len(self._known) > 1 and sum(len(each.lines) for each in self._known.values()) > LINES_LIMIT:
                del self._known[next(iter(self._known))]
            return known

    def _grown(self, app: AppId, known: _Known | None, head: Digest) -> _Known:
        """With what is new above what is known already."""
        grown = _Known(head)
        if known is None or not known.lines:
            return grown
        newest = known.lines[0]
        block = self._read(app, None)
        fresh = [told for told in block if told.number > newest.number]
        if any(told.digest == newest.digest for told in block):
            grown.lines, grown.whole = fresh + known.lines, known.whole
        return grown

    def _extend(self, app: AppId, known: _Known) -> None:
        if known.whole:
            return
        before = known.lines[-1].number if known.lines else None
        block = self._read(app, before)
        known.lines += block
        known.whole = len(block) < BLOCK

    def _read(self, app: AppId, before: int | None) -> list[ToldRevision]:
        try:
            return [_told(line) for line in self._releases.history(app, BLOCK, before)]
        except (EdgeError, OSError):
            return []


def _told(line: RevisionLine) -> ToldRevision:
    return ToldRevision(
        line.number, line.at, line.by, line.kind, line.summary, line.reason, line.digest, line.change_id
    )
