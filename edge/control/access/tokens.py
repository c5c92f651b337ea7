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
from collections.abc import Mapping
from contextlib import suppress
from typing import Literal, NamedTuple

import msgspec

from edge.control.access.grants import Grant, Hold, bounded, hold_of
from edge.control.access.judging.giving import check_gives, gives, scope_of
from edge.control.access.networks import is_from, parse_networks
from edge.control.access.people import People
from edge.control.access.people_document import HeldRole, PeopleDocument, check_held
from edge.control.access.roles import Permission, Role
from edge.control.access.scopes import EVERYTHING
from edge.control.access.shared_document import SharedDocument
from edge.control.access.token_document import (
    FIRST_START,
    TOKENS_KIND,
    NewToken,
    TokenDocument,
    TokenRecord,
    check_keep,
    check_lifetime,
    held_by,
    parse_token_name,
    plain_app,
    token_of,
    with_first_token,
    with_new_token,
    with_secret,
    with_use,
    without_token,
)
from edge.domain.changes.guard.guard_commands import GUARD_NAME
from edge.domain.errors import EdgeError, Forbidden, Invalid, Unauthorized
from edge.domain.facts import DAY_SECONDS
from edge.store.disk.room import Reserve
from edge.store.key_set import Trust
from edge.store.objects.port import ObjectStore
from edge.store.signing import Writer
from edge.store.stored_document import Untrusted

SECRET_PREFIX = "edge_"  # noqa: S105 - lets scanners of repositories and logs find leaked tokens
SECRET_BYTES = 32
SECRET_LIMIT = 128  # characters of a presented token that are hashed at all

log = logging.getLogger(__name__)
_SECRET = re.compile(rf"{SECRET_PREFIX}[A-Za-z0-9_-]{{43}}")


Gives = Literal["all", "less", "nothing"]


class AcceptedTokens(NamedTuple):
    """Why the tokens were refused; which of those that were restored are revoked again, and which ones were missing."""

    problem: str
    revoked: list[str]
    brought_back: list[str]


class PresentedToken(NamedTuple):
    """By its secret or by the former one: `person` has that one in hand, `since` then; "" for nobody."""

    name: str
    record: TokenRecord
    person: str
    since: float


class Tokens(SharedDocument[TokenDocument]):
    """The store's tokens. A token that another process revoked is refused at once."""

    def __init__(
        self,
        store: ObjectStore,
        trust: Trust,
        writer: Writer | None,
        reserve: Reserve | None = None,
        copy: ObjectStore | None = None,
        people: People | None = None,
    ) -> None:
        """As of `SharedDocument`. With a `copy`, uses are noted by `look`, and by no request. `people` know the roles
        and organisations that tokens hold; without, they are the same store's."""
        super().__init__(TOKENS_KIND, store, trust, writer, reserve, copy)
        self.people = people or People(store, trust, writer, reserve, copy)
        self._noting = threading.Lock()
        self._used: set[str] = set()

    def authenticate(self, secret: str, now: float, address: str = "") -> Grant:
        """Look up the token of this secret; `now` is in seconds since the epoch, `address` whence it is presented. The
        first use of a day is noted in the store. Raises Unauthorized `unauthorized`, `token_expired`, `wrong_address`,
        `maker_gone`;
        an unknown secret takes as long as a known one."""
        found = self._found(hash_secret(secret[:SECRET_LIMIT]), now)
        if found is None:
            raise Unauthorized("unauthorized", "unknown or revoked token")
        name, record, person, _ = found
        if record.expires is not None and record.expires <= now:
            raise Unauthorized("token_expired", f"token {name!r} has expired; create another with `edge token create`")
        if not is_from(record.networks, address):
            where = address or "an unknown address"
            raise Unauthorized("wrong_address", f"token {name!r} may not be used from {where}")
        grant = self._grant(found)
        if grant is None:
            raise Unauthorized(
                "maker_gone",
                f"token {name!r} ended with {person}, who had it in hand and was removed: whoever may create it "
                "gives it a new secret (`edge token rotate`)",
            )
        if self._writer is not None and record.used_day < _day(now):
            self._note_use(name, now)
        return grant

    def standing(self, hashed: str, now: float, address: str = "") -> Grant | None:
        """The token whose secret has this hash, unless it has been revoked or has expired or is not for this address:
        what a session of the page stands for."""
        found = self._found(hashed, now)
        if found is None or (found.record.expires is not None and found.record.expires <= now):
            return None
        return self._grant(found) if is_from(found.record.networks, address) else None

    def grant_of(self, name: str) -> Grant | None:
        """What the token of this name may do; None if there is none, or it is of somebody who is gone."""
        record = self.records().get(name)
        return self._grant(PresentedToken(name, record, record.person, record.since)) if record is not None else None

    def gives(self, record: TokenRecord) -> Gives:
        """How much of what it is for a token gives now: no more than the person may in whose hands it is."""
        held, grant = self._holds(record), self._grant(PresentedToken("", record, record.person, record.since))
        if grant is None or not grant.holds:
            return "nothing"
        return "all" if set(held) <= set(grant.holds) else "less"

    def _grant(self, token: PresentedToken) -> Grant | None:
        holds = self._holds(token.record)
        if not token.person:
            return Grant(token.name, holds)
        limits = self.people.held_for_good(token.person, token.since)
        return Grant(token.name, bounded(holds, limits)) if limits is not None else None

    def _holds(self, record: TokenRecord) -> tuple[Hold, ...]:
        if record.holds:
            return self.people.holds_of(record.holds)
        role = next((each for each in Role if each.value == record.role), None)
        return (hold_of(role, record.app),) if role is not None else ()

    def _found(self, hashed: str, now: float) -> PresentedToken | None:
        """By its secret, or by the former one while that works."""
        found = None
        for name, record in self.last_good().tokens.items():
            if hmac.compare_digest(record.hash, hashed):
                found = PresentedToken(name, record, record.person, record.since)
            former = record.former
            if former is not None and hmac.compare_digest(former.hash, hashed) and now < former.until:
                found = PresentedToken(name, record, former.person, former.since)
        return found

    def look(self, now: float) -> None:
        """Read the store's, so that `problem` is current, and note there which were used since the last look. `now` is
        in seconds since the epoch. Blocks."""
        for document in (self, self.people):
            with suppress(Untrusted):  # in `problem`
                document.check()
        while self._used and not self.problem:
            self._write_use(self._used.pop(), now)

    def _note_use(self, name: str, now: float) -> None:
        if self._copy is not None:
            self._used.add(name)
        else:
            self._write_use(name, now)

    def _write_use(self, name: str, now: float) -> None:
        """One request per day writes; a failure to do so must not lock anyone out."""
        if not self._noting.acquire(blocking=False):
            return
        try:
            self.change(lambda document: with_use(document, name, _day(now)))
        except (EdgeError, OSError) as error:
            log.warning("cannot record the use of token %r: %s", name, error)
        finally:
            self._noting.release()

    def records(self) -> Mapping[str, TokenRecord]:
        """All tokens by name, sorted."""
        return dict(sorted(self.last_good().tokens.items()))

    def has(self, name: str) -> bool:
        """Whether there is a token of this name, as of the last reading. Reads memory only."""
        last = self.last_read
        return last is None or name in last.tokens

    def create(self, name: str, wanted: NewToken, *, grant: Grant, now: float, command: str) -> str:
        """Create a token and return its secret; `now` is in seconds since the epoch.

        A repeat of the same command, after a lost answer, gives the token a new secret and voids the old one. Raises
        Invalid `invalid_token_name`, `invalid_token_scope`, `invalid_lifetime`, `invalid_network`, Forbidden
        `forbidden` for what the maker may not do himself, and what `with_new_token` raises.
        """
        if parse_token_name(name) == GUARD_NAME:
            raise Invalid("invalid_token_name", f"the name {name!r} is the guard's, which signs its changes with it")
        check_lifetime(wanted.lifetime_seconds)
        secret = new_secret()
        record = self._record_of(wanted, grant, now, command, hash_secret(secret))
        self.change(lambda document: with_new_token(document, name, record))
        return secret

    def rotate(self, name: str, keep_seconds: int, *, grant: Grant, now: float, command: str) -> str:
        """Give the token another secret, and its lifetime from now on; the one so far works for `keep_seconds` more.
        Raises Forbidden `forbidden` where the caller could not have created it, and what `with_secret` raises."""
        check_keep(keep_seconds)
        secret = new_secret()

        def edit(document: TokenDocument) -> TokenDocument:
            self._check_may(grant, token_of(document, name))
            return with_secret(document, name, hash_secret(secret), now, keep_seconds, command, grant.name)

        self.change(edit)
        return secret

    def revoke(self, name: str, grant: Grant) -> None:
        """Raises NotFound `unknown_token`, Forbidden `forbidden` for a token that reaches further than the caller's
        own right, and Conflict `last_admin` if no one could create tokens then."""

        def edit(document: TokenDocument) -> TokenDocument:
            self._check_reach(grant, token_of(document, name))
            return without_token(document, name)

        self.change(edit, lending=True)

    def seen_by(self, grant: Grant) -> Mapping[str, TokenRecord]:
        """The tokens that the grant may revoke, by name, sorted."""
        if grant.may(Permission.MANAGE_TOKENS):
            return self.records()
        return {name: each for name, each in self.records().items() if self._reaches(grant, each)}

    def accept_restored(self, *, dry: bool, above: int = 0) -> AcceptedTokens | None:
        """As `accept_restored_document`: what was revoked stays revoked, and what was created stays."""
        accepted = self.accept_restored_document(dry=dry, above=above)
        if accepted is None:
            return None
        names = set(accepted.restored.tokens) if accepted.restored is not None else set[str]()
        kept = set(accepted.kept.tokens)
        return AcceptedTokens(accepted.problem, sorted(names - kept), sorted(kept - names))

    def register_first(self, secret: str, now: float) -> None:
        """Make `secret` an admin token unless it is one or was revoked; `now` is in seconds since the epoch."""
        record = TokenRecord(
            hash=hash_secret(secret),
            role=Role.ADMIN.value,
            app=None,
            created=now,
            by=FIRST_START,
            command=FIRST_START,
        )
        self.change(lambda document: with_first_token(document, record))

    def _record_of(self, wanted: NewToken, grant: Grant, now: float, command: str, hashed: str) -> TokenRecord:
        made = TokenRecord(
            hash=hashed,
            role=wanted.role,
            app=None,
            created=now,
            by=grant.name,
            command=command,
            lifetime_seconds=wanted.lifetime_seconds,
            networks=parse_networks(wanted.networks),
        )
        document = self.people.last_good()
        held = tuple(check_held(document, HeldRole(wanted.role, scope)) for scope in wanted.scopes or ("everything",))
        for each in held:
            self._check_gives(grant, document, each)
        app = plain_app(wanted.role, held)
        if app is not None and grant.may(Permission.MANAGE_TOKENS):
            return msgspec.structs.replace(made, app=app or None)
        return msgspec.structs.replace(made, holds=held)

    def _check_may(self, grant: Grant, record: TokenRecord) -> None:
        """Raises Forbidden unless the caller could have created the token: who gets its secret is it."""
        for each in held_by(record):
            self._check_gives(grant, self.people.last_good(), each)

    def _check_gives(self, grant: Grant, document: PeopleDocument, held: HeldRole) -> None:
        """Of a person only own roles go into a token: those of groups end with what the provider says, which a machine
        cannot be asked to show."""
        check_gives(grant, document, held, Permission.MANAGE_TOKENS)
        if not grant.is_person:
            return
        own = Grant(grant.name, self.people.held_for_good(grant.name) or ())
        if not gives(own, document, held, Permission.MANAGE_TOKENS):
            raise Forbidden(
                "by_group_alone",
                f"{grant.name} may give that by a group of the login provider alone, and a token would outlive it: "
                "a token needs a role of one's own (`edge person grant`)",
            )

    def _check_reach(self, grant: Grant, record: TokenRecord) -> None:
        if not self._reaches(grant, record):
            raise Forbidden("forbidden", f"{grant.name} may not manage tokens everywhere that this one is for")

    def _reaches(self, grant: Grant, record: TokenRecord) -> bool:
        document = self.people.last_good()
        scopes = [scope_of(document, each.scope) or EVERYTHING for each in held_by(record)]
        return all(grant.may_within(Permission.MANAGE_TOKENS, scope) for scope in scopes)


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
