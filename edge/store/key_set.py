"""The store's key set, which lists the writers to trust, and this node's pin of it.

The first writer at a new store creates the key set and the store's id, and becomes its root; only the root signs later
key sets. A node pins store id and root in its own directory on first use, and refuses any other store from then on.
"""

import base64
import binascii
import logging
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from edge.domain.errors import Conflict, Forbidden, Unavailable
from edge.store.disk.durable_files import create_file
from edge.store.disk.seen import NothingSeen, SeenByOthers, SeenDocuments
from edge.store.disk.set_aside import Damaged, read_own_file
from edge.store.objects.port import AlreadyExists, ObjectStore, Stale
from edge.store.signing import KeyId, Writer, key_id_of, open_document, peek_payload, sign_document
from edge.store.stored_document import Untrusted, parse_document, read_stored

KEY_SET_KEY = "keys/writers.json"
KEY_SET_FORMAT = 1
PIN_FILE = "trust.json"
PIN_FORMAT = 1
_DOMAIN = "edge-writers"
_WHAT = "key set"
_SEEN = "writers.json"

log = logging.getLogger("edge.store")


class _Key(msgspec.Struct, frozen=True):
    public: str  # base64 of the 32 bytes
    added: float  # seconds since the epoch


class _KeySet(msgspec.Struct, frozen=True):
    format: int
    store: str
    sequence: int
    root: KeyId
    keys: dict[KeyId, _Key]


class _Pin(msgspec.Struct, frozen=True):
    format: int
    store: str
    root: str  # base64 of the root's public key


_decoder = msgspec.json.Decoder(_KeySet)
_pin_decoder = msgspec.json.Decoder(_Pin)


class _Held(NamedTuple):
    key_set: _KeySet
    keys: Mapping[KeyId, bytes]
    tag: str
    content: bytes


class Trust:
    """The last good key set that this node has seen. Made by `open_trust`. Safe among threads.

    `seen` is what the node keeps of the store's other documents, too; `problem` states what is wrong with the store's
    key set now, empty if nothing is.
    """

    def __init__(self, store: ObjectStore, root_public: bytes, held: _Held, seen: SeenDocuments) -> None:
        self.seen = seen
        self.problem = ""
        self._store = store
        self._root_public = root_public
        self._held = held
        self._lock = threading.Lock()

    @property
    def store_id(self) -> str:
        return self._held.key_set.store

    @property
    def keys(self) -> Mapping[KeyId, bytes]:
        """Public keys of the writers, by id."""
        return self._held.keys

    def require(self, writer: Writer) -> None:
        """Raises Forbidden `unlisted_writer` for a key that no reader would accept."""
        if self.keys.get(writer.id) != writer.public:
            root = self._held.key_set.root
            raise Forbidden(
                "unlisted_writer",
                f"writer {writer.id} is not in the key set of store {self.store_id}; its root {root} must add it",
            )

    def reload(self) -> None:
        """Read the key set again. Raises Untrusted and keeps the last good one if it was rolled back or altered."""
        floor = self._held
        try:
            held = _read(self._store, self._root_public)
            _check_successor(floor.key_set, held.key_set)
        except Untrusted as error:
            if error.message != self.problem:
                log.error("%s; the last good one stays in use", error.message)
            self.problem = error.message
            raise
        self.problem = ""
        with self._lock:
            if held.key_set.sequence >= self._held.key_set.sequence:
                self._held = held
        self._keep(held)

    def put_back(self, *, dry: bool = False) -> bool:
        """Give the store the last good key set again, if what it holds now is missing, damaged or older; returns
        whether it did, or would if this were not `dry`. Its root's signature proves it, so any writer may."""
        try:
            self.reload()
        except Untrusted:
            if not dry:
                _replace(self._store, self._held.content)
                self.reload()
            return True
        return False

    def _keep(self, held: _Held) -> None:
        if self.seen.read(_SEEN) != held.content:
            self.seen.keep(_SEEN, held.content)

    def add_writer(self, root: Writer, public: bytes, now: float) -> None:
        """List another writer's key (32 bytes); `root` must be the store's root. Does nothing if it is listed. `now` is
        in seconds since the epoch.

        Raises Forbidden `not_root`, or Conflict `busy` if another change of the key set was first.
        """
        self.reload()
        held = self._held
        if root.public != self._root_public:
            raise Forbidden("not_root", f"writer {root.id} is not the root {held.key_set.root} of the key set")
        if key_id_of(public) in held.keys:
            return
        keys = {**held.key_set.keys, key_id_of(public): _Key(_base64(public), now)}
        changed = msgspec.structs.replace(held.key_set, sequence=held.key_set.sequence + 1, keys=keys)
        try:
            self._store.swap(KEY_SET_KEY, _sign(root, changed), held.tag)
        except Stale as error:
            raise Conflict("busy", "another writer changed the key set; try again") from error
        self.reload()


def open_trust(store: ObjectStore, node_dir: Path, now: float, writer: Writer | None = None) -> Trust:
    """The store's writers, verified against the pin in `<node_dir>/trust.json`. `now` is in seconds since the epoch.

    With a writer, a new store gets its key set. A key set that is missing, damaged or older than the one that this node
    has seen is in `problem`; the seen one is used. Raises Forbidden `unlisted_writer` if the store does not list the
    writer; Unavailable `no_key_set` for a new store without a writer, and for one that has heads and no key set;
    Untrusted, with code `swapped_store` if the store is not the pinned one.
    """
    seen = SeenDocuments(node_dir)
    pin = _pinned(node_dir / PIN_FILE, seen)
    if pin is None and writer is not None:
        _create(store, writer, now)
    public = _unbase64(pin.root) if pin else _first_sight(store)
    held = _seen(seen, public, pin.store) if pin else None
    if held is None:
        held = _read(store, public)
    pin = pin or _make_pin(node_dir / PIN_FILE, _Pin(PIN_FORMAT, held.key_set.store, _base64(public)))
    if (pin.store, pin.root) != (held.key_set.store, _base64(public)):
        raise Untrusted("swapped_store", f"this node belongs to store {pin.store}, not to {held.key_set.store}")
    trust = Trust(store, public, held, seen)
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
    pin = _read_pin(node_dir / PIN_FILE)
    public = _unbase64(pin.root) if pin else _first_sight(store)
    held = _read(store, public)
    if pin and pin.store != held.key_set.store:
        raise Untrusted("swapped_store", f"this node belongs to store {pin.store}, not to {held.key_set.store}")
    seen = SeenByOthers(node_dir) if compare else NothingSeen(node_dir)
    if pin and (last := _seen(seen, public, pin.store)) is not None:
        _check_successor(last.key_set, held.key_set)
    return Trust(store, public, held, seen)


def _create(store: ObjectStore, writer: Writer, now: float) -> None:
    if store.has(KEY_SET_KEY):
        return
    if any(True for _ in store.keys("heads/")):
        raise Unavailable(
            "no_key_set",
            f"{store} has lost its key set, {KEY_SET_KEY}, without which nothing in it can be verified: restore it",
        )
    keys = {writer.id: _Key(_base64(writer.public), now)}
    key_set = _KeySet(KEY_SET_FORMAT, secrets.token_hex(16), 1, writer.id, keys)
    try:
        store.create(KEY_SET_KEY, _sign(writer, key_set))
    except AlreadyExists:
        return  # another first start won; `require` then refuses this writer


def _sign(writer: Writer, key_set: _KeySet) -> bytes:
    return sign_document(writer, _DOMAIN, msgspec.json.encode(key_set))


def _first_sight(store: ObjectStore) -> bytes:
    """The root's public key as the key set itself states it: trusted on first use, then pinned."""
    stored = read_stored(store, KEY_SET_KEY, _WHAT)
    if stored is None:
        raise Unavailable("no_key_set", f"{store} has no key set yet: start its origin first")
    key_set = parse_document(peek_payload(stored.data, _WHAT), _decoder, KEY_SET_FORMAT, _WHAT)
    return _public_keys(key_set)[key_set.root]


def _read(store: ObjectStore, root_public: bytes) -> _Held:
    stored = read_stored(store, KEY_SET_KEY, _WHAT)
    if stored is None:
        raise Untrusted("no_key_set", f"{store} has lost its key set")
    return _open(stored.data, stored.tag, root_public)


def _open(content: bytes, tag: str, root_public: bytes) -> _Held:
    try:
        payload = open_document(_DOMAIN, content, {key_id_of(root_public): root_public}, _WHAT)
    except Untrusted as error:
        if error.code != "unknown_writer":
            raise
        _check_whole(content)  # then it is not damaged, but of another store
        raise Untrusted("swapped_store", f"the key set is not signed by root {key_id_of(root_public)}") from error
    key_set = parse_document(payload, _decoder, KEY_SET_FORMAT, _WHAT)
    return _Held(key_set, _public_keys(key_set), tag, content)


def _seen(seen: SeenDocuments, root_public: bytes, store_id: str) -> _Held | None:
    """The key set that this node saw last, of the store that it belongs to."""
    content = seen.read(_SEEN)
    if content is None:
        return None
    try:
        held = _open(content, "", root_public)
    except Untrusted as error:
        seen.note_damage(_SEEN, error.message)
        return None
    return held if held.key_set.store == store_id else None


def _replace(store: ObjectStore, content: bytes) -> None:
    stored = read_stored(store, KEY_SET_KEY, _WHAT)
    try:
        if stored is None:
            store.create(KEY_SET_KEY, content)
        else:
            store.swap(KEY_SET_KEY, content, stored.tag)
    except (AlreadyExists, Stale) as error:
        raise Conflict("busy", "another writer changed the key set; try again") from error


def _check_whole(content: bytes) -> _KeySet:
    """The key set, if its own root signed it. Raises Untrusted `bad_signature`, `unreadable_document` for one that is
    damaged."""
    key_set = parse_document(peek_payload(content, _WHAT), _decoder, KEY_SET_FORMAT, _WHAT)
    try:
        public = _public_keys(key_set)[key_set.root]
        open_document(_DOMAIN, content, {key_set.root: public}, _WHAT)
    except Untrusted as error:
        raise Untrusted("bad_signature", f"the {_WHAT} was altered: its own root did not sign it") from error
    return key_set


def _public_keys(key_set: _KeySet) -> dict[KeyId, bytes]:
    keys = {id: _unbase64(key.public) for id, key in key_set.keys.items()}
    wrong = sorted(id for id, public in keys.items() if key_id_of(public) != id)
    if wrong or key_set.root not in keys:
        raise Untrusted("unreadable_document", f"{_WHAT}: key ids do not match their keys: {wrong or key_set.root}")
    return keys


def _check_successor(known: _KeySet, found: _KeySet) -> None:
    if found.store != known.store:
        raise Untrusted("swapped_store", f"the key set is of store {found.store}, not of {known.store}")
    if found.sequence < known.sequence:
        raise Untrusted("older_document", f"{_WHAT} was rolled back from sequence {known.sequence} to {found.sequence}")


def _read_pin(path: Path) -> _Pin | None:
    try:
        content = read_own_file(path)
    except FileNotFoundError:
        return None
    except Damaged as error:
        raise Untrusted("unreadable_document", f"{path}: {error}") from error
    return parse_document(content, _pin_decoder, PIN_FORMAT, str(path))


def _pinned(path: Path, seen: SeenDocuments) -> _Pin | None:
    """The pin or, for a damaged one, what the key set that this node has seen says of itself: both lie in the node's
    own directory. Raises Untrusted if that cannot be read either."""
    try:
        return _read_pin(path)
    except Untrusted as error:
        content = seen.read(_SEEN)
        if content is None or error.code == "newer_format":
            raise
        key_set = _check_whole(content)
        log.error("%s; the key set that this node has seen stands in for it", error.message)
        return _Pin(PIN_FORMAT, key_set.store, key_set.keys[key_set.root].public)


def _make_pin(path: Path, pin: _Pin) -> _Pin:
    try:
        create_file(path, msgspec.json.encode(pin), path.with_name(f"{path.name}.{secrets.token_hex(8)}"))
    except FileExistsError:
        return _read_pin(path) or pin  # another process of this node was first
    return pin


def _base64(public: bytes) -> str:
    return base64.b64encode(public).decode()


def _unbase64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Untrusted("unreadable_document", f"{_WHAT}: a key is not base64") from error
