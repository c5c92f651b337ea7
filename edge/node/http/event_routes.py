"""`POST /events` over aiohttp, and what a browser asks first; the service decides the answers."""

from aiohttp import web

from edge.node.http.bodies import json_response, read_body
from edge.node.http.device_routes import SERVICE, peer_of
from edge.node.http.peer import REQUESTED_APP
from edge.node.service.limits.large_bodies import RETRY_AFTER_SECONDS
from edge.node.service.limits.overload import RETRY_AFTER_SECONDS as SOON_SECONDS
from edge.wire.app_events import EVENTS_BODY_LIMIT_BYTES

KEY_HEADER = "Edge-Key"
PREFLIGHT_SECONDS = 86_400  # the longest that any browser caches a preflight
# No cookie and no credential is ever needed, so a page of any origin may send events and read the answers.
PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": f"Content-Type, {KEY_HEADER}",
    "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
}


def add_event_routes(router: web.UrlDispatcher) -> None:
    router.add_post("/events", handle_events)
    router.add_route("OPTIONS", "/events", handle_event_preflight)


async def handle_events(request: web.Request) -> web.Response:
    service, peer = request.app[SERVICE], peer_of(request)
    body = await read_body(request, EVENTS_BODY_LIMIT_BYTES)
    reply = await service.app_events.take(body, request.headers.get(KEY_HEADER, ""), peer)
    request[REQUESTED_APP] = reply.app
    response = json_response(reply.body.plain, reply.status)
    if reply.status == 401:
        response.headers["WWW-Authenticate"] = KEY_HEADER  # RFC 9110 15.5.2: a challenge is needed
    if reply.status in (429, 503):
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS if reply.status == 429 else SOON_SECONDS)
    return response


async def handle_event_preflight(request: web.Request) -> web.Response:
    return web.Response(status=204, headers=PREFLIGHT_HEADERS)
