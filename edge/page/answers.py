"""Pages as HTTP answers: a view's, a refusal's, a file's."""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from aiohttp import hdrs, web

from edge.domain.errors import EdgeError
from edge.page.acts.insisting import on_page
from edge.page.door.headers import LASTING, PRIVATE
from edge.page.framing import build_frame
from edge.page.house import House, Visitor
from edge.page.rendering import render, static_files
from edge.page.views.visit import Shown, Visit


class _Nobody(NamedTuple):
    """In place of a frame."""

    signed_in: bool = False


NOBODY = _Nobody()
_HEADINGS = {
    400: "This address is not understood",
    403: "You may not do this",
    404: "There is nothing here",
    405: "There is nothing here",
    409: "This does not fit what is there now",
    421: "This page has another name",
    422: "This is not valid",
    429: "Too many at once",
    500: "This is a fault of the node",
    503: "The node cannot answer this now",
}
_OF_CODES = {"not_a_person": "A token has no account", "invitation_over": "This invitation does not work any more"}


async def look_at(house: House, visitor: Visitor, visit: Visit, shown: Shown) -> bytes:
    """The page as it is now, for what is sent while it is open: takes no notice away."""
    frame = await build_frame(visit, shown, visitor.session, house)
    values = {**shown.values, "frame": frame, "visit": visit, "title": shown.title}
    return await asyncio.to_thread(render, shown.template, values)


async def answer_shown(house: House, visitor: Visitor, visit: Visit, shown: Shown) -> web.Response:
    frame = (await build_frame(visit, shown, visitor.session, house))._replace(notice=visitor.session.notice)
    visitor.session.notice = None
    values = {**shown.values, "frame": frame, "visit": visit, "title": shown.title}
    return await answer_page(shown.template, values, shown.status)


async def answer_refusal(house: House, visitor: Visitor | None, visit: Visit | None, error: EdgeError) -> web.Response:
    """The refusal as a page: inside the frame for who is signed in, if that can be made."""
    heading = _OF_CODES.get(error.code) or _HEADINGS.get(error.status, "This did not work")
    values = {
        "heading": heading,
        "sentence": on_page(error.message)[:1_000],
        "code": error.code,
        "back": {"href": "/", "label": "All apps"},
    }
    shown = Shown("refusal.html", heading, values, status=error.status)
    if visitor is None or visit is None or error.status == 421:
        return await answer_page("refusal.html", {**values, "title": shown.title, "frame": NOBODY}, error.status)
    return await answer_shown(house, visitor, visit, shown)


async def answer_page(template: str, values: Mapping[str, Any], status: int = 200) -> web.Response:
    body = await asyncio.to_thread(render, template, values)
    return web.Response(body=body, status=status, content_type="text/html", charset="utf-8", headers=PRIVATE)


def answer_static(request: web.Request) -> web.Response:
    """A file beside the pages. Anyone may have it: it is the same on every node."""
    found = static_files().get(request.match_info["name"])
    if found is None or found.version != request.match_info["version"]:
        raise web.HTTPNotFound()
    return web.Response(body=found.body, content_type=found.content_type, charset="utf-8", headers=LASTING)


def answer_script(error: EdgeError) -> web.Response:
    """The refusal for the page's own script."""
    return web.json_response({"error": error.code, "message": error.message}, status=error.status, headers=PRIVATE)


def see_other(address: str) -> web.Response:
    return web.Response(status=303, headers={**PRIVATE, hdrs.LOCATION: address})


def login_address(path: str) -> str:
    return "/login" if path == "/" else f"/login?next={quote(path, safe='/')}"
