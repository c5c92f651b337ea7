"""The document that holds the tokens, and every change of it. Pure: `tokens` reads, signs and swaps it in the store."""

import re

import msgspec

from edge.control.access.roles import LIMITABLE, Role
from edge.domain.errors import Conflict, Forbidden, Invalid, NotFound
from edge.domain.facts import DAY_SECONDS
from edge.domain.model import AppId, parse_app_id
from edge.domain.schedule.durations import DURATION_LIMIT_SECONDS, format_duration

# 5 has the roles of people, 4 reporters, 3 epochs: each is written only where it is needed, so that older releases
# read what they can. 1 had no uploaders and no tokens that expire.
TOKENS_FORMAT = 5
TOKEN_NAME_LIMIT = 64  # characters; every revision carries the name of its author
TOKEN_LIMIT = 1_000  # each request compares its secret with all of them
REVOKED_LIMIT = 1_000  # first tokens remembered, one per node in its life; and as many command ids
LIFETIME_LEAST_SECONDS = 60
LIFETIME_LIMIT_SECONDS = DURATION_LIMIT_SECONDS  # a year; a token for longer does not expire: revoke it
FIRST_START = "first-start"  # the maker of tokens that no token made

_NEW_ROLES = {Role.RELEASER, Role.DEVELOPER, Role.SUPPORT, Role.VIEWER}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII)


class TokenRecord(msgspec.Struct, frozen=True, kw_only=True):
    """`hash` is the SHA-256 of the secret in hex, `created` is in seconds since the epoch, `by` is the name of the
    token that made this one and `command` the id of the request that did.

    Without `lifetime_seconds` the token does not expire. `used_day` is the day of its last use, in days since the
    epoch; 0: never.
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
        """In seconds since the epoch; None: never."""
        return self.created + self.lifetime_seconds if self.lifetime_seconds is not None else None

    @property
    def last_used(self) -> float | None:
        """The start of the day of its last use, in seconds since the epoch; None: never used."""
        return self.used_day * DAY_SECONDS or None


class TokenDocument(msgspec.Struct, frozen=True, kw_only=True):
    """`revoked` keeps the hashes of revoked first tokens, so that the file on a node does not bring them back.
    `used_commands` keeps the command ids of other revoked tokens, so that a repeated request does not either; earlier
    versions did not write them. `epoch` as in `HeadShard`."""

    format: int
    store: str
    sequence: int
    tokens: dict[str, TokenRecord]
    revoked: list[str]
    used_commands: list[str] = []
    epoch: int = 0

    @property
    def order(self) -> tuple[int, int]:
        """What must never fall."""
        return self.epoch, self.sequence


def successor_of(document: TokenDocument, epoch: int = 0) -> TokenDocument:
    """The next document in sequence, in the same epoch or in `epoch` if that is higher."""
    epoch = max(epoch, document.epoch)
    held = {each.role for each in document.tokens.values()}
    needed = 5 if held & _NEW_ROLES else 4 if Role.REPORTER in held else 3 if epoch else 2
    return msgspec.structs.replace(document, format=needed, sequence=document.sequence + 1, epoch=epoch)


def with_use(document: TokenDocument, name: str, day: int) -> TokenDocument:
    """Note the use of a token on `day`, in days since the epoch. The same document where that is noted already."""
    record = document.tokens.get(name)
    if record is None or record.used_day >= day:
        return document
    used = msgspec.structs.replace(record, used_day=day)
    return msgspec.structs.replace(document, tokens={**document.tokens, name: used})


def with_first_token(document: TokenDocument, record: TokenRecord) -> TokenDocument:
    """Add a node's first token. The same document where its hash is known or was revoked. Raises Conflict
    `token_exists`, `too_many_tokens`."""
    known = {held.hash for held in document.tokens.values()}
    if record.hash in known or record.hash in document.revoked:
        return document
    name = "admin" if "admin" not in document.tokens else f"admin-{record.hash[:8]}"
    return _with_token(document, name, record)


def with_new_token(document: TokenDocument, name: str, record: TokenRecord) -> TokenDocument:
    """Add a token; a repeat of the command that made it replaces the hash.

    Raises Forbidden `outlives_its_maker`, Conflict `command_id_used`, `token_exists`, `too_many_tokens`.
    """
    _check_maker(document, record)
    _check_command(document, name, record)
    return _with_token(document, name, record)


def without_token(document: TokenDocument, name: str) -> TokenDocument:
    """Remove a token. Raises NotFound `unknown_token`, and Conflict `last_admin` if no one could create tokens then."""
    record = document.tokens.get(name)
    if record is None:
        raise NotFound("unknown_token", f"unknown token {name[:TOKEN_NAME_LIMIT]!r}")
    kept = {other: held for other, held in document.tokens.items() if other != name}
    if not any(held.role is Role.ADMIN and held.lifetime_seconds is None for held in kept.values()):
        raise Conflict("last_admin", f"token {name!r} is the last admin token without an expiry; create another first")
    first = [record.hash] if record.by == FIRST_START else []
    revoked = [*document.revoked, *first][-REVOKED_LIMIT:]
    used = [*document.used_commands, *([record.command] if not first else [])][-REVOKED_LIMIT:]
    return msgspec.structs.replace(document, tokens=kept, revoked=revoked, used_commands=used)


def parse_token_name(text: str) -> str:
    """Raises Invalid `invalid_token_name`."""
    if len(text) > TOKEN_NAME_LIMIT or _NAME.fullmatch(text) is None:
        raise Invalid(
            "invalid_token_name",
            f"invalid token name {text[:TOKEN_NAME_LIMIT]!r}: use 1 to {TOKEN_NAME_LIMIT} letters, digits, '_', '.' "
            "and '-', starting with a letter or digit",
        )
    return text


def parse_scope(role: Role, app: str | None) -> AppId | None:
    """The app that a token is limited to. Raises Invalid `invalid_token_scope` for a role that cannot be limited, and
    `invalid_app_id`."""
    if app is None:
        return None
    if role not in LIMITABLE:
        raise Invalid("invalid_token_scope", f"a token with role {role.value!r} cannot be limited to an app")
    return parse_app_id(app)


def check_lifetime(seconds: int | None) -> None:
    """Raises Invalid `invalid_lifetime`."""
    if seconds is not None and not LIFETIME_LEAST_SECONDS <= seconds <= LIFETIME_LIMIT_SECONDS:
        least, most = (format_duration(each) for each in (LIFETIME_LEAST_SECONDS, LIFETIME_LIMIT_SECONDS))
        raise Invalid("invalid_lifetime", f"invalid token lifetime: use {least} to {most}, or none for no expiry")


def _check_maker(document: TokenDocument, record: TokenRecord) -> None:
    """A token that expires makes none that lasts longer: its holder could stay for good."""
    maker = document.tokens.get(record.by)
    if maker is None or maker.expires is None:
        return
    if record.expires is None or record.expires > maker.expires:
        left = format_duration(max(0, int(maker.expires - record.created)))
        raise Forbidden(
            "outlives_its_maker",
            f"token {record.by!r} expires in {left}: a token that it creates must expire by then (--for)",
        )


def _check_command(document: TokenDocument, name: str, record: TokenRecord) -> None:
    """A command id stands for one token, even after that was revoked."""
    if record.command in document.used_commands:
        raise Conflict(
            "command_id_used",
            f"command id {record.command!r} was used to create a token that has since been revoked; use another id",
        )
    for other, held in document.tokens.items():
        same = other == name and _same_command(held, record)
        if held.command == record.command and held.by != FIRST_START and not same:
            raise Conflict(
                "command_id_used",
                f"command id {record.command!r} was first used to create token {other!r} ({held.role.value}) by "
                f"{held.by!r}; use another id",
            )


def _with_token(document: TokenDocument, name: str, record: TokenRecord) -> TokenDocument:
    held = document.tokens.get(name)
    if held is not None and not _same_command(held, record):
        raise Conflict("token_exists", f"token {name!r} already exists; revoke it first")
    if held is None and len(document.tokens) >= TOKEN_LIMIT:
        raise Conflict("too_many_tokens", f"the store has reached the limit of {TOKEN_LIMIT} tokens; revoke one first")
    return msgspec.structs.replace(document, tokens={**document.tokens, name: record})


def _same_command(one: TokenRecord, other: TokenRecord) -> bool:
    made = (one.command, one.by, one.role, one.app, one.lifetime_seconds)
    return made == (other.command, other.by, other.role, other.app, other.lifetime_seconds)
