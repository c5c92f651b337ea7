"""Access tokens: 256 random bits each, kept only as their SHA-256 in one signed document of the store.

A secret is shown once, to the client that creates the token; nothing here logs, stores or repeats it. Any number of
processes may change the document: each change is a compare-and-swap. While the store's document is missing, damaged or
older than the one that this node has seen, requests are held against that one, and nothing is changed. Calls block: run
them off the event loop.
"""

import hashlib
import hmac
import logging
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

import msgspec

from edge.control.access.grants import Grant, hold_of
from edge.control.access.roles import Role
from edge.control.access.token_document import (
    FIRST_START,
    TOKENS_FORMAT,
    TokenDocument,
    TokenRecord,
    check_lifetime,
    parse_scope,
    parse_token_name,
    successor_of,
    with_first_token,
    with_new_token,
    with_use,
    without_token,
)
from edge.domain.changes.guard.guard_commands import GUARD_NAME
from edge.domain.errors import Conflict, EdgeError, Invalid, Unauthorized
from edge.domain.facts import DAY_SECONDS
from edge.store.disk.room import NoReserve, Reserve
from edge.store.key_set import Trust
from edge.store.objects.port import TOKENS_KEY, AlreadyExists, ObjectStore, Stale, Stored
from edge.store.signing import KeyId, Writer, open_document, sign_document
from edge.store.stored_document import UNREACHABLE, Untrusted, parse_document, read_stored, refusal_of

TOKENS_DOMAIN = "edge-tokens"
SECRET_PREFIX = "edge_"  # noqa: S105 - lets scanners of repositories and logs find leaked tokens
SECRET_BYTES = 32
SECRET_LIMIT = 128  # characters of a presented token that are hashed at all
SWAP_ATTEMPTS = 20  # each lost one is another writer's success

_WHAT = "the tokens document"
_SEEN = "tokens.json"
log = logging.getLogger(__name__)
_SECRET = re.compile(rf"{SECRET_PREFIX}[A-Za-z0-9_-]{{43}}")


class AcceptedTokens(NamedTuple):
    """Why the tokens were refused; which of those that were restored are revoked again, and which ones were missing."""

    problem: str
    revoked: list[str]
    brought_back: list[str]


class HeldTokens(NamedTuple):
    """A verified version."""

    document: TokenDocument
    tag: str  # empty: the store has no document yet, or this one is not known to be in it


_decoder = msgspec.json.Decoder(TokenDocument)


class Tokens:
    """The store's tokens. Every call reads the document, so a token that another process revoked is refused at once.

    `problem` states what is wrong with the document in the store now, empty if nothing is.
    """

    def __init__(self, store: ObjectStore, trust: Trust, writer: Writer | None, reserve: Reserve | None = None) -> None:
        """On a full disk, a token can be revoked with what `reserve` lends. `writer` None: these are another node's
        tokens, and nothing of them can be changed here."""
        self.problem = ""
        self._reserve = reserve or NoReserve()
        self._store = store
        self._trust = trust
        self._writer = writer
        self._last: HeldTokens | None = None  # verified; also the floor below which a sequence is a replay
        self._lock = threading.Lock()
        self._noting = threading.Lock()
        self._recall()

    def authenticate(self, secret: str, now: float) -> Grant:
        """Look up the token of this secret; `now` is in seconds since the epoch. The first use of a day is noted in the
        store. Raises Unauthorized `unauthorized`, `token_expired`; an unknown secret takes as long as a known one."""
        found = self._found(hash_secret(secret[:SECRET_LIMIT]))
        if found is None:
            raise Unauthorized("unauthorized", "unknown or revoked token")
        name, record = found
        if record.expires is not None and record.expires <= now:
            raise Unauthorized("token_expired", f"token {name!r} has expired; create another with `edge token create`")
        if self._writer is not None and record.used_day < _day(now):
            self._note_use(name, now)
        return Grant(name, (hold_of(record.role, record.app),))

    def standing(self, hashed: str, now: float) -> Grant | None:
        """The token whose secret has this hash, unless it has been revoked or has expired: what a session of the page
        stands for."""
        found = self._found(hashed)
        if found is None or (found[1].expires is not None and found[1].expires <= now):
            return None
        return Grant(found[0], (hold_of(found[1].role, found[1].app),))

    def _found(self, hashed: str) -> tuple[str, TokenRecord] | None:
        found = None
        for name, record in self._last_good().tokens.items():
            if hmac.compare_digest(record.hash, hashed):
                found = name, record
        return found

    def _note_use(self, name: str, now: float) -> None:
        """One request per day writes; a failure to do so must not lock anyone out."""
        if not self._noting.acquire(blocking=False):
            return
        try:
            self._change(lambda document: with_use(document, name, _day(now)))
        except (EdgeError, OSError) as error:
            log.warning("cannot record the use of token %r: %s", name, error)
        finally:
            self._noting.release()

    def records(self) -> Mapping[str, TokenRecord]:
        """All tokens by name, sorted."""
        return dict(sorted(self._last_good().tokens.items()))

    def has(self, name: str) -> bool:
        """Whether there is a token of this name, as of the last reading. Reads memory only."""
        return self._last is None or name in self._last.document.tokens

    def check(self) -> None:
        """Read the document, so that `problem` is current. Raises Untrusted if there is no good one at all."""
        self._last_good()

    def take(self, sealed: bytes, keep: Callable[[], object]) -> None:
        """Accept what a node that this one follows gives as the tokens document, and have it written by `keep`: from
        now on no older one is accepted. Raises Untrusted, `older_document` for one before the last accepted here."""
        with suppress(Untrusted):
            self._read()  # what lies here counts although nobody has asked since the start
        held = HeldTokens(self._open(sealed), "")
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

    def create(
        self,
        name: str,
        role: Role,
        app: str | None,
        *,
        by: str,
        now: float,
        command: str,
        lifetime_seconds: int | None = None,
    ) -> str:
        """Create a token and return its secret; `now` is in seconds since the epoch.

        A repeat of the same command, after a lost answer, gives the token a new secret and voids the old one. Raises
        Invalid `invalid_token_name`, `invalid_token_scope`, `invalid_lifetime`, `invalid_app_id`, and what
        `with_new_token` raises.
        """
        scope = parse_scope(role, app)
        if parse_token_name(name) == GUARD_NAME:
            raise Invalid("invalid_token_name", f"the name {name!r} is the guard's, which signs its changes with it")
        check_lifetime(lifetime_seconds)
        secret = new_secret()
        record = TokenRecord(
            hash=hash_secret(secret),
            role=role,
            app=scope,
            created=now,
            by=by,
            command=command,
            lifetime_seconds=lifetime_seconds,
        )
        self._change(lambda document: with_new_token(document, name, record))
        return secret

    def revoke(self, name: str) -> None:
        """Raises NotFound `unknown_token`, or Conflict `last_admin` if no one could create tokens then."""
        self._reserve.lending(lambda: self._change(lambda document: without_token(document, name)))

    def accept_restored(self, *, dry: bool, above: int = 0) -> AcceptedTokens | None:
        """If the document in the store is refused, replace it by the last good one that this node has seen, under a
        higher epoch, unless `dry`; None if it is not refused. What was revoked stays revoked, and what was created
        stays. `above`: if it is not refused, the same tokens under this epoch, for nodes that have seen a newer one.

        Raises Untrusted if there is no good one or a newer release wrote it, and Conflict `busy`.
        """
        try:
            held = self._checked()
        except Untrusted as error:
            if self._last is None or error.code == "newer_format":
                raise
            problem, last = error.message, self._last.document
        else:
            if above and not dry:
                self._write_accepted(successor_of(held.document, max(above, held.document.epoch + 1)), held.tag)
            return None
        stored = read_stored(self._store, TOKENS_KEY, "the tokens document")
        restored = self._opened(stored.data) if stored is not None else None
        if not dry:
            latest = max((each for each in (last, restored) if each is not None), key=lambda each: each.order)
            raised = msgspec.structs.replace(last, sequence=latest.sequence)
            self._write_accepted(successor_of(raised, latest.epoch + 1), stored.tag if stored is not None else "")
        names = set(restored.tokens) if restored is not None else set[str]()
        return AcceptedTokens(problem, sorted(names - set(last.tokens)), sorted(set(last.tokens) - names))

    def _write_accepted(self, document: TokenDocument, tag: str) -> None:
        """Raises Conflict `busy`."""
        try:
            self._write(document, tag)
        except (AlreadyExists, Stale) as error:
            raise Conflict("busy", "another writer changed the tokens; try again") from error
        self.check()

    def _opened(self, sealed: bytes) -> TokenDocument | None:
        try:
            return self._open(sealed)
        except Untrusted:
            return None

    def register_first(self, secret: str, now: float) -> None:
        """Make `secret` an admin token unless it is one or was revoked; `now` is in seconds since the epoch."""
        record = TokenRecord(
            hash=hash_secret(secret), role=Role.ADMIN, app=None, created=now, by=FIRST_START, command=FIRST_START
        )
        self._change(lambda document: with_first_token(document, record))

    def _change(self, edit: Callable[[TokenDocument], TokenDocument]) -> None:
        for _ in range(SWAP_ATTEMPTS):
            held = self._for_change()
            edited = edit(held.document)
            if edited is held.document:
                return
            try:
                self._write(successor_of(edited), held.tag)
            except (AlreadyExists, Stale):
                continue
            return
        raise Conflict("busy", "another writer is changing the tokens; try again")

    def _write(self, document: TokenDocument, replaced_tag: str) -> None:
        if self._writer is None:
            raise Conflict("not_the_origin", "tokens are created and revoked on the origin, not on this node")
        sealed = sign_document(self._writer, TOKENS_DOMAIN, msgspec.json.encode(document))
        if replaced_tag:
            tag = self._store.swap(TOKENS_KEY, sealed, replaced_tag)
        else:
            tag = self._store.create(TOKENS_KEY, sealed)
        self._remember(HeldTokens(document, tag), sealed)

    def _last_good(self) -> TokenDocument:
        """The document in the store, or the last good one if that is refused. Raises Untrusted if there is none."""
        try:
            return self._checked().document
        except Untrusted:
            if self._last is None:
                raise
            return self._last.document

    def _for_change(self) -> HeldTokens:
        """Raises Conflict `older_store` for a document that is refused."""
        try:
            return self._checked()
        except Untrusted as error:
            raise refusal_of(error) from error

    def _checked(self) -> HeldTokens:
        """As `_read`; keeps `problem` current."""
        try:
            held = self._read()
        except Untrusted as error:
            if self.problem != error.message:
                gone = error.code == UNREACHABLE
                tell, until = (log.warning, "it answers") if gone else (log.error, "it is restored or accepted")
                tell("%s; no token can be created or revoked until %s", error.message, until)
            self.problem = error.message
            raise
        self.problem = ""
        return held

    def _read(self) -> HeldTokens:
        last = self._last  # taken before the store is read, so that anything older read next is a replay
        stored = read_stored(self._store, TOKENS_KEY, "the tokens document")
        if stored is None:
            if last is not None:
                raise Untrusted("older_document", "the tokens document has vanished from the store")
            return HeldTokens(self._empty(), "")
        if last is not None and last.tag == stored.tag:
            return last
        held = HeldTokens(self._open(stored.data), stored.tag)
        self._check_order(held, last)
        self._remember(held, stored.data)
        return held

    @staticmethod
    def _check_order(held: HeldTokens, last: HeldTokens | None) -> None:
        if last is not None and held.document.order < last.document.order:
            raise Untrusted(
                "older_document",
                f"the tokens document was rolled back from sequence {last.document.sequence} to "
                f"{held.document.sequence}",
            )

    def _remember(self, held: HeldTokens, sealed: bytes) -> None:
        with self._lock:
            last = self._last
            if last is not None and held.document.order < last.document.order:
                return
            self._last = held
        if last is None or held.document != last.document:
            self._trust.seen.keep(_SEEN, sealed)

    def _recall(self) -> None:
        """The floor, as this node saw it before it was restarted."""
        sealed = self._trust.seen.read(_SEEN)
        if sealed is None:
            return
        try:
            # By a key that has been revoked since, too: it was good when this node accepted it.
            self._last = HeldTokens(_document(sealed, self._trust, self._trust.once_listed), "")
        except Untrusted as error:
            self._trust.seen.note_damage(_SEEN, error.message)

    def _empty(self) -> TokenDocument:
        return TokenDocument(format=TOKENS_FORMAT, store=self._trust.store_id, sequence=0, tokens={}, revoked=[])

    def _open(self, sealed: bytes) -> TokenDocument:
        return open_tokens(sealed, self._trust)


def open_tokens(sealed: bytes, trust: Trust) -> TokenDocument:
    """The tokens of the store that `trust` is of. Raises Untrusted."""
    try:
        return _document(sealed, trust, trust.keys)
    except Untrusted as error:
        if error.code != "unknown_writer":
            raise
    with suppress(Untrusted):  # in the trust's `problem`
        trust.reload()  # a writer may have been added since
    return _document(sealed, trust, trust.keys)


def _document(sealed: bytes, trust: Trust, keys: Mapping[KeyId, bytes]) -> TokenDocument:
    payload = open_document(TOKENS_DOMAIN, sealed, keys, _WHAT)
    document = parse_document(payload, _decoder, TOKENS_FORMAT, _WHAT)
    if document.store != trust.store_id:
        raise Untrusted("misplaced_document", f"the tokens document belongs to store {document.store[:64]!r}")
    return document


def new_secret() -> str:
    """A random secret, with the prefix."""
    return SECRET_PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def hash_secret(secret: str) -> str:
    """In hex. Plain SHA-256 is enough for 256 random bits: there is nothing to guess, so nothing to slow down."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def is_secret(text: str) -> bool:
    """Whether the text has the form of a secret."""
    return _SECRET.fullmatch(text) is not None


def _day(now: float) -> int:
    return int(now // DAY_SECONDS)
