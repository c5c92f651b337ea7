"""The store's key set, which lists the writers to trust, and this node's pin of its root.

The first writer at a new store creates the key set and the store's id, and becomes its root; only the root signs later
key sets, until it hands over to another (`key_document`). A node pins store id and root in its own directory on first
use, follows the root from there, and refuses any other store from then on.
"""

import logging
import secrets
import threading
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from edge.domain.errors import Conflict, Forbidden, Unavailable
from edge.store.disk.seen import NothingSeen, SeenByOthers, SeenDocuments
from edge.store.keys.key_document import (
    UNKNOWN_ROOT,
    WHAT,
    HeldKeys,
    KeySet,
    ListedKey,
    base64_of,
    check_successor,
    fingerprint_of,
    follow_up,
    found_key_set,
    open_key_set,
    peek_key_set,
    sign_key_set,
    unbase64,
)
from edge.store.keys.pin import PIN_FILE, PIN_FORMAT, TrustPin, make_pin, pin_of, read_pin, write_pin
from edge.store.objects.port import AlreadyExists, ObjectStore, Stale
from edge.store.signing import KeyId, Writer, key_id_of
from edge.store.stored_document import UNREACHABLE, Untrusted, read_stored

KEY_SET_KEY = "keys/writers.json"
_SEEN = "writers.json"

log = logging.getLogger("edge.store")


class Trust:
    """The last good key set that this node has seen. Made by `open_trust`. Safe among threads.

    `seen` is what the node keeps of the store's other documents, too; `problem` states what is wrong with the store's
    key set now, empty if nothing is.
    """

    def __init__(self, store: ObjectStore, pin: TrustPin, held: HeldKeys, seen: SeenDocuments, pin_file: Path) -> None:
        self.seen = seen
        self.problem = ""
        self._store = store
        self._pin = pin
        self._pin_file = pin_file
        self._held = held
        self._lock = threading.Lock()

    @property
    def store_id(self) -> str:
        return self._held.key_set.store

    @property
    def keys(self) -> Mapping[KeyId, bytes]:
        """Public keys of the writers, by id."""
        return self._held.keys

    @property
    def once_listed(self) -> Mapping[KeyId, bytes]:
        """As `keys`, with those that were revoked: for reading again what this node accepted before."""
        return self._held.once_listed

    @property
    def held(self) -> HeldKeys:
        """The whole of it."""
        return self._held

    def require(self, writer: Writer) -> None:
        """Raises Forbidden `unlisted_writer` for a key that no reader would accept."""
        if self.keys.get(writer.id) != writer.public:
            root = self._held.key_set.root
            raise Forbidden(
                "unlisted_writer",
                f"writer {writer.id} is not in the key set of store {self.store_id}, whose root is {root}: "
                f"on a node that writes to it, run `edge keys add {b64encode(writer.public).decode()}`",
            )

    def reload(self) -> None:
        """Read the key set again. Raises Untrusted and keeps the last good one if it was rolled back or altered."""
        floor = self._held
        try:
            held = self._read()
            if held.key_set.root == floor.key_set.root or not self._accepted(held):
                check_successor(floor, held)
        except Untrusted as error:
            if error.message != self.problem:
                log.error("%s; the last good one stays in use", error.message)
            self.problem = error.message
            raise
        self.problem = ""
        self._take(held)

    def offer(self, content: bytes) -> bool:
        """Take a key set from elsewhere into this node's store, if it continues the one that this node has; returns
        whether it is another one. Raises Untrusted, and keeps the last good one."""
        floor = self._held
        if content == floor.content:
            return False
        held = self._open(content, "")
        if held.key_set.root == floor.key_set.root or not self._accepted(held):
            check_successor(floor, held)
        if held.key_set == floor.key_set:
            return False
        _replace(self._store, content)
        self.problem = ""
        self._take(held)
        return True

    def put_back(self, *, dry: bool = False) -> bool:
        """Give the store the last good key set again, if what it holds now is missing, damaged or older; returns
        whether it did, or would if this were not `dry`. Its root's signature proves it, so any writer may."""
        try:
            self.reload()
        except Untrusted as error:
            if error.code == UNREACHABLE:
                raise
            if not dry:
                _replace(self._store, self._held.content)
                self.reload()
            return True
        return False

    def add_writer(self, root: Writer, public: bytes, now: float) -> None:
        """List another writer's key (32 bytes); `root` must be the store's root. Does nothing if it is listed. `now` is
        in seconds since the epoch.

        Raises Forbidden `not_root`, or Conflict `busy` if another change of the key set was first.
        """
        self.reload()
        held = self._held
        if key_id_of(public) in held.keys:
            self.require_root(root)
            return
        keys = {**held.key_set.keys, key_id_of(public): ListedKey(base64_of(public), now)}
        revoked = {id: key for id, key in held.key_set.revoked.items() if id != key_id_of(public)}
        self.change(root, held, follow_up(held, keys=keys, revoked=revoked))

    def require_root(self, root: Writer) -> None:
        """Raises Forbidden `not_root`."""
        if root.public != self._held.root_public:
            raise Forbidden("not_root", f"{root.id} is not the root {self._held.key_set.root} of the key set")

    def change(self, root: Writer, held: HeldKeys, changed: KeySet, *, signer: Writer | None = None) -> None:
        """Replace the key set `held` of this trust by another, signed by the `root`, or by the `signer` to which it
        hands over. Raises Forbidden `not_root`, Conflict `busy` if another change was first."""
        self.require_root(root)
        self._swap(signer or root, held, changed)
        self.reload()

    def replace_root(self, new: Writer, held: HeldKeys, changed: KeySet) -> None:
        """As `change`, without the word of the root before: only this node accepts the new one by that."""
        self._accept(fingerprint_of(new.public))
        self._swap(new, held, changed)
        self.reload()

    def _swap(self, signer: Writer, held: HeldKeys, changed: KeySet) -> None:
        try:
            self._store.swap(KEY_SET_KEY, sign_key_set(signer, changed), held.tag)
        except Stale as error:
            raise Conflict("busy", "another writer changed the key set; try again") from error

    def accept_root(self, fingerprint: str) -> bool:
        """From now on, a root with this fingerprint may stand in for the pinned one, although nobody that this node
        trusts vouches for it; returns whether the store's key set has that root now."""
        self._accept(fingerprint)
        with suppress(Untrusted):  # it is in `problem`, and may come later
            self.reload()
        return fingerprint_of(self._held.root_public).startswith(fingerprint)

    def _accept(self, fingerprint: str) -> None:
        with self._lock:
            self._pin = msgspec.structs.replace(self._pin, accepts=fingerprint)
            write_pin(self._pin_file, self._pin)

    def _read(self) -> HeldKeys:
        stored = read_stored(self._store, KEY_SET_KEY, WHAT)
        if stored is None:
            raise Untrusted("no_key_set", f"{self._store} has lost its key set")
        return self._open(stored.data, stored.tag)

    def _open(self, content: bytes, tag: str) -> HeldKeys:
        """The pin is read again before a root is refused: an operator may have accepted it beside this process."""
        try:
            return _open(content, tag, self._pin)
        except Untrusted as error:
            if error.code != UNKNOWN_ROOT or (pin := read_pin(self._pin_file)) in (None, self._pin):
                raise
            self._pin = pin
            return _open(content, tag, pin)

    def _accepted(self, held: HeldKeys) -> bool:
        accepts = self._pin.accepts
        return bool(accepts) and fingerprint_of(held.root_public).startswith(accepts)

    def _take(self, held: HeldKeys) -> None:
        with self._lock:
            if held.key_set.sequence >= self._held.key_set.sequence or held.key_set.root != self._held.key_set.root:
                self._held = held
            held = self._held
        if self.seen.read(_SEEN) != held.content:
            self.seen.keep(_SEEN, held.content)
        if self.seen.writes and self._pin.root != base64_of(held.root_public):
            self._follow_root(held)

    def _follow_root(self, held: HeldKeys) -> None:
        """Pin the present root, after the key set is kept that leads to it: what an earlier root signs is no news."""
        log.info("the root of the store's keys is %s from now on, vouched for or accepted", held.key_set.root)
        with self._lock:
            self._pin = TrustPin(PIN_FORMAT, held.key_set.store, base64_of(held.root_public))
            try:
                write_pin(self._pin_file, self._pin)
            except OSError as error:  # it leads there all the same
                log.warning("cannot pin root %s in %s: %s", held.key_set.root, self._pin_file, error)


def open_trust(store: ObjectStore, node_dir: Path, now: float, writer: Writer | None = None) -> Trust:
    """The store's writers, verified against the pin in `<node_dir>/trust.json`. `now` is in seconds since the epoch.

    With a writer, a new store gets its key set. A key set that is missing, damaged or older than the one that this node
    has seen is in `problem`; the seen one is used. Raises Forbidden `unlisted_writer` if the store does not list the
    writer; Unavailable `no_key_set` for a new store without a writer, and for one that has heads and no key set;
    Untrusted, with code `swapped_store` if the store is not the pinned one.
    """
    seen = SeenDocuments(node_dir)
    pin_file = node_dir / PIN_FILE
    pin = pin_of(pin_file, seen.read(_SEEN))
    if pin is None and writer is not None:
        _create(store, writer, now)
    held = _seen(seen, pin) if pin else None
    if held is None:
        held = _first_sight(store, pin)
    pin = pin or make_pin(pin_file, TrustPin(PIN_FORMAT, held.key_set.store, base64_of(held.root_public)))
    if pin.store != held.key_set.store:
        raise _swapped(pin, held.key_set)
    trust = Trust(store, pin, held, seen, pin_file)
    try:
        trust.reload()
    except Untrusted as error:
        if error.code == "swapped_store":
            raise
        # `problem` says so, and the one that the node has seen is used.
    if writer is not None:
        trust.require(writer)
    return trust


def read_trust(store: ObjectStore, node_dir: Path, *, compare: bool = False) -> Trust:
    """As `open_trust` without a writer, for one who only looks: nothing is written, a first sight is not pinned. With
    `compare`, heads and a key set that are older than the ones that the node has seen are refused."""
    pin_file = node_dir / PIN_FILE
    pin = read_pin(pin_file)
    seen = SeenByOthers(node_dir) if compare else NothingSeen(node_dir)
    last = _seen(SeenByOthers(node_dir), pin) if pin else None
    try:
        held = _first_sight(store, pin)
    except Untrusted as error:
        # Of an earlier root, as an old copy has it: known by the key set that leads from there to the pinned root.
        if error.code != UNKNOWN_ROOT or compare or pin is None or last is None:
            raise
        held = _as_ancestor(store, last, error)
    if compare and last is not None:
        check_successor(last, held)
    pin = pin or TrustPin(PIN_FORMAT, held.key_set.store, base64_of(held.root_public))
    return Trust(store, pin, held, seen, pin_file)


def follow_trust(store: ObjectStore, node_dir: Path, content: bytes, root: str = "") -> Trust:
    """The trust of a node that follows, from the first key set that it gets, which goes into its own `store`. `root` is
    the beginning of a fingerprint, such as a key id, of a root that the key set must lead from; "" pins what it says.
    Raises Untrusted."""
    key_set = peek_key_set(content)
    publics = [unbase64(each.public) for each in key_set.chain]
    pinned = next((each for each in publics if fingerprint_of(each).startswith(root)), None)
    if pinned is None:
        raise Untrusted(UNKNOWN_ROOT, f"the {WHAT} of {key_set.root} does not lead from root {root}, which is pinned")
    held = open_key_set(content, "", pinned)
    _replace(store, content)
    make_pin(node_dir / PIN_FILE, TrustPin(PIN_FORMAT, held.key_set.store, base64_of(pinned)))
    return open_trust(store, node_dir, 0.0)


def _create(store: ObjectStore, writer: Writer, now: float) -> None:
    if store.has(KEY_SET_KEY):
        return
    if any(True for _ in store.keys("heads/")):
        raise Unavailable(
            "no_key_set",
            f"{store} has lost its key set, {KEY_SET_KEY}, without which nothing in it can be verified: restore it",
        )
    try:
        store.create(KEY_SET_KEY, sign_key_set(writer, found_key_set(secrets.token_hex(16), writer, now)))
    except AlreadyExists:
        return  # another first start won; `require` then refuses this writer


def _first_sight(store: ObjectStore, pin: TrustPin | None) -> HeldKeys:
    """The key set in the store. Without a pin, its root is the one that it states itself: trusted on first use."""
    stored = read_stored(store, KEY_SET_KEY, WHAT)
    if stored is None and pin is not None:
        raise Untrusted("no_key_set", f"{store} has lost its key set")
    if stored is None:
        raise Unavailable("no_key_set", f"{store} has no key set yet: start its origin first")
    if pin is None:
        key_set = peek_key_set(stored.data)
        return open_key_set(stored.data, stored.tag, unbase64(key_set.chain[0].public))
    return _open(stored.data, stored.tag, pin)


def _open(content: bytes, tag: str, pin: TrustPin) -> HeldKeys:
    try:
        held = open_key_set(content, tag, unbase64(pin.root), accepts=pin.accepts)
    except Untrusted as error:
        if error.code == UNKNOWN_ROOT and peek_key_set(content).store != pin.store:
            raise Untrusted("swapped_store", error.message) from error
        raise
    if held.key_set.store != pin.store:
        raise _swapped(pin, held.key_set)
    return held


def _as_ancestor(store: ObjectStore, last: HeldKeys, error: Untrusted) -> HeldKeys:
    """The store's key set, if its root is one that handed over later on. Else raises `error`."""
    stored = read_stored(store, KEY_SET_KEY, WHAT)
    key_set = peek_key_set(stored.data) if stored is not None else None
    if (
        stored is None
        or key_set is None
        or key_set.store != last.key_set.store
        or not last.key_set.keeps_chain_of(key_set)
    ):
        raise error
    return open_key_set(stored.data, stored.tag, unbase64(key_set.chain[0].public))


def _swapped(pin: TrustPin, found: KeySet) -> Untrusted:
    return Untrusted(
        "swapped_store",
        f"this node belongs to store {pin.store}: the key set is of store {found.store}, not of {pin.store}",
    )


def _seen(seen: SeenDocuments, pin: TrustPin) -> HeldKeys | None:
    """The key set that this node saw last, of the store that it belongs to."""
    content = seen.read(_SEEN)
    if content is None:
        return None
    try:
        held = open_key_set(content, "", unbase64(pin.root))
    except Untrusted as error:
        seen.note_damage(_SEEN, error.message)
        return None
    return held if held.key_set.store == pin.store else None


def _replace(store: ObjectStore, content: bytes) -> None:
    stored = read_stored(store, KEY_SET_KEY, WHAT)
    try:
        if stored is None:
            store.create(KEY_SET_KEY, content)
        else:
            store.swap(KEY_SET_KEY, content, stored.tag)
    except (AlreadyExists, Stale) as error:
        raise Conflict("busy", "another writer changed the key set; try again") from error
