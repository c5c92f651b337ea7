"""The document that holds the tokens, and every change of it. Pure: `tokens` reads, signs and swaps it in the store."""

import re
from collections.abc import Sequence

import msgspec

from edge.control.access.people_document import HeldRole
from edge.control.access.roles import Role
from edge.control.access.shared_document import DocumentKind, SharedFields
from edge.domain.approving.hands import is_person
from edge.domain.errors import Conflict, Forbidden, Invalid, NotFound
from edge.domain.facts import DAY_SECONDS
from edge.domain.model import AppId
from edge.domain.schedule.durations import DURATION_LIMIT_SECONDS, format_duration
from edge.store.objects.port import TOKENS_KEY

# 5 has the roles of people, several scopes, networks and former secrets; 4 reporters, 3 epochs: each is written only
# where it is needed, so that older releases read what they can. 1 had no uploaders and no tokens that expire.
TOKENS_FORMAT = 5
TOKENS_DOMAIN = "edge-tokens"
TOKEN_NAME_LIMIT = 64  # characters; every revision carries the name of its author
TOKEN_LIMIT = 1_000  # each request compares its secret with all of them
SCOPE_LIMIT = 20  # of a token: one for more is one for an organisation
ROTATORS_LIMIT = 50  # of a token; none is forgotten, since each has seen a secret
REVOKED_LIMIT = 1_000  # first tokens remembered, one per node in its life; and as many command ids
LIFETIME_LEAST_SECONDS = 60
LIFETIME_LIMIT_SECONDS = DURATION_LIMIT_SECONDS  # a year; a token for longer does not expire: revoke it
KEEP_LIMIT_SECONDS = 30 * DAY_SECONDS  # a former secret that works for longer is a second token that nobody lists
FIRST_START = "first-start"  # the maker of tokens that no token made

_BEFORE_PEOPLE = frozenset({"admin", "publisher", "uploader", "reader", "reporter", "node"})
_FOR_ALL_APPS = frozenset({"admin", "node"})  # could not be limited before there were people
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*", re.ASCII)


class FormerSecret(msgspec.Struct, frozen=True):
    """The hash of the secret before a rotation, which works `until` then, in seconds since the epoch. `person` had it
    in hand, `since` then."""

    hash: str
    until: float
    person: str = ""
    since: float = 0.0


class TokenRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`hash` is the SHA-256 of the secret in hex, `created` is in seconds since the epoch, `by` is the name of who
    made this one and `command` the id of the request that did.

    `role` and `app` are what it may do, unless it `holds` roles as people do: then `role` is the name of the first.
    Without `lifetime_seconds` the token does not expire; it counts from `renewed`, its last rotation, whose request has
    the id `rotation`; `rotated_by` have seen a secret of it beside its maker. `person` is in whose hands it is: who
    made it or gave it its secret, also by a token in the person's hands; "" for nobody's. It gives no more than the
    person may. `used_day` is the day of its last use, in
    days since the epoch; 0: never. With `networks` it works from there alone.
    """

    hash: str
    role: str
    app: AppId | None
    created: float
    by: str
    command: str
    lifetime_seconds: int | None = None
    used_day: int = 0
    holds: tuple[HeldRole, ...] = ()
    networks: tuple[str, ...] = ()
    former: FormerSecret | None = None
    renewed: float = 0.0
    rotation: str = ""
    rotated_by: tuple[str, ...] = ()
    person: str = ""

    @property
    def since(self) -> float:
        """When it got its secret, in seconds since the epoch."""
        return self.renewed or self.created

    @property
    def expires(self) -> float | None:
        """In seconds since the epoch; None: never."""
        if self.lifetime_seconds is None:
            return None
        return self.since + self.lifetime_seconds

    @property
    def last_used(self) -> float | None:
        """The start of the day of its last use, in seconds since the epoch; None: never used."""
        return self.used_day * DAY_SECONDS or None

    @property
    def opens_all(self) -> bool:
        """Whether it is an admin's for good, whatever happens: of these one stays."""
        plain = self.role == Role.ADMIN.value and self.app is None and not self.holds
        return plain and self.lifetime_seconds is None and not self.networks and not self.person

    @property
    def is_of_people(self) -> bool:
        """Whether a release from before there were people would read it wrongly, or not at all."""
        new = self.holds or self.networks or self.former or self.renewed or self.person
        return bool(self.role not in _BEFORE_PEOPLE or new)


class NewToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token to be made: what it is asked to be, unchecked. Without `scopes`, for everything."""

    role: str
    scopes: Sequence[str] = ()
    lifetime_seconds: int | None = None
    networks: Sequence[str] = ()


class TokenDocument(SharedFields, frozen=True, kw_only=True):
    """`revoked` keeps the hashes of revoked first tokens, so that the file on a node does not bring them back.
    `used_commands` keeps the command ids of other revoked tokens, so that a repeated request does not either; earlier
    versions did not write them."""

    tokens: dict[str, TokenRecord]
    revoked: list[str]
    used_commands: list[str] = msgspec.field(default_factory=list)


def format_of(document: TokenDocument) -> int:
    """The lowest that says all that the document has."""
    if any(each.is_of_people for each in document.tokens.values()):
        return 5
    reporters = any(each.role == Role.REPORTER.value for each in document.tokens.values())
    return 4 if reporters else 3 if document.epoch else 2


TOKENS_KIND = DocumentKind(
    TOKENS_KEY,
    TOKENS_DOMAIN,
    "tokens.json",
    "the tokens document",
    "tokens",
    TOKENS_FORMAT,
    TokenDocument,
    format_of,
    lambda store: TokenDocument(format=TOKENS_FORMAT, store=store, sequence=0, tokens={}, revoked=[]),
)


def held_by(record: TokenRecord) -> tuple[HeldRole, ...]:
    """What a token holds, in the form of people."""
    return record.holds or (HeldRole(record.role, f"app:{record.app}" if record.app is not None else "everything"),)


def plain_app(role: str, holds: Sequence[HeldRole]) -> AppId | None:
    """The app with which releases from before there were people say the same, "" for everything; None: they cannot."""
    scope = holds[0].scope if len(holds) == 1 else ""
    if role not in {each.value for each in Role} or (scope != "everything" and role in _FOR_ALL_APPS):
        return None
    kind, _, app = scope.partition(":")
    if scope == "everything":
        return AppId("")
    return AppId(app) if kind == "app" and "/" not in app else None


def token_of(document: TokenDocument, name: str) -> TokenRecord:
    """Raises NotFound `unknown_token`."""
    record = document.tokens.get(name)
    if record is None:
        raise NotFound("unknown_token", f"unknown token {name[:TOKEN_NAME_LIMIT]!r}")
    return record


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
    record = msgspec.structs.replace(record, person=_person_behind(document, record.by))
    _check_maker(document, record, record.by, record.created)
    _check_command(document, name, record)
    return _with_token(document, name, record)


def without_token(document: TokenDocument, name: str) -> TokenDocument:
    """Remove a token. Raises NotFound `unknown_token`, and Conflict `last_admin` if no one could create tokens then."""
    record = token_of(document, name)
    kept = {other: held for other, held in document.tokens.items() if other != name}
    after = msgspec.structs.replace(document, tokens=kept)
    _check_admin_left(after, f"token {name!r} is the last admin token without an expiry; create another first")
    first = [record.hash] if record.by == FIRST_START else []
    revoked = [*document.revoked, *first][-REVOKED_LIMIT:]
    used = [*document.used_commands, *([record.command] if not first else [])][-REVOKED_LIMIT:]
    return msgspec.structs.replace(after, revoked=revoked, used_commands=used)


def with_secret(
    document: TokenDocument, name: str, hashed: str, now: float, keep_seconds: int, command: str, by: str
) -> TokenDocument:
    """Another secret for a token, and its lifetime from `now`; the one so far works for `keep_seconds` more, the one
    before that no longer. A repeat of the command replaces the new secret alone. Raises NotFound `unknown_token`,
    Forbidden `outlives_its_maker`, Conflict `too_many_rotators`, `command_id_used`."""
    record = token_of(document, name)
    if record.rotation == command:
        if by not in record.rotated_by:  # it would see a secret, and be nowhere named
            raise Conflict("command_id_used", f"command id {command!r} was used by another to rotate this token")
        again = msgspec.structs.replace(record, hash=hashed)
        return msgspec.structs.replace(document, tokens={**document.tokens, name: again})
    until = now + keep_seconds
    former = FormerSecret(record.hash, until, record.person, record.since) if keep_seconds else None
    seen_by = tuple(dict.fromkeys((*record.rotated_by, by)))
    if len(seen_by) > ROTATORS_LIMIT:
        raise Conflict("too_many_rotators", f"{ROTATORS_LIMIT} others have rotated token {name!r}: create another")
    rotated = msgspec.structs.replace(
        record,
        hash=hashed,
        former=former,
        renewed=now,
        rotation=command,
        rotated_by=seen_by,
        person=_person_behind(document, by),
    )
    _check_maker(document, rotated, by, now)
    # The file on the node must not bring the former secret back as a token of its own.
    first = [record.hash] if record.by == FIRST_START else []
    revoked = [*document.revoked, *first][-REVOKED_LIMIT:]
    after = msgspec.structs.replace(document, tokens={**document.tokens, name: rotated}, revoked=revoked)
    if record.opens_all:
        _check_admin_left(after, f"token {name!r} is the last admin token that is no person's; rotate it by itself")
    return after


def parse_token_name(text: str) -> str:
    """Raises Invalid `invalid_token_name`."""
    if len(text) > TOKEN_NAME_LIMIT or _NAME.fullmatch(text) is None:
        raise Invalid(
            "invalid_token_name",
            f"invalid token name {text[:TOKEN_NAME_LIMIT]!r}: use 1 to {TOKEN_NAME_LIMIT} letters, digits, '_', '.' "
            "and '-', starting with a letter or digit",
        )
    return text


def check_lifetime(seconds: int | None) -> None:
    """Raises Invalid `invalid_lifetime`."""
    if seconds is not None and not LIFETIME_LEAST_SECONDS <= seconds <= LIFETIME_LIMIT_SECONDS:
        least, most = (format_duration(each) for each in (LIFETIME_LEAST_SECONDS, LIFETIME_LIMIT_SECONDS))
        raise Invalid("invalid_lifetime", f"invalid token lifetime: use {least} to {most}, or none for no expiry")


def check_keep(seconds: int) -> None:
    """Raises Invalid `invalid_lifetime`."""
    if not 0 <= seconds <= KEEP_LIMIT_SECONDS:
        raise Invalid("invalid_lifetime", f"a former secret works for {format_duration(KEEP_LIMIT_SECONDS)} at most")


def _person_behind(document: TokenDocument, by: str) -> str:
    """In whose hands a token is that `by` makes, a person or a token; "" for nobody's."""
    if is_person(by):
        return by
    return document.tokens[by].person if by in document.tokens else ""


def _check_admin_left(document: TokenDocument, words: str) -> None:
    if not any(held.opens_all for held in document.tokens.values()):
        raise Conflict("last_admin", words)


def _check_maker(document: TokenDocument, record: TokenRecord, by: str, now: float) -> None:
    """A token that expires makes none that lasts longer: its holder could stay for good."""
    maker = document.tokens.get(by)
    if maker is None or maker.expires is None:
        return
    if record.expires is None or record.expires > maker.expires:
        left = format_duration(max(0, int(maker.expires - now)))
        raise Forbidden(
            "outlives_its_maker",
            f"token {by!r} expires in {left}: a token that it creates must expire by then (--for)",
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
                f"command id {record.command!r} was first used to create token {other!r} ({held.role}) by "
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
    return _made(one) == _made(other)


def _made(record: TokenRecord) -> tuple[object, ...]:
    return record.command, record.by, record.role, record.app, record.lifetime_seconds, record.holds, record.networks
