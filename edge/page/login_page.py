"""The login page as an answer, and a session as a cookie: what every way of signing in ends with."""

import time
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from edge.control.callers import caller_of
from edge.control.login.passkeys import no_passkeys_here
from edge.page.answers import NOBODY, answer_page, see_other
from edge.page.door.sessions import SESSION_SECONDS
from edge.page.door.tries import TRIES_LIMIT
from edge.page.house import House

NEXT_LIMIT = 2_048  # characters of the address to go on to


def next_address(text: str) -> str:
    """Where to go on: an address of this page, never of another host."""
    if len(text) > NEXT_LIMIT or not text.startswith("/") or text[1:2] in ("/", "\\") or not text.isprintable():
        return "/"
    return "/" if text.startswith(("/login", "/logout", "/welcome", "/v1")) or " " in text else text


def page_origin(house: House, request: web.Request) -> str:
    """The origin of the page as this browser sees it. The door has checked the name, and the origin of forms."""
    if house.people is not None and house.people.public_url:
        return house.people.public_url
    if origin := request.headers.get(hdrs.ORIGIN):
        return origin.lower()
    return f"{'https' if house.secure else 'http'}://{request.host.lower()}"


def is_secure(house: House, request: web.Request) -> bool:
    """Whether cookies may insist on TLS: this port's, or a proxy's."""
    return house.over_tls or page_origin(house, request).startswith("https:")


def set_session(house: House, request: web.Request, response: web.Response, session: str) -> None:
    response.set_cookie(
        house.cookie,
        session,
        max_age=int(SESSION_SECONDS),
        httponly=True,
        samesite="Strict",
        secure=is_secure(house, request),
        path="/",
    )


def go_on(house: House, request: web.Request, session: str, after: str) -> web.Response:
    """With the new session, to the page that was asked for."""
    response = see_other(after)
    set_session(house, request, response, session)
    return response


async def answer_login(
    house: House,
    request: web.Request,
    after: str,
    error: tuple[str, str] | None = None,
    link: str = "",
    status: int = 200,
    again: str = "",
) -> web.Response:
    """`error` is for the token's form where no `way` says otherwise; `again` is an address to lead on to at once."""
    tried = house.tries.count(caller_of(request), time.monotonic())
    people = house.people if house.people is not None and await house.people.anybody() else None
    values = {
        "title": "Sign in",
        "node": house.node,
        "next": after,
        "link": link,
        "again": again,
        "error": {"lead": error[0], "rest": error[1]} if error else None,
        "hours": int(SESSION_SECONDS // 3_600),
        "tries": tried,
        "limit": TRIES_LIMIT,
        "frame": NOBODY,
        "people": people is not None,
        "passwords": people is not None and people.passwords is not None,
        "passkeys": people is not None and people.passkeys is not None,
        "no_passkeys": no_passkeys_here(page_origin(house, request)),
        "provider": urlsplit(people.oidc.issuer).hostname if people is not None and people.oidc is not None else "",
        "origin": house.origin,
    }
    return await answer_page("login.html", values, status)
