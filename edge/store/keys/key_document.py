"""The key set as a document: the writers to trust, the root that signs it, and how that root follows from earlier ones.

Each key set names the digest of the one before it. Where a new root took over, the old one has signed that, for this
store, this place in the sequence and these bytes before it, and the statement stays in all later key sets: so a node
that was away for many rotations walks from the root that it pinned to the present one. Pure: verifies, and stores
nothing.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from edge.domain.model import Digest
from edge.store.signing import KeyId, Writer, key_id_of, open_document, peek_payload, sign_document, sign_statement
from edge.store.signing import statement as statement_bytes
from edge.store.stored_document import Untrusted, digest_of, parse_document

KEY_SET_FORMAT = 2  # 1 knows no rotated root and no revoked key, and is still written for key sets without
ROOTS_LIMIT = 1_000  # rotations of one store: one a week for 19 years; a hostile chain costs 0.2 s to refuse
LISTED_LIMIT = 1_000  # keys that are listed or revoked: a key of each node that ever wrote
KEY_SET_LIMIT_BYTES = 1 << 20  # both limits reached make 0.6 MB
KEY_BYTES = 32
FORKED = "forked_history"  # the code of a key set that does not continue the one that this node knows
UNKNOWN_ROOT = "unknown_root"  # of one whose root nobody vouches for whom this node trusts
WHAT = "key set"
_DOMAIN = "edge-writers"
_HANDOVER = "edge-root"


class ListedKey(msgspec.Struct, frozen=True):
    """A writer's key."""

    public: str  # base64 of the 32 bytes
    added: float  # seconds since the epoch


class RevokedKey(msgspec.Struct, frozen=True):
    """A key that was a writer's: what it signed counts no more."""

    public: str
    added: float
    revoked: float  # seconds since the epoch


class RootLink(msgspec.Struct, frozen=True, omit_defaults=True):
    """A root, and the word of the root before it. The first of a chain has nobody's word."""

    public: str
    sequence: int  # of the first key set that it signed
    at: float  # seconds since the epoch
    previous: str = ""  # the digest of the key set before that
    signature: str = ""  # of the root before, over store, sequence, previous and public


class KeySet(msgspec.Struct, frozen=True, omit_defaults=True):
    """`roots` ends with the present root; a key set of format 1 has none there, and its root among the `keys`."""

    format: int
    store: str
    sequence: int
    root: KeyId
    keys: dict[KeyId, ListedKey]
    previous: str = ""  # the digest of the key set before; the first has none
    revoked: dict[KeyId, RevokedKey] = {}
    roots: tuple[RootLink, ...] = ()

    @property
    def chain(self) -> tuple[RootLink, ...]:
        """All roots, the present one last."""
        return self.roots or (RootLink(self.keys[self.root].public, 1, self.keys[self.root].added),)

    def keeps_chain_of(self, known: "KeySet") -> bool:
        """Whether the chain goes on from the known one."""
        own, others = ([each.public for each in chain] for chain in (self.chain, known.chain))
        return own[: len(others)] == others


class HeldKeys(NamedTuple):
    """A verified key set with its bytes, which have `tag` in the store."""

    key_set: KeySet
    keys: Mapping[KeyId, bytes]
    digest: Digest  # of its payload: what the next one names
    tag: str
    content: bytes

    @property
    def once_listed(self) -> Mapping[KeyId, bytes]:
        """The keys, and those that were revoked."""
        return {id: unbase64(key.public) for id, key in self.key_set.revoked.items()} | dict(self.keys)

    @property
    def root_public(self) -> bytes:
        return unbase64(self.key_set.chain[-1].public)


_decoder = msgspec.json.Decoder(KeySet)


def found_key_set(store_id: str, writer: Writer, now: float) -> KeySet:
    """The first key set of a store: its writer is its root."""
    return KeySet(1, store_id, 1, writer.id, {writer.id: ListedKey(base64_of(writer.public), now)})


def follow_up(held: HeldKeys, **changed: object) -> KeySet:
    """The next key set in sequence, in the oldest format that can express it."""
    following = msgspec.structs.replace(
        held.key_set, format=KEY_SET_FORMAT, sequence=held.key_set.sequence + 1, previous=held.digest, **changed
    )
    chain = following.chain if following.roots else held.key_set.chain
    if len(chain) == 1 and not following.revoked and following.root in following.keys:
        return msgspec.structs.replace(following, format=1, roots=())
    return msgspec.structs.replace(following, roots=chain)


def handed_over(held: HeldKeys, old: Writer, public: bytes, now: float) -> RootLink:
    """The old root's word for a new one, which signs the next key set."""
    link = RootLink(base64_of(public), held.key_set.sequence + 1, now, held.digest)
    said = sign_statement(old, _HANDOVER, _words(held.key_set.store, link))
    return msgspec.structs.replace(link, signature=said)


def sign_key_set(root: Writer, key_set: KeySet) -> bytes:
    """Signed by the root that it names."""
    return sign_document(root, _DOMAIN, msgspec.json.encode(key_set))


def peek_key_set(content: bytes) -> KeySet:
    """What it says, with its own root's signature verified, but nobody's word for that root. Raises Untrusted
    `bad_signature`, `unreadable_document`, `newer_format`."""
    return _opened(content).key_set


def open_key_set(content: bytes, tag: str, pinned: bytes, *, accepts: str = "") -> HeldKeys:
    """The key set, if the chain of its roots leads from the `pinned` root's public key, or its root is the one that an
    operator `accepts` (a fingerprint) instead. Raises Untrusted, with `unknown_root` if it does not lead there."""
    held = _opened(content, tag)
    chain = held.key_set.chain
    if accepts and fingerprint_of(held.root_public).startswith(accepts):
        _check_words(held.key_set, len(chain) - 1)
        return held
    at = next((n for n, each in enumerate(chain) if unbase64(each.public) == pinned), None)
    if at is None:
        raise Untrusted(
            UNKNOWN_ROOT,
            f"the {WHAT} is not signed by root {key_id_of(pinned)}, nor by one that it leads to: store "
            f"{held.key_set.store[:64]!r}, root {held.key_set.root}. If the root key was lost, its operators tell you "
            "the new root: `edge keys root accept`",
        )
    _check_words(held.key_set, at)
    return held


def check_successor(known: HeldKeys, found: HeldKeys) -> None:
    """Raises Untrusted `older_document` for a key set that was rolled back, `forked_history` for one that does not
    continue the known one."""
    was, now = known.key_set, found.key_set
    if now.sequence < was.sequence:
        raise Untrusted("older_document", f"{WHAT} was rolled back from sequence {was.sequence} to {now.sequence}")
    follows = now.sequence != was.sequence + 1 or now.previous in ("", known.digest)
    same = now.sequence != was.sequence or now == was
    if not (follows and same and now.keeps_chain_of(was)):
        raise Untrusted(
            FORKED,
            f"{WHAT} {now.sequence} does not continue key set {was.sequence}, {known.digest[:16]}…: it is forked",
        )


def fingerprint_of(public: bytes) -> str:
    """The whole SHA-256 of a public key, in hexadecimal: a key id is its beginning."""
    return digest_of(public)


def base64_of(public: bytes) -> str:
    return base64.b64encode(public).decode()


def unbase64(text: str) -> bytes:
    """A public key. Raises Untrusted."""
    try:
        public = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Untrusted("unreadable_document", f"{WHAT}: a key is not base64") from error
    if len(public) != KEY_BYTES:
        raise Untrusted("unreadable_document", f"{WHAT}: a key has {len(public)} bytes, not {KEY_BYTES}")
    return public


def _opened(content: bytes, tag: str = "") -> HeldKeys:
    """Verified by the root that it names itself."""
    if len(content) > KEY_SET_LIMIT_BYTES:
        raise Untrusted("unreadable_document", f"{WHAT}: {len(content):,} bytes; at most {KEY_SET_LIMIT_BYTES:,}")
    key_set = parse_document(peek_payload(content, WHAT), _decoder, KEY_SET_FORMAT, WHAT)
    if len(key_set.roots) > ROOTS_LIMIT or len(key_set.keys) + len(key_set.revoked) > LISTED_LIMIT:
        raise Untrusted("unreadable_document", f"{WHAT}: more than {ROOTS_LIMIT:,} roots or {LISTED_LIMIT:,} keys")
    keys = {id: unbase64(key.public) for id, key in key_set.keys.items()}
    revoked = {id: unbase64(key.public) for id, key in key_set.revoked.items()}
    wrong = sorted(id for id, public in (*keys.items(), *revoked.items()) if key_id_of(public) != id)
    if not wrong and (key_set.roots or key_set.root in keys):
        wrong = [] if key_id_of(unbase64(key_set.chain[-1].public)) == key_set.root else [key_set.root]
    elif not wrong:
        wrong = [key_set.root]
    if wrong or keys.keys() & revoked.keys():
        raise Untrusted("unreadable_document", f"{WHAT}: key ids do not match their keys: {wrong or 'revoked ones'}")
    root = {key_set.root: unbase64(key_set.chain[-1].public)}
    try:
        payload = open_document(_DOMAIN, content, root, WHAT)
    except Untrusted as error:
        raise Untrusted("bad_signature", f"the {WHAT} was altered: its own root did not sign it") from error
    return HeldKeys(key_set, keys, digest_of(payload), tag, content)


def _check_words(key_set: KeySet, at: int) -> None:
    """Each root after `at` has the word of the one before it. Raises Untrusted `bad_signature`."""
    chain = key_set.chain
    for before, link in zip(chain[at:], chain[at + 1 :], strict=False):
        if not (before.sequence < link.sequence <= key_set.sequence and _vouches(before, link, key_set.store)):
            name = key_id_of(unbase64(link.public))
            raise Untrusted("bad_signature", f"{WHAT}: the root before {name} did not sign for it")


def _vouches(before: RootLink, link: RootLink, store: str) -> bool:
    try:
        signature = base64.b64decode(link.signature, validate=True)
        Ed25519PublicKey.from_public_bytes(unbase64(before.public)).verify(
            signature, statement_bytes(_HANDOVER, _words(store, link))
        )
    except (InvalidSignature, ValueError):
        return False
    return True


def _words(store: str, link: RootLink) -> bytes:
    return msgspec.json.encode([store, link.sequence, link.previous, link.public, link.at])
