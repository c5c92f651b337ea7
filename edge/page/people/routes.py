"""The addresses of people's ways in and of their account. The page's own door stands before all of them."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiohttp import web

from edge.domain.errors import EdgeError
from edge.page.answers import answer_script, answer_shown, see_other
from edge.page.forms import check_form_token, read_form
from edge.page.house import House, Visitor, visitor_of
from edge.page.login_page import page_origin
from edge.page.people import account
from edge.page.people.account import ACCOUNT
from edge.page.people.managing import ACTS_PATH, perform_people_act, show_people_act
from edge.page.people.ways import (
    RETURN_PATH,
    WELCOME,
    ask_passkey,
    come_back,
    go_to_provider,
    renewal_of,
    sign_in_by_passkey,
    sign_in_first,
)
from edge.page.views.visit import Shown, Visit

OPTIONS = "/options"  # ends the addresses that the page's script asks
Handle = Callable[[House, web.Request, Any], Awaitable[web.Response]]
LookIn = Callable[[Visitor, web.Request, str], Visit]

WITHOUT_SESSION: dict[str, Handle] = {
    "/login/passkey": sign_in_by_passkey,
    f"/login/passkey{OPTIONS}": ask_passkey,
    WELCOME: account.welcome,
    f"{WELCOME}/passkey": account.welcome,
    f"{WELCOME}/passkey{OPTIONS}": account.ask_welcome_passkey,
}
OF_ACCOUNT: dict[str, account.AccountAct] = {
    f"{ACCOUNT}/password": account.change_password,
    f"{ACCOUNT}/passkeys{OPTIONS}": account.ask_own_passkey,
    f"{ACCOUNT}/passkeys": account.add_passkey,
    f"{ACCOUNT}/passkeys/remove": account.remove_passkey,
    f"{ACCOUNT}/terminals": account.make_token,
    f"{ACCOUNT}/terminals/end": account.end_token,
    f"{ACCOUNT}/sign-out": account.sign_out_everywhere,
}


def add_people(app: web.Application, house: House, look: LookIn) -> None:
    """`look` makes the visit of who is signed in, on the page of this name."""
    app.router.add_get("/login/oidc", partial(go_to_provider, house))
    app.router.add_get(RETURN_PATH, partial(come_back, house))
    app.router.add_get(WELCOME, partial(account.show_welcome, house))
    for path, handle in WITHOUT_SESSION.items():
        app.router.add_post(path, partial(_without_session, house, handle))
    app.router.add_get(ACCOUNT, partial(_show, house, look))
    app.router.add_get(ACTS_PATH, partial(_ask, house, look))
    app.router.add_post(ACTS_PATH, partial(_manage, house, look))
    for path, act in OF_ACCOUNT.items():
        app.router.add_post(path, partial(_act, house, look, act))


async def _without_session(house: House, handle: Handle, request: web.Request) -> web.StreamResponse:
    return await _run(request, lambda form: handle(house, request, form))


async def _show(house: House, look: LookIn, request: web.Request) -> web.StreamResponse:
    visitor = await visitor_of(house, request)
    if visitor is None:
        return sign_in_first(house, request)
    if renewal := renewal_of(house, request):
        return see_other(renewal)
    return await account.show_account(house, visitor, request, look(visitor, request, "account"))


async def _ask(house: House, look: LookIn, request: web.Request) -> web.StreamResponse:
    visitor = await visitor_of(house, request)
    if visitor is None:
        return sign_in_first(house, request)
    if renewal := renewal_of(house, request):
        return see_other(renewal)
    visit = look(visitor, request, "people")
    return await answer_shown(house, visitor, visit, await show_people_act(visit))


async def _manage(house: House, look: LookIn, request: web.Request) -> web.StreamResponse:
    """A change: with the session's own form alone."""
    visitor = await visitor_of(house, request)
    if visitor is None:
        return sign_in_first(house, request)
    form = await read_form(request)
    check_form_token(visitor, form)
    visit, given = look(visitor, request, "people"), {name: str(form[name]) for name in form}
    done = await perform_people_act(visit, given, page_origin(house, request))
    if isinstance(done, Shown):
        return await answer_shown(house, visitor, visit, done)
    after, visitor.session.notice = done
    return see_other(after)


async def _act(house: House, look: LookIn, act: account.AccountAct, request: web.Request) -> web.StreamResponse:
    visitor = await visitor_of(house, request)
    if visitor is None:
        return sign_in_first(house, request)
    visit = look(visitor, request, "account")

    async def run(form: Any) -> web.Response:
        check_form_token(visitor, form)
        return await account.carry_out(house, visitor, request, visit, form, act)

    return await _run(request, run)


async def _run(request: web.Request, run: Callable[[Any], Awaitable[web.Response]]) -> web.Response:
    """What the page's script asks is refused in the shape that it reads."""
    form = await read_form(request)
    try:
        return await run(form)
    except EdgeError as error:
        if not request.path.endswith(OPTIONS):
            raise
        return answer_script(error)
