"""`POST /updates`, `POST /stats`, their greetings and the two probes over aiohttp; the service decides the answers."""

import time
from itertools import islice
from typing import Any

from aiohttp import web

from edge.node.http.bodies import json_response, read_body
from edge.node.http.peer import REQUESTED_APP, peer_behind, whence_of
from edge.node.service.checks.check_service import NotLoaded
from edge.node.service.common_answers import Reply
from edge.node.service.device_service import DeviceService
from edge.node.service.limits.overload import RETRY_AFTER_SECONDS
from edge.node.service.peers import Peer, Whence
from edge.wire.answers import greeting_body
from edge.wire.body import encode_json
from edge.wire.stats import STATS_BODY_LIMIT_BYTES
from edge.wire.updates import BODY_LIMIT_BYTES

READYZ_DAMAGES_LIMIT = 20  # named by `/readyz`, which anyone may ask and probes read every second


async def handle_updates(request: web.Request) -> web.Response:
    body = await read_body(request, BODY_LIMIT_BYTES)
    service = request.app[SERVICE]
    whence = whence_of(request, service.proxies)
    base = base_of(request, whence)
    try:
        reply = service.take_check(body, base, whence.country, whence)
    except NotLoaded as unloaded:
        reply = await service.await_check(unloaded.check, base, whence)
    return _negotiated(reply, request)


async def handle_stats(request: web.Request) -> web.Response:
    service, peer = request.app[SERVICE], peer_of(request)
    with service.bodies.lease(peer.prefix, time.monotonic()) as lease:
        body = await read_body(request, STATS_BODY_LIMIT_BYTES, lease=lease)
        return _negotiated(await service.take_report(body, peer), request)


async def handle_greeting(request: web.Request) -> web.Response:
    """Also `/livez`: to answer is to be alive."""
    return json_response(greeting_body())


async def handle_readyz(request: web.Request) -> web.Response:
    """503 until the worker serves, while it drains, and if none of the known apps can be served: then load balancers
    send no requests here. Damage of single apps is named, and changes nothing: other nodes may have it too. Nor does a
    guard that sees nothing, or a view of the releases that is too old: devices are served all the same.
    """
    service = request.app[SERVICE]
    current = service.current
    ready = request.app[READINESS].ready and not current.hopeless
    told: dict[str, Any] = {"ready": ready}
    if current.guard_blind:
        told["guard"] = "blind"
    if stale := service.moments.stale():
        oldest = max(stale, key=lambda each: each.age_seconds)
        told["stale"] = {"shards": len(stale), "age_seconds": int(oldest.age_seconds)}
        told["stale"]["limit_seconds"] = int(oldest.limit_seconds)
    if damages := len(current.damages):
        shown = islice(current.damages, READYZ_DAMAGES_LIMIT)
        told["damaged"] = [
            {"app": each.app, "grain": each.grain, "name": each.name, "effect": each.effect} for each in shown
        ]
        told["damages"] = damages
    return json_response(encode_json(told), 200 if ready else 503)


class Readiness:
    """Whether load balancers should send requests to this worker."""

    ready = False


SERVICE = web.AppKey("service", DeviceService)
READINESS = web.AppKey("readiness", Readiness)


def base_of(request: web.Request, whence: Whence) -> str:
    """The base URL of download addresses, as answers to this request state it."""
    transport = request.transport
    own = transport.get_extra_info("sockname") if transport else None
    own_address = own[:2] if own else ("127.0.0.1", 80)
    return request.app[SERVICE].base_of(request.headers.get("Host"), own_address, whence.scheme)


def peer_of(request: web.Request) -> Peer:
    return peer_behind(request, request.app[SERVICE].proxies)


def _negotiated(reply: Reply, request: web.Request) -> web.Response:
    body = reply.body
    request[REQUESTED_APP] = reply.app
    if body.gzipped is None:
        response = json_response(body.plain, reply.status)
        if reply.status == 503:
            response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        return response
    packed = "gzip" in request.headers.get("Accept-Encoding", "")
    response = json_response(body.gzipped if packed else body.plain, reply.status)
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    return response
