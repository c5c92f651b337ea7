"""What a person signs in with, by the person: with an invitation, and later on a page of its own.

A link of an invitation lets whoever has it become the person, once. Who has signed in long ago proves it again before
changing anything here: a browser that was left open is not enough.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from edge.control.callers import caller_of
from edge.control.login.accounts import BY_PROVIDER, SignedIn
from edge.control.login.credential_document import Passkey, without_passkey
from edge.control.login.invitations import invited
from edge.control.login.passkeys import no_passkeys_here
from edge.control.login.passwords.password_rules import PASSWORD_LEAST
from edge.control.login.people_login import PeopleLogin
from edge.control.login.terminals import end_terminal, make_terminal
from edge.domain.errors import Conflict, EdgeError, Forbidden, Invalid, NotFound
from edge.domain.facts import DAY_SECONDS
from edge.page.acting import PageNotice
from edge.page.answers import NOBODY, answer_page, answer_shown, see_other
from edge.page.door.noting import noted
from edge.page.door.sessions import FRESH_SECONDS, is_fresh
from edge.page.house import House, Visitor
from edge.page.login_page import page_origin
from edge.page.people.ways import SECRET_LIMIT, answer_options, let_in, passkey_place, passkeys_of, passwords_of
from edge.page.views.visit import Shown, Visit
from edge.page.words.times import day, moment

ACCOUNT = "/account"
NAME_LIMIT = 64  # characters: of a passkey or a terminal
AccountForm = Mapping[str, Any]


async def show_welcome(house: House, request: web.Request) -> web.Response:
    """What an invitation's link opens. Reading it uses nothing up."""
    secret = request.query.get("invitation", "")[:SECRET_LIMIT]
    return await _answer_welcome(house, request, await _invited(house, secret), secret)


async def welcome(house: House, request: web.Request, form: AccountForm) -> web.Response:
    """A password or a passkey: whoever sets it is signed in."""
    secret, now = str(form.get("invitation", ""))[:SECRET_LIMIT], house.now()
    mail = await _invited(house, secret)
    try:
        async with noted(house.audit, now, "accept_invitation", mail):
            if "answer" in form:
                ticket, answer = str(form.get("ticket", ""))[:SECRET_LIMIT], str(form["answer"])
                signed_in = await passkeys_of(house).add(mail, ticket, answer, _name(form), now, secret)
            else:
                signed_in = await _set_password(house, mail, form, secret)
    except (Invalid, Forbidden) as error:
        return await _answer_welcome(house, request, mail, secret, error)
    return await let_in(house, request, signed_in, "/")


async def ask_welcome_passkey(house: House, request: web.Request, form: AccountForm) -> web.Response:
    mail = await _invited(house, str(form.get("invitation", ""))[:SECRET_LIMIT])
    return await _ask_new(house, request, mail)


async def show_account(
    house: House, visitor: Visitor, request: web.Request, visit: Visit, made: str = ""
) -> web.Response:
    """`made` is the secret of a token for the command line: shown once. Raises Conflict `not_a_person`."""
    person, people = person_of(visitor), _people(house)
    held, now = await asyncio.to_thread(people.accounts.credentials, person.mail), house.now()
    values = {
        "mail": person.mail,
        "roles": visitor.grant.words,
        "fresh": is_fresh(visitor.session, now),
        "by_provider": person.way == BY_PROVIDER,
        "passwords": people.passwords is not None,
        "passkeys": people.passkeys is not None,
        "password_set": moment(held.password_set, now) if held.password else "",
        "least": PASSWORD_LEAST,
        "no_passkeys": no_passkeys_here(page_origin(house, request)),
        "kept": [
            {
                "id": each.id,
                "name": each.name,
                "host": each.host,
                "made": moment(each.made, now),
                "used": _used(each, now),
            }
            for each in held.passkeys
        ],
        "identities": [urlsplit(each.issuer).hostname or each.issuer for each in held.identities],
        "terminals": [
            {"hash": each.hash, "name": each.name, "until": moment(each.until, now)}
            for each in held.terminals
            if now < each.until
        ],
        "made": made,
        "here": page_origin(house, request),
    }
    return await answer_shown(house, visitor, visit, Shown("account.html", "Your account", values))


AccountAct = Callable[[House, Visitor, web.Request, AccountForm], Awaitable[web.Response | str]]


async def change_password(house: House, visitor: Visitor, request: web.Request, form: AccountForm) -> str:
    """Other sessions end; this one goes on."""
    person = person_of(visitor)
    held = await asyncio.to_thread(_people(house).accounts.credentials, person.mail)
    if held.password:
        await passwords_of(house).sign_in(person.mail, str(form.get("password", "")), caller_of(request))
    else:
        _check_fresh(house, visitor)
    async with noted(house.audit, house.now(), "set_password", person.mail):
        visitor.session.person = (await _set_password(house, person.mail, form))._replace(
            groups=person.groups, way=person.way, authenticated=person.authenticated
        )
    return "Your password is set. Every other session of yours has ended."


async def ask_own_passkey(house: House, visitor: Visitor, request: web.Request, form: AccountForm) -> web.Response:
    _check_fresh(house, visitor)
    return await _ask_new(house, request, person_of(visitor).mail)


async def add_passkey(house: House, visitor: Visitor, request: web.Request, form: AccountForm) -> str:
    _check_fresh(house, visitor)
    mail, ticket = person_of(visitor).mail, str(form.get("ticket", ""))[:SECRET_LIMIT]
    async with noted(house.audit, house.now(), "add_passkey", mail):
        await passkeys_of(house).add(mail, ticket, str(form.get("answer", "")), _name(form), house.now())
    return "The passkey is added: sign in with it from now on."


async def remove_passkey(house: House, visitor: Visitor, request: web.Request, form: AccountForm) -> str:
    _check_fresh(house, visitor)
    person, accounts = person_of(visitor), _people(house).accounts
    passkey = str(form.get("passkey", ""))
    async with noted(house.audit, house.now(), "remove_passkey", person.mail, ends=True):
        await asyncio.to_thread(accounts.change, lambda document: without_passkey(document, person.mail, passkey))
    held = await asyncio.to_thread(accounts.credentials, person.mail)
    visitor.session.person = person._replace(era=held.era)
    return "The passkey is removed. Every other session of yours has ended."


async def make_token(house: House, visitor: Visitor, request: web.Request, form: AccountForm) -> str:
    """The secret itself. It lives for longer than what is left of this session, and elsewhere."""
    if _people(house).passwords is None:
        raise NotFound("no_tokens_here", f"tokens for the command line are made on {house.origin or 'the origin'}")
    _check_fresh(house, visitor)
    person = person_of(visitor)
    async with noted(house.audit, house.now(), "make_terminal_token", person.mail):
        secret, _ = await asyncio.to_thread(make_terminal, _people(house).accounts, person, _name(form), house.now())
    return secret


async def end_token(house: House, visitor: Visitor, request: web.Request, form: AccountForm) -> str:
    mail, token = person_of(visitor).mail, str(form.get("terminal", ""))[:SECRET_LIMIT]
    async with noted(house.audit, house.now(), "end_terminal_token", mail, ends=True):
        await asyncio.to_thread(end_terminal, _people(house).accounts, mail, token)
    return "The token has ended."


async def sign_out_everywhere(house: House, visitor: Visitor, request: web.Request, form: AccountForm) -> web.Response:
    mail = person_of(visitor).mail
    async with noted(house.audit, house.now(), "logout_everywhere", mail, ends=True):
        await asyncio.to_thread(_people(house).accounts.sign_out_everywhere, mail)
    return see_other("/login")


async def carry_out(
    house: House, visitor: Visitor, request: web.Request, visit: Visit, form: AccountForm, act: AccountAct
) -> web.Response:
    """What a form of the account page asks for, and the page again with what came of it."""
    try:
        done = await act(house, visitor, request, form)
    except EdgeError as error:
        if error.status >= 500 or request.path.endswith("/options"):
            raise
        words = f"{error.message[:1].upper()}{error.message[1:]}. [{error.code}]"
        visitor.session.notice = PageNotice("bad", "Nothing was changed.", words)
        return see_other(ACCOUNT)
    if isinstance(done, web.Response):
        return done
    if act is make_token:
        return await show_account(house, visitor, request, visit, done)
    visitor.session.notice = PageNotice("good", done, "")
    return see_other(ACCOUNT)


def person_of(visitor: Visitor) -> SignedIn:
    """Raises Conflict `not_a_person`."""
    if visitor.session.person is None:
        raise Conflict("not_a_person", "you are signed in by a token, and an account is a person's")
    return visitor.session.person


def _check_fresh(house: House, visitor: Visitor) -> None:
    """Raises Forbidden `sign_in_again`."""
    if is_fresh(visitor.session, house.now()):
        return
    minutes = int(FRESH_SECONDS // 60)
    if person_of(visitor).way == BY_PROVIDER:
        raise Forbidden(
            "sign_in_again",
            f"your login provider has not stated that you signed in there within {minutes} minutes: choose "
            "Sign in again, then change this",
        )
    raise Forbidden(
        "sign_in_again", f"you signed in more than {minutes} minutes ago: sign out, sign in again, then change this"
    )


async def _set_password(house: House, mail: str, form: AccountForm, invitation: str = "") -> SignedIn:
    """Raises Invalid `passwords_differ`, and as `PasswordLogin.set`."""
    new = str(form.get("new", ""))
    if new != str(form.get("again", "")):
        raise Invalid("passwords_differ", "the two passwords differ")
    return await passwords_of(house).set(mail, new, house.now(), invitation)


async def _ask_new(house: House, request: web.Request, mail: str) -> web.Response:
    place = passkey_place(house, request)
    return answer_options(await passkeys_of(house).ask_new(mail, place, caller_of(request), house.now()))


async def _invited(house: House, secret: str) -> str:
    """Raises NotFound `invitation_over`."""
    return await asyncio.to_thread(invited, _people(house).accounts, secret, house.now())


async def _answer_welcome(
    house: House, request: web.Request, mail: str, secret: str, error: EdgeError | None = None
) -> web.Response:
    people = _people(house)
    values = {
        "title": "Welcome",
        "frame": NOBODY,
        "node": house.node,
        "mail": mail,
        "invitation": secret,
        "least": PASSWORD_LEAST,
        "no_passkeys": no_passkeys_here(page_origin(house, request)),
        "provider": urlsplit(people.oidc.issuer).hostname if people.oidc is not None else "",
        "error": f"{error.message[:1].upper()}{error.message[1:]}." if error is not None else "",
    }
    return await answer_page("welcome.html", values, error.status if error is not None else 200)


def _people(house: House) -> PeopleLogin:
    """Raises NotFound `no_people_here`."""
    if house.people is None:
        raise NotFound("no_people_here", "people do not sign in on this node")
    return house.people


def _used(passkey: Passkey, now: float) -> str:
    return day(passkey.used_day * DAY_SECONDS, now) if passkey.used_day else "never"


def _name(form: AccountForm) -> str:
    return str(form.get("name", ""))[:NAME_LIMIT] or "unnamed"
