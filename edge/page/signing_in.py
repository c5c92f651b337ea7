"""Sign in with a token or with a link that works once, and sign out."""

import asyncio
import time
from typing import Any
from urllib.parse import quote

from aiohttp import web

from edge.control.access.tokens import SECRET_LIMIT, hash_secret
from edge.control.audit.entry import ActKind, ActOutcome, AuditEntry
from edge.control.callers import caller_of
from edge.domain.errors import Unauthorized
from edge.page.answers import see_other
from edge.page.house import House, visitor_of
from edge.page.login_page import answer_login, go_on, next_address

AGAIN = "here"  # in the query of a login that this page itself leads to
_UNKNOWN = ("This token is not known here.", "It may have been revoked, or belong to another node.")
_OVER = ("This link does not work any more.", "Each works once, for ten minutes: `edge login-link` makes another.")


async def show_login(house: House, request: web.Request) -> web.Response:
    """The form. Who is signed in goes on at once, unless a link is to open another session.

    A browser that follows a link of another site, as from a chat, withholds the session (SameSite=Strict). So what it
    gets leads on, once, to this address again: then it is this page that asks, and the session comes along. Nothing
    changes by being read, so a hostile link gains no more than what it could have had a person press.
    """
    link = request.query.get("link", "")[:SECRET_LIMIT]
    after = next_address(request.query.get("next", "/"))
    if link:
        return await answer_login(house, request, after, link=link)
    if await visitor_of(house, request) is not None:
        return see_other(after)
    again = f"/login?{AGAIN}=1&next={quote(after, safe='/')}" if _comes_from_elsewhere(house, request) else ""
    return await answer_login(house, request, after, again=again)


def _comes_from_elsewhere(house: House, request: web.Request) -> bool:
    """Or may: browsers do not say over plain HTTP. False for what was led on already, and where the cookie is here."""
    site = request.headers.get("Sec-Fetch-Site", "cross-site")
    return site == "cross-site" and AGAIN not in request.query and house.cookie not in request.cookies


async def sign_in(house: House, request: web.Request, form: Any) -> web.Response:
    """A right secret always opens a session: many people may share an address, and one of them must not lock out the
    others. Failures are counted by address."""
    after = next_address(str(form.get("next", "/")))
    opened = await _open(house, form, caller_of(request))
    operation = "login_link" if form.get("link") else "login_token"
    if opened is None:
        code = "unknown_link" if form.get("link") else "unknown_token"
        refused = AuditEntry(
            at=house.now(), kind=ActKind.LOGIN, operation=operation, outcome=ActOutcome.REFUSED, code=code
        )
        await house.audit.record(refused)
        return await _refuse(house, request, after, _OVER if "link" in form else _UNKNOWN)
    await house.audit.record(_entry(house, ActKind.LOGIN, operation, opened))
    return go_on(house, request, opened, after)


async def _refuse(house: House, request: web.Request, after: str, words: tuple[str, str]) -> web.Response:
    address, now = caller_of(request), time.monotonic()
    wait = house.tries.wait_seconds(address, now)
    if wait > 0:
        return await answer_login(house, request, after, (f"Too many tries: wait {wait:.0f} s.", words[0]), status=429)
    house.tries.note_failure(address, now)
    return await answer_login(house, request, after, words, status=403)


async def sign_out(house: House, request: web.Request) -> web.Response:
    secret = request.cookies.get(house.cookie, "")
    entry = _entry(house, ActKind.LOGOUT, "logout", secret)
    house.sessions.end(secret)
    if entry.who:
        await house.audit.record(entry)
    response = see_other("/login")
    response.del_cookie(house.cookie, path="/", secure=house.over_tls, httponly=True, samesite="Strict")
    return response


def _entry(house: House, kind: ActKind, operation: str, secret: str) -> AuditEntry:
    """Of who has the session with this id."""
    session = house.sessions.find(secret, house.now()) if secret else None
    who = session.name if session is not None else ""
    return AuditEntry(at=house.now(), kind=kind, operation=operation, who=who, page=True)


async def _open(house: House, form: Any, address: str) -> str | None:
    """The id of a new session; None for a secret that opens none."""
    now = house.now()
    if link := str(form.get("link", "")):
        hashed = house.links.redeem(link[:SECRET_LIMIT], now)
        grant = await asyncio.to_thread(house.tokens.standing, hashed, now, address) if hashed else None
        return house.sessions.open(grant.name, hashed, now) if grant is not None and hashed else None
    secret = str(form.get("token", "")).strip()[:SECRET_LIMIT]
    try:
        grant = await asyncio.to_thread(house.tokens.authenticate, secret, now, address)
    except Unauthorized:
        return None
    return house.sessions.open(grant.name, hash_secret(secret), now)
