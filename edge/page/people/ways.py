"""How people sign in on the page: mail address and password, passkey, OpenID Connect with its way there and back.

A provider's answer comes from another site, so the browser withholds the session's cookie (SameSite=Strict) from it.
What comes back is therefore bound to the browser by a cookie of its own, which other sites' links do carry (Lax), and
ends on a page that leads on by itself.
"""

import asyncio
import logging
import re
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any
from urllib.parse import quote

from aiohttp import hdrs, web

from edge.control.callers import caller_of
from edge.control.login.accounts import SignedIn
from edge.control.login.invitations import invited
from edge.control.login.oidc.authorization import LoginAsk, LoginDeclined
from edge.control.login.oidc.provider import OidcFault
from edge.control.login.oidc_login import LOGIN_SECONDS, OidcLogin
from edge.control.login.one_time import hash_of
from edge.control.login.passkey_login import AskedPasskey, PasskeyLogin
from edge.control.login.passkeys import PasskeyPlace, place_of
from edge.control.login.passwords.password_login import PasswordLogin, TooManyTries
from edge.domain.errors import EdgeError, Forbidden, NotFound, Unauthorized
from edge.page.acting import PageNotice
from edge.page.answers import NOBODY, answer_page, login_address, see_other
from edge.page.door.headers import PRIVATE
from edge.page.door.hosts import is_own_link
from edge.page.door.noting import note_login, noted
from edge.page.door.sessions import FRESH_SECONDS, RENEW_AGAIN_SECONDS, Session, is_fresh, renew
from edge.page.forms import QUERY_LIMIT
from edge.page.house import House
from edge.page.login_page import answer_login, go_on, is_secure, next_address, page_origin, set_session

RETURN_PATH, WELCOME = "/login/oidc/return", "/welcome"
OIDC_COOKIE, SECURE_OIDC_COOKIE = "edge_oidc", "__Host-edge_oidc"
SECRET_LIMIT = 128  # characters
RENEWAL, AGAIN, INVITATION = "renew:", "again:", "invitation:"
_OF_SESSION = {"renew": (RENEWAL, LoginAsk.NOTHING), "again": (AGAIN, LoginAsk.AGAIN)}  # by the query's name
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
log = logging.getLogger(__name__)


async def sign_in_by_password(house: House, request: web.Request, form: Any) -> web.Response:
    """Every failure says the same: nothing tells whether an address is known."""
    after, mail = next_address(str(form.get("next", "/"))), str(form.get("mail", ""))
    try:
        signed_in = await passwords_of(house).sign_in(mail, str(form.get("password", "")), caller_of(request))
    except Unauthorized as error:
        await note_login(house.audit, house.now(), "login_password", await _known(house, mail), error.code)
        words = ("This mail address and this password do not belong together.", "")
        return await answer_login(house, request, after, words, status=403)
    except TooManyTries as error:
        await note_login(house.audit, house.now(), "login_password", await _known(house, mail), error.code)
        return await answer_login(house, request, after, ("Too many tries.", _sentence(error)), status=429)
    return await let_in(house, request, signed_in, after, "login_password")


async def let_in(house: House, request: web.Request, signed_in: SignedIn, after: str, how: str = "") -> web.Response:
    """Unless the person has been removed meanwhile; `how` "" is recorded already. Raises Forbidden `no_role`."""
    await check_standing(house, signed_in)
    if how:
        await note_login(house.audit, house.now(), how, signed_in.mail)
    return go_on(house, request, house.sessions.open_person(signed_in, house.now()), after)


async def check_standing(house: House, signed_in: SignedIn) -> None:
    assert house.people is not None, "somebody has signed in"
    if await asyncio.to_thread(house.people.accounts.standing, signed_in) is None:
        raise Forbidden(
            "no_role", f"{signed_in.mail} holds no role here, by itself or by a group: ask an admin for one"
        )


async def ask_passkey(house: House, request: web.Request, form: Any) -> web.Response:
    """What the browser is to ask: JSON for the page's own script."""
    place = passkey_place(house, request)
    return answer_options(passkeys_of(house).ask(place, caller_of(request), house.now()))


async def sign_in_by_passkey(house: House, request: web.Request, form: Any) -> web.Response:
    after = next_address(str(form.get("next", "/")))
    ticket, answer = str(form.get("ticket", ""))[:SECRET_LIMIT], str(form.get("answer", ""))
    try:
        signed_in = await passkeys_of(house).sign_in(ticket, answer, house.now())
    except EdgeError as error:
        if error.status >= 500:
            raise
        await note_login(house.audit, house.now(), "login_passkey", "", error.code)
        words = ("That passkey did not open anything.", _sentence(error) if answer else "Passkeys need JavaScript.")
        return await answer_login(house, request, after, words, status=403)
    return await let_in(house, request, signed_in, after, "login_passkey")


async def go_to_provider(house: House, request: web.Request) -> web.Response:
    """With `invitation` to bind an account there; with `renew` of the session that is open, without asking anything;
    with `again` of that session, and the provider is to ask as if it did not know the browser.

    A provider may ask nothing of who is signed in there. So a link of somebody else's page, with an invitation of
    theirs, would make the reader's account theirs: it leads to the page that says whom it is for.
    """
    invitation = request.query.get("invitation", "")[:SECRET_LIMIT]
    if invitation and not _from_here(request):
        return see_other(f"{WELCOME}?invitation={quote(invitation, safe='')}")
    session = house.sessions.find(request.cookies.get(house.cookie, ""), house.now())
    asking, purpose = LoginAsk.AS_USUAL, f"{INVITATION}{invitation}" if invitation else ""
    if session is not None and session.person is not None:
        begins, asking = next((way for name, way in _OF_SESSION.items() if name in request.query), ("", asking))
        purpose = begins + hash_of(request.cookies[house.cookie]) if begins else purpose
    renewing = asking is LoginAsk.NOTHING
    if renewing and session is not None:
        session.renew_at = house.now() + RENEW_AGAIN_SECONDS  # who does not come back goes on meanwhile
    kept = request.cookies.get(oidc_cookie(house), "")
    after = next_address(request.query.get("next", "/"))
    try:
        sent = await oidc_of(house).begin(
            page_origin(house, request) + RETURN_PATH,
            after,
            browser=kept if _SECRET.fullmatch(kept) else "",
            address=caller_of(request),
            now=house.now(),
            purpose=purpose,
            asking=asking,
        )
    except OidcFault as error:
        log.warning("nobody can sign in by OpenID Connect: %s", error)
        if renewing and session is not None and house.now() < session.stated_until:
            return see_other(after)
        return await answer_login(house, request, after, (_SILENT, _sentence(error)), status=503)
    response = see_other(sent.address)
    response.set_cookie(
        oidc_cookie(house),
        sent.browser,
        max_age=int(LOGIN_SECONDS),
        httponly=True,
        samesite="Lax",
        secure=is_secure(house, request),
        path="/",
    )
    return response


async def come_back(house: House, request: web.Request) -> web.Response:
    """From the provider. What is wrong with it opens nothing, and the login can begin again."""
    oidc, now = oidc_of(house), house.now()
    after, purpose = "/", ""
    try:
        pending = oidc.pending(request.query, now)
        after, purpose = pending.after, pending.purpose
        invitation = purpose.removeprefix(INVITATION) if purpose.startswith(INVITATION) else ""
        browser = request.cookies.get(oidc_cookie(house), "")
        async with await _linking(house, invitation, now) if invitation else nullcontext():
            signed_in = await oidc.finish(request.query, pending, browser, now, invitation)
        await check_standing(house, signed_in)
    except LoginDeclined as declined:
        await note_login(house.audit, house.now(), "login_oidc", "", declined.code)
        words = ("Your login provider asks you to sign in again.", "") if purpose.startswith(RENEWAL) else _DECLINED
        return await answer_login(house, request, after, words, status=403)
    except EdgeError as error:
        await note_login(house.audit, house.now(), "login_oidc", "", error.code)
        log.warning("a login by OpenID Connect is refused (%s): %s", error.code, error.message)
        heading = _SILENT if isinstance(error, OidcFault) else "This opened nothing."
        return await answer_login(house, request, after, (heading, _sentence(error)), status=error.status)
    if not invitation:
        await note_login(house.audit, house.now(), "login_oidc", signed_in.mail)
    session = _session_of(house, purpose, now)
    if session is not None and session.person is not None and session.person.mail == signed_in.mail:
        renew(session, signed_in, now)
        if purpose.startswith(AGAIN) and not is_fresh(session, now):
            session.notice = _not_asked(signed_in)
        return await _lead_on(after)
    response = await _lead_on(after)
    set_session(house, request, response, house.sessions.open_person(signed_in, now))
    return response


async def _linking(house: House, invitation: str, now: float) -> AbstractAsyncContextManager[None]:
    """Raises NotFound `invitation_over`."""
    assert house.people is not None, "its provider was asked"
    mail = await asyncio.to_thread(invited, house.people.accounts, invitation, now)
    return noted(house.audit, now, "link_identity", mail)


def _session_of(house: House, purpose: str, now: float) -> Session | None:
    """The one that the login was for, if it was for one."""
    for begins, _ in _OF_SESSION.values():
        if purpose.startswith(begins):
            return house.sessions.renewable(purpose.removeprefix(begins), now)
    return None


def _not_asked(signed_in: SignedIn) -> PageNotice:
    minutes = int(FRESH_SECONDS // 60)
    said = f"stated that you last did so more than {minutes} minutes ago" if signed_in.authenticated else NOT_STATED
    return PageNotice(
        "bad", "Your login provider did not show that you have just signed in.", f"It {said}. {OTHER_WAY}"
    )


NOT_STATED = "does not state when you did (auth_time in the ID token)"
OTHER_WAY = "Sign in by a password or a passkey of this node instead; an admin's invitation lets you set one."
_SILENT = "The login provider cannot be asked now."
_DECLINED = ("Your login provider did not let you in.", "It said no, or you cancelled there.")


async def _lead_on(after: str) -> web.Response:
    """By the page itself: a redirect would be the other site's still, without the session."""
    values = {"title": "Signed in", "after": after, "frame": NOBODY}
    return await answer_page("signed_in.html", values)


def renewal_of(house: House, request: web.Request) -> str:
    """Where a browser is sent that has to show again who it is, silently; "" for one that need not, or cannot."""
    if house.people is None or house.people.oidc is None or request.method not in (hdrs.METH_GET, hdrs.METH_HEAD):
        return ""
    now = house.now()
    session = house.sessions.find(request.cookies.get(house.cookie, ""), now)
    if session is None or now < session.renew_at:
        return ""
    there = f"/login/oidc?renew=1&next={quote(request.rel_url.raw_path_qs, safe='/')}"
    return there if len(there) < QUERY_LIMIT else "/login/oidc?renew=1"


def sign_in_first(house: House, request: web.Request) -> web.Response:
    """To the login, and from there back here; without the query if the login's own would be too long. A browser that a
    provider can be asked about is sent there."""
    if renewal := renewal_of(house, request):
        return see_other(renewal)
    whole = login_address(request.rel_url.raw_path_qs)
    return see_other(whole if len(whole) < QUERY_LIMIT else login_address(request.rel_url.raw_path))


def passwords_of(house: House) -> PasswordLogin:
    """Raises NotFound `no_passwords_here`."""
    if house.people is None or house.people.passwords is None:
        raise NotFound("no_passwords_here", "nobody signs in by password here" + _elsewhere(house))
    return house.people.passwords


def passkeys_of(house: House) -> PasskeyLogin:
    """Raises NotFound `no_passkeys_here`."""
    if house.people is None or house.people.passkeys is None:
        raise NotFound("no_passkeys_here", "nobody signs in by passkey here" + _elsewhere(house))
    return house.people.passkeys


def oidc_of(house: House) -> OidcLogin:
    """Raises NotFound `no_provider`."""
    if house.people is None or house.people.oidc is None:
        raise NotFound("no_provider", "this node has no login provider: its configuration names none (login.oidc)")
    return house.people.oidc


def passkey_place(house: House, request: web.Request) -> PasskeyPlace:
    """Raises Forbidden `no_passkeys_here`."""
    return place_of(page_origin(house, request))


def answer_options(asked: AskedPasskey) -> web.Response:
    body = f'{{"ticket":"{asked.ticket}","options":{asked.options}}}'
    return web.Response(text=body, content_type="application/json", headers=PRIVATE)


def _from_here(request: web.Request) -> bool:
    stated = request.headers.get(hdrs.REFERER), request.headers.get("Sec-Fetch-Site")
    return is_own_link(*stated, request.host)


def oidc_cookie(house: House) -> str:
    return SECURE_OIDC_COOKIE if house.over_tls else OIDC_COOKIE


def _elsewhere(house: House) -> str:
    return f": do so on {house.origin}" if house.origin else ""


def _sentence(error: EdgeError) -> str:
    return f"{error.message[:1].upper()}{error.message[1:]}."


async def _known(house: House, mail: str) -> str:
    """For the audit: the name of a person; "" for anything else, since people type passwords into the wrong field."""
    mail = mail[:254].strip().lower()
    assert house.people is not None, "it has been asked"
    return mail if await asyncio.to_thread(house.people.accounts.is_known, mail) else ""
