"""Head shards: the current revision of every app, signed, numbered and dated.

A reader remembers the last good shard. It refuses and counts one with a lower sequence, a lower revision, a wrong
signature or in the wrong place, and keeps the last good one: a store that was rolled back is not trusted.
"""

import hashlib
import threading
from collections import Counter
from typing import NamedTuple

import msgspec

from edge.domain.model import AppId, Digest
from edge.store.key_set import Trust
from edge.store.objects.port import ObjectStore, head_key
from edge.store.signing import Writer, open_document, sign_document
from edge.store.stored_document import Untrusted, counting, parse_document

HEAD_FORMAT = 1
SHARDS = "0123456789abcdef"
LIFETIME_SECONDS = 3600.0  # signed again every minute: sixty misses are an outage that a node has to report
_DOMAIN = "edge-head"


class Head(msgspec.Struct, frozen=True, omit_defaults=True):
    """Refers to one revision of an app, and so to everything in it. A `deleted` app keeps its head, and with it its
    history and its used version names."""

    revision: int
    digest: Digest
    deleted: bool = False


class HeadShard(msgspec.Struct, frozen=True):
    """One shard. `issued` and `expires` are in seconds since the epoch; after `expires` it may be out of date."""

    format: int
    store: str
    shard: str
    sequence: int
    issued: float
    expires: float
    apps: dict[AppId, Head]


class VerifiedShard(NamedTuple):
    """A verified shard and the tag of its bytes; None if the store has no such shard yet."""

    shard: HeadShard
    tag: str | None


_decoder = msgspec.json.Decoder(HeadShard)


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
    return sign_document(writer, _DOMAIN, msgspec.json.encode(shard))


class Heads:
    """Reads shards and remembers the last good ones. Safe among threads; blocks.

    `refused` counts refused documents by code; `problems` states, by shard, what is wrong with it now.
    """

    def __init__(self, store: ObjectStore, trust: Trust, refused: Counter[str] | None = None) -> None:
        self.refused: Counter[str] = Counter() if refused is None else refused
        self.problems: dict[str, str] = {}
        self._store = store
        self._trust = trust
        self._good: dict[str, VerifiedShard] = {}
        self._lock = threading.Lock()

    def read(self) -> dict[AppId, Head]:
        """Every app's head, from a shard's last good version if it is refused now. Never raises Untrusted."""
        heads: dict[AppId, Head] = {}
        for name in SHARDS:
            try:
                heads |= self.shard(name).shard.apps
            except Untrusted:  # counted and put into `problems` by `shard`
                heads |= self._known(name).shard.apps
        return heads

    def shard(self, name: str) -> VerifiedShard:
        """The shard as it is in the store now. Raises Untrusted, counted in `refused`."""
        try:
            with counting(self.refused):
                held = self._verified(name)
        except Untrusted as error:
            self.problems[name] = error.message
            raise
        self.problems.pop(name, None)
        return held

    def issued(self) -> dict[str, float]:
        """When the last good version of each known shard was signed, in seconds since the epoch."""
        with self._lock:
            return {name: held.shard.issued for name, held in self._good.items()}

    def remember(self, held: VerifiedShard) -> None:
        """Accept no older version than this good one, which this process read or wrote."""
        name = held.shard.shard
        with self._lock:
            if held.shard.sequence >= self._known(name).shard.sequence:
                self._good[name] = held

    def _verified(self, name: str) -> VerifiedShard:
        known = self._known(name)  # before the read: what others write during it cannot make this one look old
        stored = self._store.get(head_key(name))
        if stored is None:
            if known.tag is not None:
                raise Untrusted("older_document", f"head shard {name} has vanished from the store")
            return known
        if stored.tag == known.tag:
            return known
        shard = self._parse(name, stored.data)
        _check_successor(known.shard, shard)
        held = VerifiedShard(shard, stored.tag)
        self.remember(held)
        return held

    def _known(self, name: str) -> VerifiedShard:
        return self._good.get(name) or VerifiedShard(
            HeadShard(HEAD_FORMAT, self._trust.store_id, name, 0, 0.0, 0.0, {}), None
        )

    def _parse(self, name: str, content: bytes) -> HeadShard:
        what = f"head shard {name}"
        shard = parse_document(self._open(content), _decoder, HEAD_FORMAT, what)
        if (shard.store, shard.shard) != (self._trust.store_id, name):
            raise Untrusted("misplaced_document", f"{what} contains shard {shard.shard} of store {shard.store}")
        strays = [app for app in shard.apps if shard_of(app) != name]
        if strays:
            raise Untrusted("misplaced_document", f"{what} contains app {strays[0]!r}, which belongs to another shard")
        return shard

    def _open(self, content: bytes) -> bytes:
        try:
            return open_document(_DOMAIN, content, self._trust.keys)
        except Untrusted as error:
            if error.code != "unknown_writer":
                raise
        self._trust.reload()  # a writer that was added since
        return open_document(_DOMAIN, content, self._trust.keys)


def _check_successor(known: HeadShard, found: HeadShard) -> None:
    what = f"head shard {found.shard}"
    if found.sequence < known.sequence:
        raise Untrusted("older_document", f"{what} was rolled back from sequence {known.sequence} to {found.sequence}")
    for app, head in known.apps.items():
        new = found.apps.get(app)
        if new is None or new.revision < head.revision:
            went = f"to {new.revision}" if new else "to none"
            raise Untrusted(
                "older_document", f"{what}: app {app!r} was rolled back from revision {head.revision} {went}"
            )
        if new.revision == head.revision and new.digest != head.digest:
            raise Untrusted("older_document", f"{what}: app {app!r} now has a different revision {head.revision}")
