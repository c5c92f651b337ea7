"""Access tokens: 256 random bits each, kept only as their SHA-256 in one signed document of the store.

A secret is seen once, by whoever asked for it; nothing here logs, stores or repeats it. Any number of processes may
change the document: a change is a compare-and-swap. Calls block: shells run them off the event loop.
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

from edge.control.roles import LIMITABLE, Role
from edge.domain.errors import Conflict, EdgeError, Forbidden, Invalid, NotFound, Unauthorized
from edge.domain.facts import DAY_SECONDS
from edge.domain.model import AppId, parse_app_id
from edge.domain.schedule.durations import DURATION_LIMIT_SECONDS, format_duration
from edge.store.key_set import Trust
from edge.store.objects.port import AlreadyExists, ObjectStore, Stale
from edge.store.signing import Writer, open_document, sign_document
from edge.store.stored_document import Untrusted, parse_document

TOKENS_KEY = "access/tokens.json"
TOKENS_FORMAT = 2  # 1 knew no uploaders, and no token that ends
SECRET_PREFIX = "edge_"  # noqa: S105 - lets scanners of repositories and logs find a leaked token
SECRET_BYTES = 32
SECRET_LIMIT = 128  # characters of a presented token that are hashed at all
TOKEN_NAME_LIMIT = 64  # characters; the name is in every revision as its author
TOKEN_LIMIT = 1_000  # all of them are compared at each request
REVOKED_LIMIT = 1_000  # remembered first tokens: one a node in its life; and as many command ids
SWAP_ATTEMPTS = 20  # each lost one means that another writer got through
LIFETIME_LEAST_SECONDS = 60
LIFETIME_LIMIT_SECONDS = DURATION_LIMIT_SECONDS  # a year; what has to last longer has no end, and is revoked
FIRST_START = "first-start"  # who made the tokens that nobody asked for

_DOMAIN = "edge-tokens"
log = logging.getLogger(__name__)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII)
_SECRET = re.compile(rf"{SECRET_PREFIX}[A-Za-z0-9_-]{{43}}")


class Grant(NamedTuple):
    """What a token that was presented stands for."""

    name: str
    role: Role
    app: AppId | None


class TokenRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`hash` is the secret's SHA-256, `created` seconds since the epoch, `by` the name of the maker's token.

    `command` is the id of the command that made it. Without `lifetime_seconds` it has no end. `used_day` is the day it
    was used last, in days since the epoch; 0: never.
    """

    hash: str
    role: Role
    app: AppId | None
    created: float
    by: str
    command: str
    lifetime_seconds: int | None = None
    used_day: int = 0

    @property
    def expires(self) -> float | None:
        return self.created + self.lifetime_seconds if self.lifetime_seconds is not None else None

    @property
    def last_used(self) -> float | None:
        """The day's beginning, in seconds since the epoch."""
        return self.used_day * DAY_SECONDS or None


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    """`revoked` keeps the hashes of first tokens, so that the file a node still has does not bring them back.
    `used_commands` keeps the ids of the commands whose tokens were revoked, so that a repeat does not either; documents
    of an earlier version have none."""

    format: int
    store: str
    sequence: int
    tokens: dict[str, TokenRecord]
    revoked: list[str]
    used_commands: list[str] = []


class _Held(NamedTuple):
    document: _Document
    tag: str  # empty: the store has none yet


_decoder = msgspec.json.Decoder(_Document)


class Tokens:
    """The store's tokens. Every call reads the document, so what another process revoked is refused at once."""

    def __init__(self, store: ObjectStore, trust: Trust, writer: Writer) -> None:
        self._store = store
        self._trust = trust
        self._writer = writer
        self._last: _Held | None = None  # verified; also the floor below which a sequence is a replay
        self._lock = threading.Lock()
        self._noting = threading.Lock()

    def authenticate(self, secret: str, now: float) -> Grant:
        """Whose token this is. Raises Unauthorized `unauthorized`, `token_expired`; an unknown one costs what a known
        one does. The first use of a day is noted in the store."""
        presented = hash_secret(secret[:SECRET_LIMIT])
        found = None
        for name, record in self._read().document.tokens.items():
            if hmac.compare_digest(record.hash, presented):
                found = name, record
        if found is None:
            raise Unauthorized("unauthorized", "the token is not known here, or was revoked")
        name, record = found
        if record.expires is not None and record.expires <= now:
            raise Unauthorized(
                "token_expired", f"token {name!r} has expired; make another one with `edge token create`"
            )
        if record.used_day < _day(now):
            self._note_use(name, now)
        return Grant(name, record.role, record.app)

    def _note_use(self, name: str, now: float) -> None:
        """One request of a day writes; that it cannot must not keep anybody out."""
        if not self._noting.acquire(blocking=False):
            return
        try:
            self._change(lambda document: _with_use(document, name, _day(now)))
        except (EdgeError, OSError) as error:
            log.warning("the use of token %r was not noted: %s", name, error)
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
        """Make a token and return its secret. Raises Invalid, Forbidden `outlives_its_maker`, or Conflict
        `token_exists`, `too_many_tokens`, `command_id_used`.

        The same command again, after an answer that was lost, gives the token a new secret: the old one is worthless.
        """
        scope = _parse_scope(role, app)
        parse_token_name(name)
        _check_lifetime(lifetime_seconds)
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
        self._change(lambda document: _with_own_command(_checked_maker(document, record), name, record))
        return secret

    def revoke(self, name: str) -> None:
        """Raises NotFound `unknown_token`, or Conflict `last_admin`: nobody could make a token any more."""
        self._change(lambda document: _without_token(document, name))

    def register_first(self, secret: str, now: float) -> None:
        """Make `secret` an admin's token, unless it is known or was revoked: repeats are harmless."""
        record = TokenRecord(
            hash=hash_secret(secret), role=Role.ADMIN, app=None, created=now, by=FIRST_START, command=FIRST_START
        )
        self._change(lambda document: _with_first_token(document, record))

    def _change(self, edit: Callable[[_Document], _Document]) -> None:
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
        raise Conflict("busy", "the tokens are being changed by others; try again")

    def _write(self, document: _Document, replaced_tag: str) -> None:
        sealed = sign_document(self._writer, _DOMAIN, msgspec.json.encode(document))
        if replaced_tag:
            tag = self._store.swap(TOKENS_KEY, sealed, replaced_tag)
        else:
            tag = self._store.create(TOKENS_KEY, sealed)
        self._remember(_Held(document, tag))

    def _read(self) -> _Held:
        last = self._last  # before the store: what is read next can only be newer, unless somebody went back
        stored = self._store.get(TOKENS_KEY)
        if stored is None:
            if last is not None:
                raise Untrusted("older_document", "the tokens have gone from the store")
            return _Held(self._empty(), "")
        if last is not None and last.tag == stored.tag:
            return last
        held = _Held(self._open(stored.data), stored.tag)
        if last is not None and held.document.sequence < last.document.sequence:
            raise Untrusted("older_document", "the tokens in the store are older than those seen before")
        self._remember(held)
        return held

    def _remember(self, held: _Held) -> None:
        with self._lock:
            if self._last is None or held.document.sequence > self._last.document.sequence:
                self._last = held

    def _empty(self) -> _Document:
        return _Document(format=TOKENS_FORMAT, store=self._trust.store_id, sequence=0, tokens={}, revoked=[])

    def _open(self, sealed: bytes) -> _Document:
        try:
            payload = open_document(_DOMAIN, sealed, self._trust.keys)
        except Untrusted as error:
            if error.code != "unknown_writer":
                raise
            self._trust.reload()  # a writer may have been added since
            payload = open_document(_DOMAIN, sealed, self._trust.keys)
        document = parse_document(payload, _decoder, TOKENS_FORMAT, "tokens")
        if document.store != self._trust.store_id:
            raise Untrusted("misplaced_document", f"the tokens are of store {document.store[:64]!r}")
        return document


def new_secret() -> str:
    return SECRET_PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def hash_secret(secret: str) -> str:
    """SHA-256 is enough for 256 random bits: there is nothing to guess, so nothing to slow down."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def is_secret(text: str) -> bool:
    return _SECRET.fullmatch(text) is not None


def parse_token_name(text: str) -> str:
    """Raises Invalid `invalid_token_name`."""
    if len(text) > TOKEN_NAME_LIMIT or _NAME.fullmatch(text) is None:
        raise Invalid(
            "invalid_token_name",
            f"token name {text[:TOKEN_NAME_LIMIT]!r}: letters, digits, '_', '.', '-', at most {TOKEN_NAME_LIMIT}",
        )
    return text


def _parse_scope(role: Role, app: str | None) -> AppId | None:
    if app is None:
        return None
    if role not in LIMITABLE:
        raise Invalid("invalid_token_scope", f"a token of role {role.value!r} cannot be limited to an app")
    return parse_app_id(app)


def _check_lifetime(seconds: int | None) -> None:
    """Raises Invalid `invalid_lifetime`."""
    if seconds is not None and not LIFETIME_LEAST_SECONDS <= seconds <= LIFETIME_LIMIT_SECONDS:
        least, most = (format_duration(each) for each in (LIFETIME_LEAST_SECONDS, LIFETIME_LIMIT_SECONDS))
        raise Invalid("invalid_lifetime", f"a token lasts from {least} to {most}, or has no end")


def _day(now: float) -> int:
    return int(now // DAY_SECONDS)


def _with_use(document: _Document, name: str, day: int) -> _Document:
    record = document.tokens.get(name)
    if record is None or record.used_day >= day:
        return document
    used = msgspec.structs.replace(record, used_day=day)
    return msgspec.structs.replace(document, tokens={**document.tokens, name: used})


def _with_first_token(document: _Document, record: TokenRecord) -> _Document:
    known = {held.hash for held in document.tokens.values()}
    if record.hash in known or record.hash in document.revoked:
        return document
    name = "admin" if "admin" not in document.tokens else f"admin-{record.hash[:8]}"
    return _with_token(document, name, record)


def _checked_maker(document: _Document, record: TokenRecord) -> _Document:
    """A token with an end makes none that lasts longer: whoever holds it could stay for good."""
    maker = document.tokens.get(record.by)
    if maker is None or maker.expires is None:
        return document
    if record.expires is None or record.expires > maker.expires:
        left = format_duration(max(0, int(maker.expires - record.created)))
        raise Forbidden(
            "outlives_its_maker", f"token {record.by!r} itself ends in {left}: what it makes must end by then (--for)"
        )
    return document


def _with_own_command(document: _Document, name: str, record: TokenRecord) -> _Document:
    """A command id stands for one token, also when that was revoked."""
    if record.command in document.used_commands:
        raise Conflict(
            "command_id_used",
            f"the id {record.command!r} was used to make a token that was revoked since; another token needs an id of "
            "its own",
        )
    for other, held in document.tokens.items():
        same = other == name and _same_command(held, record)
        if held.command == record.command and held.by != FIRST_START and not same:
            raise Conflict(
                "command_id_used",
                f"the id {record.command!r} was first used to make token {other!r} ({held.role.value}) by {held.by!r}; "
                "another token needs an id of its own",
            )
    return _with_token(document, name, record)


def _with_token(document: _Document, name: str, record: TokenRecord) -> _Document:
    held = document.tokens.get(name)
    if held is not None and not _same_command(held, record):
        raise Conflict("token_exists", f"token {name!r} exists already; revoke it first")
    if held is None and len(document.tokens) >= TOKEN_LIMIT:
        raise Conflict("too_many_tokens", f"there are {TOKEN_LIMIT} tokens, the most there can be")
    return msgspec.structs.replace(document, tokens={**document.tokens, name: record})


def _same_command(one: TokenRecord, other: TokenRecord) -> bool:
    made = (one.command, one.by, one.role, one.app, one.lifetime_seconds)
    return made == (other.command, other.by, other.role, other.app, other.lifetime_seconds)


def _without_token(document: _Document, name: str) -> _Document:
    record = document.tokens.get(name)
    if record is None:
        raise NotFound("unknown_token", f"unknown token {name[:TOKEN_NAME_LIMIT]!r}")
    kept = {other: held for other, held in document.tokens.items() if other != name}
    if not any(held.role is Role.ADMIN and held.lifetime_seconds is None for held in kept.values()):
        raise Conflict("last_admin", f"token {name!r} is the last admin's without an end; create another one first")
    first = [record.hash] if record.by == FIRST_START else []
    revoked = [*document.revoked, *first][-REVOKED_LIMIT:]
    used = [*document.used_commands, *([record.command] if not first else [])][-REVOKED_LIMIT:]
    return msgspec.structs.replace(document, tokens=kept, revoked=revoked, used_commands=used)
