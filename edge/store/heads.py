"""Head shards: the current revision of every app, signed, numbered and dated.

A reader remembers the last good shard, across restarts too (`store.disk.seen`). It refuses and counts one with a lower
sequence, a lower revision, a wrong signature or in the wrong place, and keeps the last good one: a store that was
rolled back is not trusted, until an operator accepts it under a higher epoch.
"""

import hashlib
import logging
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

import msgspec

from edge.domain.model import AppId, Digest
from edge.store.key_set import Trust
from edge.store.objects.port import APPS_PREFIX, ObjectStore, Stored, head_key, revision_number, revisions_prefix
from edge.store.signing import KeyId, Writer, open_document, peek_payload, sign_document, signer_of
from edge.store.stored_document import UNREACHABLE, Untrusted, counting, parse_document, read_stored

HEAD_FORMAT = 2  # 1 had no epochs, and is still written for shards of epoch 0
SHARDS = "0123456789abcdef"
LIFETIME_SECONDS = 3600.0  # signed again every minute: sixty misses are an outage that a node has to report
OLDER = "older_document"  # the code of a shard that went back or vanished
HEAD_DOMAIN = "edge-head"

log = logging.getLogger("edge.store")


class Head(msgspec.Struct, frozen=True, omit_defaults=True):
    """Refers to one revision of an app, and so to everything in it. A `deleted` app keeps its head, and with it its
    history and its used version names."""

    revision: int
    digest: Digest
    deleted: bool = False


class HeadShard(msgspec.Struct, frozen=True):
    """One shard. `issued` and `expires` are in seconds since the epoch; after `expires` it may be out of date. `epoch`
    rises when an operator accepts a store that was rolled back; a sequence counts within one."""

    format: int
    store: str
    shard: str
    sequence: int
    issued: float
    expires: float
    apps: dict[AppId, Head]
    epoch: int = 0

    @property
    def order(self) -> tuple[int, int]:
        """What must never fall."""
        return self.epoch, self.sequence


class VerifiedShard(NamedTuple):
    """A verified shard and the tag of its bytes; None if the store does not have it."""

    shard: HeadShard
    tag: str | None


_decoder = msgspec.json.Decoder(HeadShard)


def stated_order(content: bytes, shard: str) -> tuple[int, int]:
    """Of a shard as it says itself, UNVERIFIED: for hints. (0, 0) if it cannot be read."""
    what = f"head shard {shard}"
    try:
        return parse_document(peek_payload(content, what), _decoder, HEAD_FORMAT, what).order
    except Untrusted:
        return 0, 0


def shard_of(app: AppId) -> str:
    """`0` to `f`. Part of the stored layout: changing it loses every app."""
    return hashlib.sha256(app.encode()).hexdigest()[0]


def build_successor(held: HeadShard, now: float, apps: dict[AppId, Head]) -> HeadShard:
    """The next shard in sequence, issued at `now` (seconds since the epoch)."""
    return msgspec.structs.replace(
        held, sequence=held.sequence + 1, issued=now, expires=now + LIFETIME_SECONDS, apps=apps
    )


def encode_shard(writer: Writer, shard: HeadShard) -> bytes:
    """Signed."""
    return sign_document(writer, HEAD_DOMAIN, msgspec.json.encode(shard))


def has_history(store: ObjectStore, app: str) -> bool:
    """Whether revisions of the app after its first are in the store. A first one alone may be left of a change that
    was cut off before the head moved."""
    return any(revision_number(key) > 1 for key in store.keys(revisions_prefix(app)))


class Heads:
    """Reads shards and remembers the last good ones. Safe among threads; blocks.

    `refused` counts refused documents by code; `problems` states, by shard, what is wrong with it now, and `unserved`
    those of the shards whose apps are not to be offered anything: they went back, or nothing good of them is known.
    `older` has, by shard, what a refused shard holds that is whole but went back; a vanished one holds nothing.
    `copied`: the store is a copy, which gets revisions before the head that names them.
    """

    def __init__(
        self, store: ObjectStore, trust: Trust, refused: Counter[str] | None = None, *, copied: bool = False
    ) -> None:
        self.refused: Counter[str] = Counter() if refused is None else refused
        self.problems: dict[str, str] = {}
        self.unserved: dict[str, str] = {}
        self.older: dict[str, HeadShard] = {}
        self._store = store
        self._trust = trust
        self._copied = copied
        self._good: dict[str, VerifiedShard] = {}
        self._kept: dict[str, HeadShard] = {}  # as the node's own directory has them
        self._orphans: dict[str, list[str]] = {}  # apps with revisions, by shard that never was
        self._lock = threading.Lock()

    def read(self) -> dict[AppId, Head]:
        """Every app's head, from a shard's last good version if it is refused now. Never raises Untrusted."""
        heads: dict[AppId, Head] = {}
        for name in SHARDS:
            heads |= self.last_good(name).apps
        return heads

    def last_good(self, name: str) -> HeadShard:
        """The shard as it is in the store now, or as it was before it was refused. Never raises Untrusted."""
        try:
            return self.shard(name).shard
        except Untrusted:  # counted and put into `problems` by `shard`
            return self.known(name)

    def known(self, name: str) -> HeadShard:
        """The last good version of the shard, as this node has seen it; without apps if it has seen none."""
        return self._known(name).shard

    def shard(self, name: str) -> VerifiedShard:
        """The shard as it is in the store now. Raises Untrusted, counted in `refused`."""
        try:
            with counting(self.refused):
                held = self._verified(name)
        except Untrusted as error:
            self._note_problem(name, error)
            raise
        for noted in (self.problems, self.unserved, self.older):
            noted.pop(name, None)
        return held

    def overruled(self, name: str) -> VerifiedShard | None:
        """The last good version, to be written over one that a key signed after it was revoked. None: it did not."""
        stored = self._store.get(head_key(name))
        held = self._trust.held.key_set
        try:
            if stored is None or signer_of(stored.data, name) not in held.revoked:
                return None
        except Untrusted:
            return None
        return self._known(name)._replace(tag=stored.tag)

    def judge(self, name: str, content: bytes) -> HeadShard:
        """A shard from elsewhere that may follow the last good one. Nothing is remembered. Raises Untrusted."""
        known = self.known(name)
        shard = self._parse(name, content)
        _check_successor(known, shard)
        return shard

    def order_of(self, name: str, stored: Stored) -> tuple[int, int]:
        """Of a stored version of the shard; (0, 0), which every good one follows, if it is not one to believe."""
        known = self._known(name)
        if stored.tag == known.tag:
            return known.shard.order
        try:
            return self._parse(name, stored.data).order
        except Untrusted:
            return 0, 0

    def issued(self) -> dict[str, float]:
        """When the last good version of each known shard was signed, in seconds since the epoch."""
        with self._lock:
            return {name: held.shard.issued for name, held in self._good.items() if held.shard.sequence}

    def remember(self, held: VerifiedShard, content: bytes) -> None:
        """Accept no older version than this good one, which this process read or wrote as `content`."""
        name = held.shard.shard
        known = self._known(name)
        with self._lock:
            if held.shard.order < known.shard.order or held.shard.order < self._good[name].shard.order:
                return
            self._good[name] = held
            kept = self._kept.get(name)
            # Not each time that a shard is signed again: that is every minute, and nothing can be lost by it.
            if kept is not None and (kept.epoch, kept.apps) == (held.shard.epoch, held.shard.apps):
                return
            self._kept[name] = held.shard
        self._trust.seen.keep(_seen_name(name), content)

    def _note_problem(self, name: str, error: Untrusted) -> None:
        serves = error.code != OLDER and self._known(name).shard.sequence > 0
        if self.problems.get(name) != error.message:
            meanwhile = "the last good one is used" if serves else "its apps are offered nothing"
            tell = log.warning if error.code == UNREACHABLE else log.error
            ends = "it is restored, or accepted with `edge store accept-restored`"
            tell("%s: %s until %s", error.message, meanwhile, "it answers" if error.code == UNREACHABLE else ends)
        self.problems[name] = error.message
        if serves:
            self.unserved.pop(name, None)
        else:
            self.unserved[name] = error.message

    def _verified(self, name: str) -> VerifiedShard:
        known = self._known(name)  # before the read: what others write during it cannot make this one look old
        stored = read_stored(self._store, head_key(name), f"head shard {name}")
        self.older.pop(name, None)
        if stored is None:
            if known.shard.apps:
                raise Untrusted(OLDER, f"head shard {name} has vanished from the store")
            if not self._copied:
                self._check_new(name)
            return known._replace(tag=None)
        if stored.tag == known.tag:
            return known
        shard = self._parse(name, stored.data)
        self.older[name] = shard
        if shard.apps == known.shard.apps and shard.order < known.shard.order:
            # Only proofs of freshness were lost. What is written next has to follow those, too.
            epoch, sequence = known.shard.order
            return VerifiedShard(msgspec.structs.replace(shard, epoch=epoch, sequence=sequence), stored.tag)
        _check_successor(known.shard, shard)
        held = VerifiedShard(shard, stored.tag)
        self.remember(held, stored.data)
        return held

    def _check_new(self, name: str) -> None:
        """A shard that the store never had has no revisions of apps, but for the first of one that was not finished."""
        orphans = self._orphans.get(name)
        if orphans is None:
            apps = (app for app in self._store.folders(APPS_PREFIX) if shard_of(AppId(app)) == name)
            orphans = [app for app in apps if has_history(self._store, app)]
            if not orphans:
                return
            self._orphans[name] = orphans
        more = f" and {len(orphans) - 1} more" if len(orphans) > 1 else ""
        raise Untrusted(
            OLDER, f"head shard {name} has vanished from the store, which has revisions of {orphans[0]!r}{more}"
        )

    def _known(self, name: str) -> VerifiedShard:
        held = self._good.get(name)
        if held is None:
            seen = self._seen(name)
            with self._lock:
                held = self._good.setdefault(name, VerifiedShard(seen or self._empty(name), None))
                if seen is not None:
                    self._kept[name] = seen
        return held

    def _seen(self, name: str) -> HeadShard | None:
        """As this node saw it last, before it was restarted."""
        content = self._trust.seen.read(_seen_name(name))
        if content is None:
            return None
        try:
            # By a key that has been revoked since, too: it was good when this node accepted it, and is the floor.
            return self._parse(name, content, self._trust.once_listed)
        except Untrusted as error:
            self._trust.seen.note_damage(_seen_name(name), error.message)
            return None

    def _empty(self, name: str) -> HeadShard:
        return HeadShard(1, self._trust.store_id, name, 0, 0.0, 0.0, {})

    def _parse(self, name: str, content: bytes, keys: Mapping[KeyId, bytes] | None = None) -> HeadShard:
        what = f"head shard {name}"
        payload = self._open(content, what) if keys is None else open_document(HEAD_DOMAIN, content, keys, what)
        shard = parse_document(payload, _decoder, HEAD_FORMAT, what)
        if (shard.store, shard.shard) != (self._trust.store_id, name):
            raise Untrusted("misplaced_document", f"{what} contains shard {shard.shard} of store {shard.store}")
        strays = [app for app in shard.apps if shard_of(app) != name]
        if strays:
            raise Untrusted("misplaced_document", f"{what} contains app {strays[0]!r}, which belongs to another shard")
        return shard

    def _open(self, content: bytes, what: str) -> bytes:
        try:
            return open_document(HEAD_DOMAIN, content, self._trust.keys, what)
        except Untrusted as error:
            if error.code != "unknown_writer":
                raise
        with suppress(Untrusted):  # in the trust's `problem`
            self._trust.reload()  # a writer that was added since
        return open_document(HEAD_DOMAIN, content, self._trust.keys, what)


def _check_successor(known: HeadShard, found: HeadShard) -> None:
    what = f"head shard {found.shard}"
    if found.epoch > known.epoch:
        return  # an operator accepted what is there
    if found.order < known.order:
        counted = "epoch" if found.epoch < known.epoch else "sequence"
        was, now = (getattr(each, counted) for each in (known, found))
        raise Untrusted(OLDER, f"{what} was rolled back from {counted} {was} to {now}")
    for app, head in known.apps.items():
        new = found.apps.get(app)
        if new is None or new.revision < head.revision:
            went = f"to {new.revision}" if new else "to none"
            raise Untrusted(OLDER, f"{what}: app {app!r} was rolled back from revision {head.revision} {went}")
        if new.revision == head.revision and new.digest != head.digest:
            raise Untrusted(OLDER, f"{what}: app {app!r} now has a different revision {head.revision}")


def _seen_name(shard: str) -> str:
    return f"heads/{shard}.json"
