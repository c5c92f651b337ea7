"""Sessions of browsers: each stands for one token or one person, has an end, and is kept in memory alone, by the hash
of its id.

Nothing here says what a session may do: whoever asks looks the token or the person up again, so that one who was
removed opens nothing. The number is bounded; the oldest goes first. A restart of the node ends them all.
"""

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import Any

from edge.control.login.accounts import BY_PROVIDER, SignedIn
from edge.control.login.one_time import hash_of

SESSION_SECONDS = 8 * 3_600.0  # a working day: a browser that is left open does not stay signed in over night
# What a provider said of somebody is asked again, silently, at the first page after 45 minutes, and holds an hour at
# most: who has lost a group there has lost its roles by then.
RENEW_SECONDS = 2_700.0
STATED_SECONDS = 3_600.0
RENEW_AGAIN_SECONDS = 120.0  # where the provider could not be asked
FRESH_SECONDS = 900.0  # after a sign-in one may change what one signs in with
SESSIONS_LIMIT = 1_000  # of all tokens and people; some 500 bytes each
HOLDER_SESSIONS_LIMIT = 20  # a person's browsers, and a script that signs in each minute
ID_BYTES = 32


@dataclass(slots=True, kw_only=True)
class Session:
    """`name` is that of the token or the person; `holder` is the hash of the token that opened it, or the mail address
    of `person`; `form_token` is in each of its forms. Times are in seconds since the epoch: what a provider stated of
    the person holds until `stated_until`, and is asked again from `renew_at` on; `proved` is when the person, not a
    session elsewhere, showed who it is. `streams` are the event streams that are open now."""

    name: str
    holder: str
    opened: float
    proved: float
    until: float
    person: SignedIn | None = None
    renew_at: float = float("inf")
    stated_until: float = float("inf")
    form_token: str = field(default_factory=lambda: secrets.token_urlsafe(ID_BYTES))
    streams: int = 0
    notice: Any = None  # what the next page says once
    over: asyncio.Event = field(default_factory=asyncio.Event)  # it has ended


class Sessions:
    """Those of one node."""

    def __init__(self) -> None:
        self._by_hash: dict[str, Session] = {}  # oldest first

    def __len__(self) -> int:
        return len(self._by_hash)

    def open(self, name: str, token_hash: str, now: float) -> str:
        """Begin a session of the token and return its id, which is nowhere else."""
        return self._open(Session(name=name, holder=token_hash, opened=now, proved=now, until=now + SESSION_SECONDS))

    def open_person(self, person: SignedIn, now: float) -> str:
        """As `open`, of a person."""
        proved = person.authenticated if person.way == BY_PROVIDER else now
        until, mail = now + SESSION_SECONDS, person.mail
        session = Session(name=mail, holder=mail, opened=now, proved=proved, until=until, person=person)
        if person.way == BY_PROVIDER:
            session.renew_at, session.stated_until = now + RENEW_SECONDS, now + STATED_SECONDS
        return self._open(session)

    def _open(self, session: Session) -> str:
        self._make_room(session.holder, session.opened)
        secret = secrets.token_urlsafe(ID_BYTES)
        self._by_hash[hash_of(secret)] = session
        return secret

    def find(self, secret: str, now: float) -> Session | None:
        """The session with this id, unless it has ended."""
        session = self._by_hash.get(hash_of(secret))
        if session is not None and session.until <= now:
            self._end(hash_of(secret))
            return None
        return session

    def renewable(self, key: str, now: float) -> Session | None:
        """The session of a person whose id has this hash: one that a provider may be asked about again."""
        session = self._by_hash.get(key)
        return session if session is not None and now < session.until and session.person is not None else None

    def end(self, secret: str) -> None:
        """Sign out: streams of the session end too."""
        self._end(hash_of(secret))

    def _end(self, key: str) -> None:
        session = self._by_hash.pop(key, None)
        if session is not None:
            session.over.set()

    def _make_room(self, holder: str, now: float) -> None:
        for key in [key for key, each in self._by_hash.items() if each.until <= now]:
            self._end(key)
        own = [key for key, each in self._by_hash.items() if each.holder == holder]
        for key in own[: max(0, len(own) - HOLDER_SESSIONS_LIMIT + 1)]:
            self._end(key)
        while len(self._by_hash) >= SESSIONS_LIMIT:
            self._end(next(iter(self._by_hash)))


def renew(session: Session, person: SignedIn, now: float) -> None:
    """The provider has stated again who it is."""
    session.person, session.renew_at, session.stated_until = person, now + RENEW_SECONDS, now + STATED_SECONDS
    session.proved = max(session.proved, person.authenticated)


def is_fresh(session: Session, now: float) -> bool:
    """A provider that knows a browser asks nothing: how young the session is says nothing of who sits there."""
    return now < session.proved + FRESH_SECONDS
