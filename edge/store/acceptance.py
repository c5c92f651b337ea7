"""Accepting head shards that are refused, because the store went back to an old copy or lost them: `edge store
accept-restored`.

What is whole in the store is taken as it is, under a higher epoch; a shard that is damaged or missing comes back from
what this node has seen of it, or from the revisions in the store. An app whose latest revision is missing goes on from
the latest one that is there. Each app that went back gets a revision that says so
and keeps its withdrawn bundles and used version names, as far as this node remembers them.

A node that was made from a backup remembers nothing, while nodes that follow it may have seen more: with `every`, all
shards and apps go on above whatever those can have seen. Epochs and revisions are seconds then, which no writer
overtakes by its changes, and which a second restore of the same backup is above again.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import msgspec

from edge.domain.changes.acceptance import names_to_restore
from edge.domain.changes.apply import apply
from edge.domain.changes.commands import AcceptRestored, Change
from edge.domain.errors import Conflict, EdgeError
from edge.domain.model import AppId, Digest, Retired, VersionName
from edge.store.heads import (
    SHARDS,
    Head,
    Heads,
    HeadShard,
    VerifiedShard,
    build_successor,
    encode_shard,
    has_history,
    shard_of,
)
from edge.store.objects.port import (
    APPS_PREFIX,
    AlreadyExists,
    ObjectStore,
    Stale,
    blob_key,
    head_key,
    revision_number,
    revisions_prefix,
)
from edge.store.remembered import RememberedNames
from edge.store.revision_document import Revision
from edge.store.revisions import Revisions
from edge.store.signing import Writer
from edge.store.stored_document import Untrusted, read_stored


class AcceptedBy(NamedTuple):
    """Who accepts, when in seconds since the epoch, and the id of the request."""

    id: str
    at: float
    by: str


class AcceptedApp(NamedTuple):
    """An app of an accepted shard. It goes from revision `seen` (0: unknown) back to the state of `restored` (0: it was
    not there), which is recorded as `head`. `withdrawn` are the bundles that are withdrawn again, `kept` further
    version names that stay taken. With an unchanged `head`, the app has not gone back."""

    app: AppId
    seen: int
    restored: int
    head: Head
    withdrawn: list[VersionName]
    kept: list[VersionName]

    @property
    def went_back(self) -> bool:
        return self.head.revision != self.restored


class AcceptedShard(NamedTuple):
    """A shard that was or would be accepted; `problem` is why it was refused."""

    shard: str
    problem: str
    apps: list[AcceptedApp]


class Acceptance:
    """For one writer; the caller keeps other threads of this process from changing the shards meanwhile."""

    def __init__(
        self, store: ObjectStore, writer: Writer, heads: Heads, revisions: Revisions, remembered: RememberedNames
    ) -> None:
        self._store = store
        self._writer = writer
        self._heads = heads
        self._revisions = revisions
        self._remembered = remembered

    def run(self, by: AcceptedBy, *, dry: bool, every: bool = False) -> list[AcceptedShard]:
        """Every refused shard, or all of them, accepted unless `dry`. Raises Untrusted `newer_format`, and
        Conflict `busy` if another writer moves one meanwhile; those before it are accepted then."""
        with_revisions: dict[str, list[AppId]] = {shard: [] for shard in SHARDS}
        for app in self._store.folders(APPS_PREFIX):
            with_revisions[shard_of(AppId(app))].append(AppId(app))
        above = int(by.at) if every else 0
        found = (self._accept(shard, with_revisions[shard], by, above, dry=dry) for shard in SHARDS)
        return [each for each in found if each is not None]

    def _accept(
        self, name: str, with_revisions: list[AppId], by: AcceptedBy, above: int, *, dry: bool
    ) -> AcceptedShard | None:
        problem, base = self._problem(name)
        lost = [app for app in with_revisions if app not in base.apps and has_history(self._store, app)]
        without = [app for app, head in base.apps.items() if not self._revisions.has(app, head.revision, head.digest)]
        if not problem and lost:
            problem = f"head shard {name} has lost app {lost[0]!r}, whose revisions are in the store"
        if not problem and without:
            revision = base.apps[without[0]].revision
            problem = f"head shard {name} names revision {revision} of app {without[0]!r}, which is not in the store"
        if not problem and above:
            problem = f"head shard {name} goes on above what other nodes have seen"
        if not problem:
            return None
        good = self._heads.known(name)
        apps = sorted({*base.apps, *good.apps, *lost})
        accepted = [self._accept_app(app, base, good, by, above, dry=dry) for app in apps]
        if not dry:
            self._move(name, base, good, {each.app: each.head for each in accepted}, by.at, above)
        return AcceptedShard(name, problem, accepted)

    def _problem(self, name: str) -> tuple[str, HeadShard]:
        """Why the shard is refused, and the state that it goes on from: its own if it is whole, else the one that this
        node has seen."""
        try:
            return "", self._heads.shard(name).shard
        except Untrusted as error:
            if error.code == "newer_format":
                raise
            return error.message, self._heads.older.get(name) or self._heads.known(name)

    def _accept_app(
        self, app: AppId, base: HeadShard, good: HeadShard, by: AcceptedBy, above: int, *, dry: bool
    ) -> AcceptedApp:
        seen, stored = good.apps.get(app), base.apps.get(app)
        lost = stored is None and seen is not None
        head, before = self._readable(app, stored or seen)
        remembered = self._remembered.of(app)
        latest = max(seen.revision if seen else 0, remembered.revision)
        names = names_to_restore(before.state if before else None, remembered.names)
        as_it_was = head is not None and not lost and latest <= head.revision and head in (seen, stored) and not names
        if head is not None and as_it_was and not above:
            return AcceptedApp(app, latest, head.revision, head, [], [])
        command = AcceptRestored(
            app=app,
            seen=max(latest, self._highest(app), above),
            names={version: self._dated(name, by.at) for version, name in names.items()},
            lost=lost,
        )
        change = Change(id=by.id, at=by.at, by=by.by, command=command)
        state = apply(before.state if before else None, change)
        digest = head.digest if head is not None else None
        written = Digest("") if dry else self._revisions.write(state, change, before, digest)
        if not dry:
            self._remembered.note(state, None)
        offered = before.state.bundles if before is not None and not lost else {}
        withdrawn = [VersionName(version) for version in names if version in offered]
        kept = [VersionName(version) for version in names if version not in offered]
        restored = 0 if lost or head is None else head.revision
        moved = Head(state.revision, written, deleted=bool(state.deleted))
        return AcceptedApp(app, latest, restored, moved, withdrawn, kept)

    def _readable(self, app: AppId, wanted: Head | None) -> tuple[Head | None, Revision | None]:
        """The wanted revision, or the newest that is in the store and can be read where that one cannot; at best one
        that is not above it."""
        for head in self._candidates(app, wanted):
            try:
                return head, self._revisions.read(app, head.revision, head.digest)
            except (EdgeError, OSError):
                continue
        return None, None

    def _candidates(self, app: AppId, wanted: Head | None) -> Iterator[Head]:
        if wanted is not None:
            yield wanted
        most = wanted.revision if wanted is not None else None
        lying = [(revision_number(key), key) for key in self._store.keys(revisions_prefix(app))]
        lying.sort(key=lambda each: (most is not None and each[0] <= most, each[0]), reverse=True)
        for number, key in lying:
            digest = key.rpartition("-")[2].removesuffix(".json")
            if number:
                yield Head(number, Digest(digest))

    def _highest(self, app: AppId) -> int:
        """Of all revisions in the store: a number that was used once is not used again."""
        return max((revision_number(key) for key in self._store.keys(revisions_prefix(app))), default=0)

    def _dated(self, name: Retired, at: float) -> Retired:
        """What devices may be downloading now stays readable for a while, if the store still has it."""
        if name.deleted or not self._store.has(blob_key(name.zip)):
            return name
        return replace(name, deleted=at)

    def _move(
        self, shard: str, base: HeadShard, good: HeadShard, apps: dict[AppId, Head], at: float, above: int
    ) -> None:
        """Raises Conflict `busy`."""
        epoch = max(base.epoch + 1, good.epoch + 1, above)
        held = msgspec.structs.replace(base, format=2, epoch=epoch, sequence=max(base.sequence, good.sequence))
        moved = build_successor(held, at, apps)
        key, content = head_key(shard), encode_shard(self._writer, moved)
        stored = read_stored(self._store, key, f"head shard {shard}")
        try:
            tag = self._store.create(key, content) if stored is None else self._store.swap(key, content, stored.tag)
        except (AlreadyExists, Stale) as error:
            raise Conflict("busy", f"another writer moved head shard {shard}; try again") from error
        self._heads.remember(VerifiedShard(moved, tag), content)
        self._heads.shard(shard)  # and with that its problem is over
