"""One signed document of the store that any number of nodes read and change: tokens, people, credentials.

Each change is a compare-and-swap. Every read is of the document as it is now, so what another process takes away is
gone at once. While the store's is missing, damaged or older than the one that this node has seen, that one counts, and
nothing is changed. Calls block: run them off the event loop.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Generic, NamedTuple, TypeVar

import msgspec

from edge.domain.errors import Conflict
from edge.store.disk.room import NoReserve, Reserve
from edge.store.key_set import Trust
from edge.store.objects.port import AlreadyExists, ObjectStore, Stale, Stored
from edge.store.signing import KeyId, Writer, open_document, sign_document
from edge.store.stored_document import UNREACHABLE, Untrusted, parse_document, read_stored, refusal_of

SWAP_ATTEMPTS = 20  # each lost one is another writer's success

log = logging.getLogger(__name__)


class SharedFields(msgspec.Struct, frozen=True, kw_only=True):
    """What each such document has. `epoch` as in `HeadShard`."""

    format: int
    store: str
    sequence: int
    epoch: int = 0

    @property
    def order(self) -> tuple[int, int]:
        """What must never fall."""
        return self.epoch, self.sequence


D = TypeVar("D", bound=SharedFields)


class DocumentKind(NamedTuple, Generic[D]):
    """`key` is its place in the store, `domain` what its signature is for, `seen` the file of the newest that this node
    has seen. `what` and `noun` are for people: "the tokens document", "tokens". `format_of` is the lowest format that
    says all that a document has."""

    key: str
    domain: str
    seen: str
    what: str
    noun: str
    newest_format: int
    type: type[D]
    format_of: Callable[[D], int]
    empty: Callable[[str], D]  # of a store


class HeldDocument(NamedTuple, Generic[D]):
    """A verified version."""

    document: D
    tag: str  # empty: the store has no document yet, or this one is not known to be in it


class AcceptedDocument(NamedTuple, Generic[D]):
    """Why the store's was refused; what takes its place; and what it was, None if that could not be read."""

    problem: str
    kept: D
    restored: D | None


class SharedDocument(Generic[D]):
    """`problem` states what is wrong with the document in the store now, empty if nothing is. With a `copy` of the
    store on this machine, nobody who reads waits for the store: what is newer counts, the copy or what was written
    here since."""

    def __init__(
        self,
        kind: DocumentKind[D],
        store: ObjectStore,
        trust: Trust,
        writer: Writer | None,
        reserve: Reserve | None = None,
        copy: ObjectStore | None = None,
    ) -> None:
        """On a full disk, `lending` changes may use what `reserve` lends. `writer` None: this is another node's
        document, and nothing of it can be changed here."""
        self.problem = ""
        self._kind = kind
        self._reserve = reserve or NoReserve()
        self._store = store
        self._trust = trust
        self._writer = writer
        self._copy = copy
        self._copied: HeldDocument[D] | None = None
        self._last: HeldDocument[D] | None = None  # verified; also the floor below which a sequence is a replay
        self._absent: D | None = None  # the empty one, once the store was seen without any
        self._lock = threading.Lock()
        self._recall()

    def check(self) -> None:
        """Read the store's, so that `problem` is current. Raises Untrusted if there is no good one at all."""
        self._last_good_of_store()

    def take(self, sealed: bytes, keep: Callable[[], object]) -> None:
        """Accept what a node that this one follows gives as the document, and have it written by `keep`: from now on
        no older one is accepted. Raises Untrusted, `older_document` for one before the last accepted here."""
        with suppress(Untrusted):
            self._read()  # what lies here counts although nobody has asked since the start
        held = HeldDocument(self._open(sealed), "")
        self._check_order(held, self._last)
        keep()  # before it is remembered: whoever reads meanwhile must not find one here that looks old
        self._remember(held, sealed)

    def order_of(self, stored: Stored) -> tuple[int, int]:
        """Of a stored version of the document; (0, 0), which every good one follows, if it is not one to believe."""
        last = self._last
        if last is not None and stored.tag == last.tag:
            return last.document.order
        try:
            return self._open(stored.data).order
        except Untrusted:
            return 0, 0

    def change(self, edit: Callable[[D], D], *, lending: bool = False) -> None:
        """Swap what `edit` makes of the document into the store; nothing happens if that is the same object. Raises
        what `edit` raises, Conflict `older_store`, `busy`, `not_the_origin`. `lending`: it takes something away, so it
        must be possible on a full disk, too."""
        if lending:
            return self._reserve.lending(lambda: self._change(edit))
        return self._change(edit)

    def accept_restored_document(self, *, dry: bool, above: int = 0) -> AcceptedDocument[D] | None:
        """If the document in the store is refused, replace it by the last good one that this node has seen, under a
        higher epoch, unless `dry`; None if it is not refused. `above`: if it is not, the same under this epoch, for
        nodes that have seen a newer one. Raises Untrusted if there is no good one or a newer release wrote it, and
        Conflict `busy`."""
        try:
            held = self._checked()
        except Untrusted as error:
            if self._last is None or error.code == "newer_format":
                raise
            problem, last = error.message, self._last.document
        else:
            if above and not dry and held.tag:
                self._write_accepted(self._successor(held.document, max(above, held.document.epoch + 1)), held.tag)
            return None
        stored = read_stored(self._store, self._kind.key, self._kind.what)
        restored = self._opened(stored.data) if stored is not None else None
        if not dry:
            latest = max((each for each in (last, restored) if each is not None), key=lambda each: each.order)
            raised = msgspec.structs.replace(last, sequence=latest.sequence)
            self._write_accepted(self._successor(raised, latest.epoch + 1), stored.tag if stored is not None else "")
        return AcceptedDocument(problem, last, restored)

    def last_good(self) -> D:
        """The document in the store, or the last good one if that is refused; with a copy, what is newest here. Raises
        Untrusted if there is none."""
        known = [each.document for each in (self._of_copy(), self._last) if each is not None]
        if self._copy is not None and known:
            return max(known, key=lambda each: each.order)
        if self._copy is not None and self._absent is not None:  # whoever looks at the store finds the first one
            return self._absent
        return self._last_good_of_store()

    @property
    def last_read(self) -> D | None:
        """As of the last reading or writing; None before the first. Reads memory only."""
        return self._last.document if self._last is not None else None

    def _last_good_of_store(self) -> D:
        try:
            return self._checked().document
        except Untrusted:
            if self._last is None:
                raise
            return self._last.document

    def _of_copy(self) -> HeldDocument[D] | None:
        """None without a copy, or if what it has is damaged: the follower mends it."""
        if self._copy is None:
            return None
        try:
            stored = read_stored(self._copy, self._kind.key, f"the copy of {self._kind.what}")
            if stored is not None and (self._copied is None or self._copied.tag != stored.tag):
                self._copied = HeldDocument(self._open(stored.data), stored.tag)
        except Untrusted:
            pass
        return self._copied

    def _write_accepted(self, document: D, tag: str) -> None:
        """Raises Conflict `busy`."""
        try:
            self._write(document, tag)
        except (AlreadyExists, Stale) as error:
            raise Conflict("busy", f"another writer changed the {self._kind.noun}; try again") from error
        self.check()

    def _opened(self, sealed: bytes) -> D | None:
        try:
            return self._open(sealed)
        except Untrusted:
            return None

    def _change(self, edit: Callable[[D], D]) -> None:
        for _ in range(SWAP_ATTEMPTS):
            held = self._for_change()
            edited = edit(held.document)
            if edited is held.document:
                return
            try:
                self._write(self._successor(edited), held.tag)
            except (AlreadyExists, Stale):
                continue
            return
        raise Conflict("busy", f"another writer is changing the {self._kind.noun}; try again")

    def _successor(self, document: D, epoch: int = 0) -> D:
        """The next document in sequence, in the same epoch or in `epoch` if that is higher."""
        raised = msgspec.structs.replace(
            document, sequence=document.sequence + 1, epoch=max(epoch, document.epoch), format=1
        )
        return msgspec.structs.replace(raised, format=self._kind.format_of(raised))

    def _write(self, document: D, replaced_tag: str) -> None:
        if self._writer is None:
            raise Conflict("not_the_origin", f"{self._kind.noun} are changed on the origin, not on this node")
        sealed = sign_document(self._writer, self._kind.domain, msgspec.json.encode(document))
        if replaced_tag:
            tag = self._store.swap(self._kind.key, sealed, replaced_tag)
        else:
            tag = self._store.create(self._kind.key, sealed)
        self._remember(HeldDocument(document, tag), sealed)

    def _for_change(self) -> HeldDocument[D]:
        """Raises Conflict `older_store` for a document that is refused."""
        try:
            return self._checked()
        except Untrusted as error:
            raise refusal_of(error) from error

    def _checked(self) -> HeldDocument[D]:
        """As `_read`; keeps `problem` current."""
        try:
            held = self._read()
        except Untrusted as error:
            if self.problem != error.message:
                gone = error.code == UNREACHABLE
                tell, until = (log.warning, "it answers") if gone else (log.error, "it is restored or accepted")
                tell("%s; no %s can be changed until %s", error.message, self._kind.noun, until)
            self.problem = error.message
            raise
        self.problem = ""
        return held

    def _read(self) -> HeldDocument[D]:
        last = self._last  # taken before the store is read, so that anything older read next is a replay
        stored = read_stored(self._store, self._kind.key, self._kind.what)
        if stored is None:
            if last is not None:
                raise Untrusted("older_document", f"{self._kind.what} has vanished from the store")
            self._absent = self._kind.empty(self._trust.store_id)
            return HeldDocument(self._absent, "")
        if last is not None and last.tag == stored.tag:
            return last
        held = HeldDocument(self._open(stored.data), stored.tag)
        self._check_order(held, last)
        self._remember(held, stored.data)
        return held

    def _check_order(self, held: HeldDocument[D], last: HeldDocument[D] | None) -> None:
        if last is not None and held.document.order < last.document.order:
            raise Untrusted(
                "older_document",
                f"{self._kind.what} was rolled back from sequence {last.document.sequence} to {held.document.sequence}",
            )

    def _remember(self, held: HeldDocument[D], sealed: bytes) -> None:
        with self._lock:
            last = self._last
            if last is not None and held.document.order < last.document.order:
                return
            self._last = held
        if last is None or held.document != last.document:
            self._trust.seen.keep(self._kind.seen, sealed)

    def _recall(self) -> None:
        """The floor, as this node saw it before it was restarted."""
        sealed = self._trust.seen.read(self._kind.seen)
        if sealed is None:
            return
        try:
            # By a key that has been revoked since, too: it was good when this node accepted it.
            self._last = HeldDocument(parse_shared(self._kind, sealed, self._trust, self._trust.once_listed), "")
        except Untrusted as error:
            self._trust.seen.note_damage(self._kind.seen, error.message)

    def _open(self, sealed: bytes) -> D:
        return open_shared(self._kind, sealed, self._trust)


def open_shared(kind: DocumentKind[D], sealed: bytes, trust: Trust) -> D:
    """The document, of the store that `trust` is of. Raises Untrusted."""
    try:
        return parse_shared(kind, sealed, trust, trust.keys)
    except Untrusted as error:
        if error.code != "unknown_writer":
            raise
    with suppress(Untrusted):  # in the trust's `problem`
        trust.reload()  # a writer may have been added since
    return parse_shared(kind, sealed, trust, trust.keys)


def parse_shared(kind: DocumentKind[D], sealed: bytes, trust: Trust, keys: Mapping[KeyId, bytes]) -> D:
    """Signed by one of `keys`. Raises Untrusted."""
    payload = open_document(kind.domain, sealed, keys, kind.what)
    document = parse_document(payload, msgspec.json.Decoder(kind.type), kind.newest_format, kind.what)
    if document.store != trust.store_id:
        raise Untrusted("misplaced_document", f"{kind.what} belongs to store {document.store[:64]!r}")
    return document
