"""`/push/register`, `/push/unregister` and `/push/opened` over aiohttp, as `/events` is; the service decides."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from edge.node.http.bodies import json_response, read_body
from edge.node.http.device_routes import SERVICE, peer_of
from edge.node.http.event_routes import KEY_HEADER, handle_event_preflight
from edge.node.http.peer import REQUESTED_APP
from edge.node.service.common_answers import Reply
from edge.node.service.limits.large_bodies import RETRY_AFTER_SECONDS
from edge.node.service.limits.overload import RETRY_AFTER_SECONDS as SOON_SECONDS
from edge.node.service.peers import Peer
from edge.node.service.push.push_service import PushService
from edge.wire.push.registrations import PUSH_BODY_LIMIT_BYTES

Take = Callable[[PushService, bytes, str, Peer], Awaitable[Reply]]


def add_push_routes(router: web.UrlDispatcher) -> None:
    for path, take in _ROUTES.items():
        router.add_post(path, _handler(take))
        router.add_route("OPTIONS", path, handle_event_preflight)


def _handler(take: Take) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        body = await read_body(request, PUSH_BODY_LIMIT_BYTES)
        reply = await take(request.app[SERVICE].push, body, request.headers.get(KEY_HEADER, ""), peer_of(request))
        request[REQUESTED_APP] = reply.app
        response = json_response(reply.body.plain, reply.status)
        if reply.status == 401:
            response.headers["WWW-Authenticate"] = KEY_HEADER  # RFC 9110 15.5.2: a challenge is needed
        if reply.status in (429, 503):
            response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS if reply.status == 429 else SOON_SECONDS)
        return response

    return handle


_ROUTES: dict[str, Take] = {
    "/push/register": PushService.register,
    "/push/unregister": PushService.unregister,
    "/push/opened": PushService.opened,
}
