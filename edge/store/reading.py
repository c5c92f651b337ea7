"""What the releases in a store are: heads, states, history. Nothing here changes them, so it takes no key.

A node that follows has this much of its mirror; `releases` adds what a writer does.
"""

import threading
from collections import Counter
from collections.abc import Hashable
from operator import is_

from edge.domain.errors import NotFound, Unavailable
from edge.domain.model import AppId, AppState, Digest
from edge.store.heads import SHARDS, Head, Heads, HeadShard, shard_of
from edge.store.held_heads import Apps, HeldHeads, NothingHeld, stamps
from edge.store.key_set import Trust
from edge.store.objects.port import ObjectStore
from edge.store.remembered import RememberedNames
from edge.store.revision_document import RevisionLine, with_changes
from edge.store.revisions import Revisions

REMEMBERED_LIMIT = 100  # apps whose names are remembered in one go, which reads and writes a file for each
MARKS_LIMIT = 1_000  # ends of pages of history that are remembered; 200 bytes each


class ReleaseReader:
    """Safe among threads; every call blocks.

    `shards` has the heads. `refused` counts refused documents by code; `problems` states, by head shard, what is wrong
    with it now. As in `Heads`, a store may be `copied`; an app that is `held` has the head that is served.
    """

    def __init__(
        self, store: ObjectStore, trust: Trust, held: HeldHeads | None = None, *, copied: bool = False
    ) -> None:
        self.refused: Counter[str] = Counter()
        self._held = held or NothingHeld()
        self._store = store
        self._trust = trust
        self.shards = Heads(store, trust, self.refused, copied=copied)
        self._revisions = Revisions(store, self.refused)
        self._remembered = RememberedNames(trust.seen)
        self._marks: dict[tuple[AppId, int], Digest] = {}
        self._marking = threading.Lock()
        self._caught_up: list[Apps] = []  # the heads whose apps are all remembered

    @property
    def problems(self) -> dict[str, str]:
        """See `Heads`."""
        return self.shards.problems

    @property
    def unserved(self) -> dict[str, str]:
        """See `Heads`."""
        return self.shards.unserved

    def heads_issued(self) -> dict[str, float]:
        """See `Heads.issued`."""
        return self.shards.issued()

    def heads(self) -> dict[AppId, Head]:
        """Every app's head, deleted apps included; the last good one if a shard is refused (see `problems`)."""
        return {app: head for shard in SHARDS for app, head in self._standing(shard).items()}

    def head(self, app: AppId) -> Head:
        """The app's head, the last good one if its shard is refused. Raises NotFound `unknown_app`, also for a deleted
        app, and Unavailable `older_store` for an app that a refused shard may have had."""
        head = self.last_head(app)
        if head.deleted:
            raise NotFound("unknown_app", f"unknown app {app!r}: it was deleted")
        return head

    def last_head(self, app: AppId) -> Head:
        """As `head`, but deleted apps have one too."""
        shard = shard_of(app)
        head = self._standing(shard).get(app)
        if head is None and shard in self.problems:
            raise Unavailable("older_store", f"app {app!r} may be missing: {self.problems[shard]}")
        if head is None:
            raise NotFound("unknown_app", f"unknown app {app!r}")
        return head

    def known_heads(self, app: AppId | None) -> Hashable:
        """Differs once this process has read or written another head of the app, or of any app: costs no reading."""
        if app is not None:
            return self._known(shard_of(app)).get(app)
        return tuple(tuple(self.known_shard(shard).apps.items()) for shard in SHARDS), stamps(self._held, SHARDS)

    def known_shard(self, shard: str) -> HeadShard:
        """The shard as this process has read or written it last: costs no reading."""
        return self.shards.known(shard)

    def last_good_shard(self, shard: str) -> HeadShard:
        """See `Heads.last_good`."""
        return self.shards.last_good(shard)

    def load(self, app: AppId) -> AppState:
        """The app's state now. Raises as `head` and `load_revision`."""
        return self.load_revision(app, *parts_of(self.head(app)))

    def load_revision(self, app: AppId, number: int, digest: Digest) -> AppState:
        """See `Revisions.load_revision`."""
        return self._revisions.load_revision(app, number, digest)

    def history(self, app: AppId, limit: int, before: int | None = None) -> list[RevisionLine]:
        """At most `limit` lines, newest first, from the head or from the last revision below `before` on. Each is
        verified by the digest in the next one, so an old page may be reached only by reading all newer ones. Deleted
        apps have a history too.

        Raises as `load`.
        """
        number, digest = parts_of(self.last_head(app))
        if before is not None and before <= number:
            marked = self._marks.get((app, before))
            number, digest = (before, marked) if marked is not None else (number, digest)
        lines: list[RevisionLine] = []
        older: RevisionLine | None = self._revisions.line(app, number, digest)
        while older is not None and len(lines) < limit:
            line = older
            older = self._line_before(app, line)
            if before is None or line.number < before:
                lines.append(with_changes(line, older))
        if lines:
            self._mark(app, lines[-1])
        return lines

    def remember(self, limit: int = REMEMBERED_LIMIT) -> None:
        """Remember what version names the apps have used, as far as that has changed since; `limit` apps at most."""
        good = [self._known(shard) for shard in SHARDS if shard not in self.problems]
        if len(good) == len(self._caught_up) and all(map(is_, good, self._caught_up)):
            return  # the same ones, which are replaced whole
        heads = {app: head for apps in good for app, head in apps.items()}
        if self._remembered.catch_up(heads, lambda app, head: self.load_revision(app, *parts_of(head)), limit):
            self._caught_up = good

    def _known(self, shard: str) -> Apps:
        """The heads of the last good version, as they are served."""
        return self._held.serve(shard, lambda: self.known_shard(shard).apps)

    def _standing(self, shard: str) -> Apps:
        return self._held.serve(shard, lambda: self._stored(shard))

    def _stored(self, shard: str) -> Apps:
        """The heads of a shard; if that went back, the last good ones whose revisions are still in the store, and for
        other apps what it went back to."""
        good, older = self.last_good_shard(shard).apps, self.shards.older.get(shard)
        if older is None:
            return good
        kept = {
            app: head
            for app, head in good.items()
            if app not in older.apps or self._revisions.has(app, *parts_of(head))
        }
        return older.apps | kept

    def _line_before(self, app: AppId, line: RevisionLine) -> RevisionLine | None:
        """None before the first."""
        link = line.previous
        return self._revisions.line(app, line.previous_number, link) if link is not None else None

    def _mark(self, app: AppId, line: RevisionLine) -> None:
        """Remember where a page ended: the next one begins there. A revision's past never changes."""
        with self._marking:
            self._marks[app, line.number] = line.digest
            while len(self._marks) > MARKS_LIMIT:
                del self._marks[next(iter(self._marks))]


def parts_of(head: Head) -> tuple[int, Digest]:
    """What names the head's revision, beside its app."""
    return head.revision, head.digest
