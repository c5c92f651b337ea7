"""The page on the control port: its addresses, and what stands before every one of them.

Order: the name in `Host`, the form's origin, the session (with its token, looked up again at each request), the form's
token, then the view. Every failure is a page with its code in brackets. Nothing here authorises `/v1`.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

from aiohttp import hdrs, web
from yarl import URL

from edge.domain.errors import EdgeError, Forbidden, Malformed, NotFound, Unavailable
from edge.page.acting import perform, show_act
from edge.page.answers import (
    answer_refusal,
    answer_shown,
    answer_static,
    login_address,
    look_at,
    see_other,
)
from edge.page.composing import NEW_PATH, show_new, take_step
from edge.page.door.hosts import is_own_origin
from edge.page.dropping import publish_drop, show_drop, take_drop
from edge.page.forms import QUERY_LIMIT, check_form_token, read_form
from edge.page.framing import LIVE, as_of
from edge.page.house import House, Visitor, visitor_of
from edge.page.live import Look, parse_look
from edge.page.login_page import next_address
from edge.page.people.routes import add_people
from edge.page.people.ways import renewal_of, sign_in_by_password, sign_in_first
from edge.page.signing_in import show_login, sign_in, sign_out
from edge.page.views import searching
from edge.page.views.approvals import proposals
from edge.page.views.audit import audit
from edge.page.views.bundles import bundles
from edge.page.views.channel import page as channel_page
from edge.page.views.device import device
from edge.page.views.experiment import page as experiment_page
from edge.page.views.features import features
from edge.page.views.fleet import one_app, overview
from edge.page.views.history import history
from edge.page.views.messages import messages
from edge.page.views.node import nodes
from edge.page.views.people import people
from edge.page.views.segments import segments
from edge.page.views.visit import PageRoute, Shown, Visit

PAGE_SECONDS = 20.0  # for a whole page; its parts end earlier, each by itself
API = "/v1"
LIVE_PATH = "/live"

DROP_PATH, DROPPED_PATH = "/apps/{app}/publish", "/apps/{app}/drops/{drop}"
ACTS = (
    "/apps/{app}/channels/{channel}/acts/{act}",
    "/apps/{app}/bundles/{bundle}/acts/{act}",
    "/apps/{app}/features/{feature}/acts/{act}",
    "/apps/{app}/acts/{act}",
)
ROUTES: tuple[PageRoute, ...] = (
    *overview.ROUTES,
    *channel_page.ROUTES,
    *one_app.ROUTES,
    *experiment_page.ROUTES,
    *history.ROUTES,
    *device.ROUTES,
    *bundles.ROUTES,
    *segments.ROUTES,
    *features.ROUTES,
    PageRoute(NEW_PATH, "messages", show_new),
    *messages.ROUTES,
    *nodes.ROUTES,
    *audit.ROUTES,
    *proposals.ROUTES,
    *people.ROUTES,
    *searching.ROUTES,
)

_LIVE_ROUTES = {route.path: route for route in ROUTES if route.name in LIVE}
log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Broken(EdgeError):
    """A fault of ours."""

    status = 500


class Misdirected(EdgeError):
    """For another host."""

    status = 421


def add_page(app: web.Application, house: House) -> None:
    """Serve the page beside the API of `app`, which is not running yet."""
    app.middlewares.append(_door(house))
    app.router.add_get("/static/{version}/{name}", _static)
    app.router.add_get(LIVE_PATH, partial(_live, house), allow_head=False)
    app.on_shutdown.append(house.streams.close)
    app.router.add_get("/login", partial(show_login, house))
    app.router.add_post("/login", partial(_signing_in, house))
    app.router.add_post("/logout", partial(_signing_out, house))
    add_people(app, house, partial(_signed_in, house))
    for route in ROUTES:
        app.router.add_get(route.path, _page(house, route))
    app.router.add_post(DROP_PATH, partial(_dropping, house))
    app.router.add_get(DROPPED_PATH, partial(_dropped, house))
    app.router.add_post(DROPPED_PATH, partial(_publishing, house))
    app.on_startup.append(lambda _: house.drops.open())
    app.on_shutdown.append(house.drops.close)
    app.router.add_post(NEW_PATH, partial(_composing, house))
    for path in ACTS:
        route = PageRoute(path, "act", show_act)
        app.router.add_get(path, _page(house, route))
        app.router.add_post(path, partial(_acting, house, route))


async def _static(request: web.Request) -> web.Response:
    return answer_static(request)


async def _signing_in(house: House, request: web.Request) -> web.Response:
    form = await read_form(request)
    return await (sign_in_by_password if "mail" in form else sign_in)(house, request, form)


async def _signing_out(house: House, request: web.Request) -> web.Response:
    visitor = await visitor_of(house, request)
    if visitor is not None:
        check_form_token(visitor, await read_form(request))
    return await sign_out(house, request)


async def _live(house: House, request: web.Request) -> web.StreamResponse:
    """A stream of what changes on the page whose address is `page`."""
    visitor = await visitor_of(house, request)
    if visitor is None:
        raise Forbidden("signed_out", "nobody is signed in here any more")
    route, there = await _routed(request)

    async def look() -> tuple[Look, str] | None:
        still = await visitor_of(house, request)
        if still is None:
            return None
        visit = _visit(house, still, there.request, route, there.parts)
        assert visit is not None, "somebody is signed in"
        async with asyncio.timeout(PAGE_SECONDS):
            page = await look_at(house, still, visit, await route.view(visit))
        return parse_look(page), as_of(visit.as_of).clock

    return await house.streams.serve(request, visitor.session, look)


class _There(NamedTuple):
    request: web.Request
    parts: dict[str, str]


async def _routed(request: web.Request) -> tuple[PageRoute, _There]:
    """The page that a stream is about. Raises NotFound `not_live`."""
    address = next_address(request.query.get("page", ""))
    there = request.clone(rel_url=URL(address, encoded=True))
    found = await request.app.router.resolve(there)
    resource = found.route.resource
    route = _LIVE_ROUTES.get(resource.canonical) if resource is not None else None
    if route is None:
        raise NotFound("not_live", "this page does not change while it is open")
    return route, _There(there, dict(found))


async def _acting(house: House, route: PageRoute, request: web.Request) -> web.StreamResponse:
    """A change: with the session's own form alone, and on to the page that it is about."""
    visitor = await visitor_of(house, request)
    if visitor is None:
        return sign_in_first(house, request)
    form = await read_form(request)
    check_form_token(visitor, form)
    visit = _visit(house, visitor, request, route, dict(request.match_info))
    assert visit is not None, "somebody is signed in"
    after, visitor.session.notice = await perform(visit, {name: str(form[name]) for name in form})
    return see_other(after)


def _signed_in(house: House, visitor: Visitor, request: web.Request, name: str) -> Visit:
    visit = _visit(
        house, visitor, request, PageRoute(request.path, name, overview.show_overview), dict(request.match_info)
    )
    assert visit is not None, "somebody is signed in"
    return visit


async def _dropping(house: House, request: web.Request) -> web.Response:
    """A zip, as it arrives. Its form's token is checked before a byte of it is kept."""
    visitor = await visitor_of(house, request)
    if visitor is None:
        return see_other(login_address("/"))
    visit = _signed_in(house, visitor, request, "bundles")
    return see_other(await take_drop(house, visitor, visit, request, partial(check_form_token, visitor)))


async def _dropped(house: House, request: web.Request) -> web.Response:
    visitor = await visitor_of(house, request)
    if visitor is None:
        return sign_in_first(house, request)
    visit = _signed_in(house, visitor, request, "bundles")
    return await answer_shown(house, visitor, visit, await show_drop(house, visitor, visit))


async def _publishing(house: House, request: web.Request) -> web.Response:
    visitor = await visitor_of(house, request)
    if visitor is None:
        return sign_in_first(house, request)
    form = await read_form(request)
    check_form_token(visitor, form)
    visit = _signed_in(house, visitor, request, "bundles")
    return see_other(await publish_drop(house, visitor, visit, {name: str(form[name]) for name in form}))


async def _composing(house: House, request: web.Request) -> web.StreamResponse:
    """A step of the form of a new message."""
    visitor = await visitor_of(house, request)
    if visitor is None:
        return sign_in_first(house, request)
    form = await read_form(request)
    check_form_token(visitor, form)
    visit = _signed_in(house, visitor, request, "messages")
    taken = await take_step(visit, {name: str(form[name]) for name in form})
    if isinstance(taken, Shown):
        return await answer_shown(house, visitor, visit, taken)
    after, visitor.session.notice = taken
    return see_other(after)


def _door(house: House) -> Any:
    @web.middleware
    async def door(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == API or request.path.startswith(f"{API}/"):
            return await handler(request)
        try:
            _check_request(house, request)
            async with asyncio.timeout(None if _takes_its_time(request) else PAGE_SECONDS):
                return await handler(request)
        except TimeoutError:
            error: EdgeError = Unavailable("page_timeout", f"this page took longer than {PAGE_SECONDS:g} s")
        except EdgeError as refused:
            error = refused
        except web.HTTPException as refused:
            error = _translated(refused)
        except OSError:  # a full disk, or a peer that left: the API tells them apart
            raise
        except Exception:
            log.exception("%s %s failed", request.method, request.rel_url.raw_path)
            error = Broken("internal_error", "This page failed; the node's log has more. The releases are not touched.")
        return await _refuse(house, request, error)

    return door


def _takes_its_time(request: web.Request) -> bool:
    """A stream, and a zip on its way: both have limits of their own."""
    return request.path == LIVE_PATH or (request.method == hdrs.METH_POST and request.path.endswith("/publish"))


def _check_request(house: House, request: web.Request) -> None:
    """Raises Misdirected `unknown_host`, Forbidden `foreign_form`, Malformed `query_too_long`."""
    if not house.hosts.permits(request.host):
        raise Misdirected(
            "unknown_host",
            f"this page does not answer to the name {request.host[:64]!r}: add it to the option control.allowed_hosts",
        )
    if len(request.rel_url.raw_query_string) > QUERY_LIMIT:
        raise Malformed("query_too_long", f"the query is longer than {QUERY_LIMIT} characters")
    if request.method not in (hdrs.METH_GET, hdrs.METH_HEAD):  # both are read alone
        origin, site = request.headers.get(hdrs.ORIGIN), request.headers.get("Sec-Fetch-Site")
        if not is_own_origin(origin, site, request.host, secure=house.secure):
            raise Forbidden("foreign_form", "this form did not come from this page; open the page and try again")


def _translated(error: web.HTTPException) -> EdgeError:
    if error.status in (404, 405):
        return NotFound("not_found", "There is no page at this address.")
    return Malformed("bad_request", error.reason)


async def _refuse(house: House, request: web.Request, error: EdgeError) -> web.Response:
    """As a page; inside the frame for who is signed in."""
    if isinstance(error, Misdirected):
        return await answer_refusal(house, None, None, error)
    visitor = await visitor_of(house, request)
    visit = _visit(house, visitor, request, PageRoute(request.path, "refusal", overview.show_overview), {})
    return await answer_refusal(house, visitor, visit, error)


def _page(house: House, route: PageRoute) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        visitor = await visitor_of(house, request)
        if visitor is None:
            return sign_in_first(house, request)
        if renewal := renewal_of(house, request):
            return see_other(renewal)
        visit = _visit(house, visitor, request, route, dict(request.match_info))
        assert visit is not None, "somebody is signed in"
        return await answer_shown(house, visitor, visit, await route.view(visit))

    return handle


def _visit(
    house: House, visitor: Visitor | None, request: web.Request, route: PageRoute, parts: dict[str, str]
) -> Visit | None:
    if visitor is None:
        return None
    return Visit(
        inner=house.inner,
        grant=visitor.grant,
        name=route.name,
        path=request.rel_url.raw_path,
        parts=parts,
        query=request.query,
        now=house.now(),
        address=request.rel_url.raw_path_qs,
        memory=None if route.name == "act" else house.memory,
    )
