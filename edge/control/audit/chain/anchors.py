"""Anchors: what the store has of each node's chain, signed, so that a tail that is cut off, or a chain that is written
anew, is found. The node keeps a copy of its own last one beside what else it has seen of the store."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from edge.control.audit.chain.record import Chain, Owner
from edge.control.audit.chain.verifying import Anchored
from edge.domain.errors import Conflict
from edge.store.key_set import Trust
from edge.store.objects.port import AlreadyExists, ObjectStore, Stale
from edge.store.signing import KeyId, Writer, open_document, sign_document
from edge.store.stored_document import Untrusted, parse_document, read_stored

ANCHOR_DOMAIN = "edge-audit-anchor"
ANCHOR_FORMAT = 1
ANCHORS_PREFIX = "audit/"
SWAP_ATTEMPTS = 5
_SEEN = "audit.json"


class Anchor(msgspec.Struct, frozen=True, kw_only=True):
    """The chain of `node` began after record `start_n` and had its head at record `n`. `at` is in seconds since the
    epoch."""

    format: int
    store: str
    node: str
    n: int
    head: str
    start_n: int
    start: str
    at: float

    @property
    def anchored(self) -> Anchored:
        return Anchored(Chain(self.start_n, self.start), Chain(self.n, self.head))


class Floor(NamedTuple):
    """The highest anchors that are known: the store's, and the one that this node remembers. `problem` is what is
    wrong with the store's, "" if nothing is."""

    anchor: Anchor | None
    problem: str


_decoder = msgspec.json.Decoder(Anchor)


class Anchors:
    """Of one node. Blocks. `writer` None: for who only looks."""

    def __init__(self, store: ObjectStore, trust: Trust, owner: Owner, writer: Writer | None) -> None:
        self._store, self._trust, self._owner, self._writer = store, trust, owner, writer
        self._key = anchor_key(owner.node)

    @property
    def key_set(self) -> bytes:
        """The store's, as it is signed."""
        return self._trust.held.content

    @property
    def writes(self) -> bool:
        return self._writer is not None

    def floor(self) -> Floor:
        """What the chain is held against. Raises OSError for a shortage."""
        kept = self._kept()
        try:
            stored = self._stored()
        except Untrusted as error:
            return Floor(kept, error.message)
        if stored is None or (kept is not None and kept.n > stored.n):
            problem = "" if kept is None else f"the store's anchor, {self._key}, is older than the node's copy, or gone"
            return Floor(kept, problem)
        return Floor(stored, "")

    def put(self, start: Chain, head: Chain, at: float, *, lower: bool = False) -> None:
        """Durable in the store when it returns. Moves back to a lower record only with `lower`. Raises Conflict
        `busy`, Untrusted, OSError, and what the store raises."""
        assert self._writer is not None, "who only looks anchors nothing"
        for _ in range(SWAP_ATTEMPTS):
            stored = read_stored(self._store, self._key, self._key)
            if not lower and stored is not None and self._number(stored.data) > head.n:
                return
            anchor = Anchor(
                format=ANCHOR_FORMAT,
                store=self._owner.store,
                node=self._owner.node,
                n=head.n,
                head=head.digest,
                start_n=start.n,
                start=start.digest,
                at=round(at, 3),
            )
            sealed = sign_document(self._writer, ANCHOR_DOMAIN, msgspec.json.encode(anchor))
            try:
                if stored is None:
                    self._store.create(self._key, sealed)
                else:
                    self._store.swap(self._key, sealed, stored.tag)
            except (AlreadyExists, Stale):
                continue
            self._trust.seen.keep(_SEEN, sealed)
            return
        raise Conflict("busy", f"another process is writing {self._key}; try again")

    def _number(self, sealed: bytes) -> int:
        """0 for what is none to believe."""
        try:
            return self._open(sealed, self._trust.once_listed).n
        except Untrusted:
            return 0

    def _stored(self) -> Anchor | None:
        stored = read_stored(self._store, self._key, self._key)
        # By a key that was revoked since, too: it was the node's own, and the node's copy is held against it.
        return self._open(stored.data, self._trust.once_listed) if stored is not None else None

    def _kept(self) -> Anchor | None:
        sealed = self._trust.seen.read(_SEEN)
        try:
            return self._open(sealed, self._trust.once_listed) if sealed is not None else None
        except Untrusted as error:
            self._trust.seen.note_damage(_SEEN, error.message)
            return None

    def _open(self, sealed: bytes, keys: Mapping[KeyId, bytes]) -> Anchor:
        payload = open_document(ANCHOR_DOMAIN, sealed, keys, self._key)
        anchor = parse_document(payload, _decoder, ANCHOR_FORMAT, self._key)
        if (anchor.store, anchor.node) != self._owner:
            raise Untrusted("misplaced_document", f"{self._key} is the anchor of another chain")
        return anchor


def anchor_key(node: str) -> str:
    """Of a node's anchor."""
    return f"{ANCHORS_PREFIX}{node}.json"
