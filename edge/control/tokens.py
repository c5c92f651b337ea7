"""Access tokens: 256 random bits each, kept only as their SHA-256 in one signed document of the store.

A secret is shown once, to the client that creates the token; nothing here logs, stores or repeats it. Any number of
processes may change the document: each change is a compare-and-swap. Calls block: run them off the event loop.
"""

import hashlib
import hmac
import logging
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from edge.control.roles import Role
from edge.control.token_document import (
    FIRST_START,
    TOKENS_FORMAT,
    TokenDocument,
    TokenRecord,
    check_lifetime,
    parse_scope,
    parse_token_name,
    with_first_token,
    with_new_token,
    with_use,
    without_token,
)
from edge.domain.errors import Conflict, EdgeError, Unauthorized
from edge.domain.facts import DAY_SECONDS
from edge.domain.model import AppId
from edge.store.key_set import Trust
from edge.store.objects.port import AlreadyExists, ObjectStore, Stale
from edge.store.signing import Writer, open_document, sign_document
from edge.store.stored_document import Untrusted, parse_document

TOKENS_KEY = "access/tokens.json"
SECRET_PREFIX = "edge_"  # noqa: S105 - lets scanners of repositories and logs find leaked tokens
SECRET_BYTES = 32
SECRET_LIMIT = 128  # characters of a presented token that are hashed at all
SWAP_ATTEMPTS = 20  # each lost one is another writer's success

_DOMAIN = "edge-tokens"
log = logging.getLogger(__name__)
_SECRET = re.compile(rf"{SECRET_PREFIX}[A-Za-z0-9_-]{{43}}")


class Grant(NamedTuple):
    """The token that a request presented: its name, role, and the app that it is limited to, if any."""

    name: str
    role: Role
    app: AppId | None


class _Held(NamedTuple):
    document: TokenDocument
    tag: str  # empty: the store has no document yet


_decoder = msgspec.json.Decoder(TokenDocument)


class Tokens:
    """The store's tokens. Every call reads the document, so a token that another process revoked is refused at once."""

    def __init__(self, store: ObjectStore, trust: Trust, writer: Writer) -> None:
        self._store = store
        self._trust = trust
        self._writer = writer
        self._last: _Held | None = None  # verified; also the floor below which a sequence is a replay
        self._lock = threading.Lock()
        self._noting = threading.Lock()

    def authenticate(self, secret: str, now: float) -> Grant:
        """Look up the token of this secret; `now` is in seconds since the epoch. The first use of a day is noted in the
        store. Raises Unauthorized `unauthorized`, `token_expired`; an unknown secret takes as long as a known one."""
        presented = hash_secret(secret[:SECRET_LIMIT])
        found = None
        for name, record in self._read().document.tokens.items():
            if hmac.compare_digest(record.hash, presented):
                found = name, record
        if found is None:
            raise Unauthorized("unauthorized", "unknown or revoked token")
        name, record = found
        if record.expires is not None and record.expires <= now:
            raise Unauthorized("token_expired", f"token {name!r} has expired; create another with `edge token create`")
        if record.used_day < _day(now):
            self._note_use(name, now)
        return Grant(name, record.role, record.app)

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
        return dict(sorted(self._read().document.tokens.items()))

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
        parse_token_name(name)
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
        self._change(lambda document: without_token(document, name))

    def register_first(self, secret: str, now: float) -> None:
        """Make `secret` an admin token unless it is one or was revoked; `now` is in seconds since the epoch."""
        record = TokenRecord(
            hash=hash_secret(secret), role=Role.ADMIN, app=None, created=now, by=FIRST_START, command=FIRST_START
        )
        self._change(lambda document: with_first_token(document, record))

    def _change(self, edit: Callable[[TokenDocument], TokenDocument]) -> None:
        for _ in range(SWAP_ATTEMPTS):
            held = self._read()
            edited = edit(held.document)
            if edited is held.document:
                return
            try:
                self._write(
                    msgspec.structs.replace(edited, format=TOKENS_FORMAT, sequence=edited.sequence + 1), held.tag
                )
            except (AlreadyExists, Stale):
                continue
            return
        raise Conflict("busy", "another writer is changing the tokens; try again")

    def _write(self, document: TokenDocument, replaced_tag: str) -> None:
        sealed = sign_document(self._writer, _DOMAIN, msgspec.json.encode(document))
        if replaced_tag:
            tag = self._store.swap(TOKENS_KEY, sealed, replaced_tag)
        else:
            tag = self._store.create(TOKENS_KEY, sealed)
        self._remember(_Held(document, tag))

    def _read(self) -> _Held:
        last = self._last  # taken before the store is read, so that anything older read next is a replay
        stored = self._store.get(TOKENS_KEY)
        if stored is None:
            if last is not None:
                raise Untrusted("older_document", "the tokens document has vanished from the store")
            return _Held(self._empty(), "")
        if last is not None and last.tag == stored.tag:
            return last
        held = _Held(self._open(stored.data), stored.tag)
        if last is not None and held.document.sequence < last.document.sequence:
            raise Untrusted("older_document", "the tokens document in the store is older than the one seen before")
        self._remember(held)
        return held

    def _remember(self, held: _Held) -> None:
        with self._lock:
            if self._last is None or held.document.sequence > self._last.document.sequence:
                self._last = held

    def _empty(self) -> TokenDocument:
        return TokenDocument(format=TOKENS_FORMAT, store=self._trust.store_id, sequence=0, tokens={}, revoked=[])

    def _open(self, sealed: bytes) -> TokenDocument:
        return open_tokens(sealed, self._trust)


def open_tokens(sealed: bytes, trust: Trust) -> TokenDocument:
    """The tokens of the store that `trust` is of. Raises Untrusted."""
    try:
        payload = open_document(_DOMAIN, sealed, trust.keys)
    except Untrusted as error:
        if error.code != "unknown_writer":
            raise
        trust.reload()  # a writer may have been added since
        payload = open_document(_DOMAIN, sealed, trust.keys)
    document = parse_document(payload, _decoder, TOKENS_FORMAT, "tokens")
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
