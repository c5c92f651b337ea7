"""What every page of one node shares."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from aiohttp import web

from edge.control.access.grants import Grant
from edge.control.access.tokens import Tokens
from edge.control.audit.audit_log import AuditLog
from edge.control.callers import caller_of
from edge.control.doors.inner_api import InnerApi
from edge.control.login.people_login import PeopleLogin
from edge.page.door.hosts import HostNames
from edge.page.door.login_links import LoginLinks
from edge.page.door.sessions import Session, Sessions
from edge.page.door.tries import Tries
from edge.page.live import Streams
from edge.page.publishing.drops import Drops
from edge.page.views.remembering import AnswerMemory

COOKIE = "edge_session"
SECURE_COOKIE = "__Host-edge_session"  # browsers take it over TLS alone, for this host and all its paths


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """`now` is the node's clock, in seconds since the epoch; `secure`: the port has TLS; `node` is its region.
    `origin` is where changes are made, "" on that node itself; `people` is how people sign in."""

    inner: InnerApi
    tokens: Tokens
    hosts: HostNames
    links: LoginLinks
    now: Callable[[], float]
    secure: bool
    node: str
    origin: str = ""
    people: PeopleLogin | None = None
    sessions: Sessions = field(default_factory=Sessions)
    tries: Tries = field(default_factory=Tries)
    memory: AnswerMemory = field(default_factory=AnswerMemory)
    streams: Streams = field(default_factory=Streams)
    drops: Drops = field(default_factory=lambda: Drops(None))

    @property
    def audit(self) -> AuditLog:
        return self.inner.audit

    @property
    def cookie(self) -> str:
        return SECURE_COOKIE if self.over_tls else COOKIE

    @property
    def over_tls(self) -> bool:
        """Whether browsers see the page over TLS: this port's, or that of a proxy which the configuration tells of."""
        return self.secure or (self.people is not None and self.people.public_url.startswith("https:"))


class Visitor(NamedTuple):
    """Who is signed in: the token or the person as they stand now, and the browser's session."""

    grant: Grant
    session: Session


async def visitor_of(house: House, request: web.Request) -> Visitor | None:
    """None: nobody is signed in, the session has ended, its token has been revoked or has expired, or its person was
    removed; or what a provider stated of the person is too old, in which case the session waits to be renewed."""
    secret, now = request.cookies.get(house.cookie, ""), house.now()
    session = house.sessions.find(secret, now) if secret else None
    if session is None:
        return None
    if session.stated_until <= now:
        return None
    grant = await asyncio.to_thread(_standing, house, session, now, caller_of(request))
    if grant is None:
        house.sessions.end(secret)
        return None
    return Visitor(grant, session)


def _standing(house: House, session: Session, now: float, address: str) -> Grant | None:
    if session.person is None:
        return house.tokens.standing(session.holder, now, address)
    return house.people.accounts.standing(session.person) if house.people is not None else None
