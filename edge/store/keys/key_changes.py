"""Changes of the key set: a writer added or revoked, a root that hands over, a root that was lost.

Each is one compare-and-swap of the key set; nothing else of the store names a root. A revoked key's documents are
signed again by this writer before it is revoked, and once more after it, so that nothing stops for a moment.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from edge.domain.errors import Conflict, NotFound, Unavailable
from edge.store.heads import HEAD_DOMAIN, SHARDS
from edge.store.key_set import Trust
from edge.store.keys.key_document import (
    LISTED_LIMIT,
    ROOTS_LIMIT,
    HeldKeys,
    RevokedKey,
    RootLink,
    base64_of,
    follow_up,
    handed_over,
)
from edge.store.objects.port import ObjectStore, Stale, head_key
from edge.store.signing import KeyId, Writer, key_id_of, open_document, sign_document, signer_of
from edge.store.stored_document import Untrusted

SIGN_ATTEMPTS = 20  # of one document: each lost one is another writer's success


class Revoked(NamedTuple):
    """`signed_again` counts the documents that the revoked key had signed."""

    key: KeyId
    signed_again: int


class KeyChanges:
    """By the node of `writer`. `documents` are the signed documents besides heads, by key, with their domains. `now`
    is in seconds since the epoch. Every call blocks, and raises Conflict `busy` if another change was first."""

    def __init__(self, store: ObjectStore, trust: Trust, writer: Writer, documents: Mapping[str, str]) -> None:
        self._store = store
        self._trust = trust
        self._writer = writer
        self._documents = {head_key(shard): HEAD_DOMAIN for shard in SHARDS} | dict(documents)

    def add(self, root: Writer, public: bytes, now: float) -> None:
        """List a writer's key. Raises Conflict `too_many_keys`."""
        held = self._held()
        if key_id_of(public) not in held.keys and len(held.once_listed) >= LISTED_LIMIT:
            raise Conflict("too_many_keys", f"the key set has {LISTED_LIMIT:,} keys, with those that were revoked")
        self._trust.add_writer(root, public, now)

    def revoke(self, root: Writer, key: KeyId, now: float) -> Revoked:
        """What the key signs from now on is refused everywhere. Raises NotFound `unknown_key`, Conflict `own_key`,
        `root_is_writer`."""
        held = self._held()
        self._trust.require_root(root)
        listed = held.key_set.keys.get(key)
        if listed is None:
            known = "is revoked already" if key in held.key_set.revoked else "is not of a writer: see `edge keys show`"
            raise NotFound("unknown_key", f"the key {key} {known}")
        if key == self._writer.id:
            raise Conflict(
                "own_key", "this node signs with that key: revoke it from another writer, or `edge keys renew`"
            )
        if key == held.key_set.root:
            raise Conflict("root_is_writer", f"{key} is the root: `edge keys rotate` first")
        again = self._sign_again(key, held.keys)
        keys = {id: each for id, each in held.key_set.keys.items() if id != key}
        revoked = {**held.key_set.revoked, key: RevokedKey(listed.public, listed.added, now)}
        self._trust.change(root, held, follow_up(held, keys=keys, revoked=revoked))
        return Revoked(key, again + self._sign_again(key, held.keys))

    def rotate(self, root: Writer, new: Writer, now: float) -> None:
        """Hand over to a new root: nobody has to be told. Raises Conflict `too_many_roots`."""
        held = self._held()
        self._trust.require_root(root)
        chain = held.key_set.chain
        if len(chain) >= ROOTS_LIMIT:
            raise Conflict("too_many_roots", f"the root was rotated {ROOTS_LIMIT:,} times: replace it once instead")
        link = handed_over(held, root, new.public, now)
        self._trust.change(root, held, follow_up(held, root=new.id, roots=(*chain, link)), signer=new)

    def replace(self, new: Writer, now: float) -> None:
        """Begin a new chain of roots without the word of the last one, whose key is lost. Every node that pinned it
        keeps what it has until its operator accepts the new root; this one accepts it here. Raises Forbidden
        `unlisted_writer` for a node that is none of the store's writers."""
        held = self._held()
        self._trust.require(self._writer)
        link = RootLink(base64_of(new.public), held.key_set.sequence + 1, now, held.digest)
        changed = follow_up(held, root=new.id, roots=(link,))
        self._trust.replace_root(new, held, changed)

    def _held(self) -> HeldKeys:
        self._trust.reload()
        return self._trust.held

    def _sign_again(self, key: KeyId, keys: Mapping[KeyId, bytes]) -> int:
        return sum(self._sign_one(name, domain, key, keys) for name, domain in self._documents.items())

    def _sign_one(self, name: str, domain: str, key: KeyId, keys: Mapping[KeyId, bytes]) -> bool:
        """Sign a document's payload again, as it is, if this key signed it; a damaged one is left to be repaired."""
        for _ in range(SIGN_ATTEMPTS):
            stored = self._store.get(name)
            try:
                if stored is None or signer_of(stored.data, name) != key:
                    return False
                payload = open_document(domain, stored.data, keys, name)
            except Untrusted:
                return False
            with suppress(Stale):
                self._store.swap(name, sign_document(self._writer, domain, payload), stored.tag)
                return True
        raise Unavailable("busy", f"another writer is changing {name}; try again")
