"""An app's features over aiohttp: what the lane hands over, single ones, and the stream of changes (OFREP.md)."""

import asyncio
import random

from aiohttp import hdrs, web

from edge.node.http.bodies import read_body
from edge.node.http.device_routes import SERVICE
from edge.node.http.peer import REQUESTED_APP, peer_behind, whence_of
from edge.node.service.features.asking import FeatureAsk, read_ask
from edge.node.service.features.change_streams import ChangeStream, StreamRefused
from edge.node.service.features.feature_replies import (
    BUSY,
    PREFLIGHT_HEADERS,
    UNKNOWN_APP,
    WRONG_KEY,
    FeatureReply,
    refused,
)
from edge.node.service.peers import Whence
from edge.wire.ofrep.addresses import BASE, BULK, STREAM
from edge.wire.ofrep.context import CONTEXT_LIMIT_BYTES, too_large
from edge.wire.ofrep.refusals import OfrepCode, OfrepRefused
from edge.wire.ofrep.streams import HEARTBEAT, HEARTBEAT_SECONDS, encode_change, encode_opening

SEND_SECONDS = 10.0  # for a reader that does not read: it comes again
STREAM_HEADERS = {hdrs.CONTENT_TYPE: "text/event-stream", hdrs.CACHE_CONTROL: "no-store", "X-Accel-Buffering": "no"}

_NOWHERE = OfrepRefused(404, OfrepCode.GENERAL, "no such address: see the base address and paths of features")
_LATE = OfrepRefused(408, OfrepCode.GENERAL, "the body did not arrive in time")


def add_feature_routes(router: web.UrlDispatcher) -> None:
    router.add_post(f"{BASE}{{app}}{BULK}", handle_bulk)
    router.add_post(f"{BASE}{{app}}{BULK}/{{name:.+}}", handle_one)
    router.add_get(f"{BASE}{{app}}{STREAM}", handle_stream, allow_head=False)
    router.add_route("OPTIONS", f"{BASE}{{rest:.*}}", handle_feature_preflight)
    router.add_route("*", f"{BASE}{{rest:.*}}", handle_nowhere)


async def handle_bulk(request: web.Request) -> web.Response:
    ask, whence = _ask_of(request), _whence_of(request)
    if ask is None:
        return _told(UNKNOWN_APP, request)
    try:
        body = await _body_of(request)
    except OfrepRefused as refusal:
        return _told(refused(refusal, ask.app), request)
    return _told(await request.app[SERVICE].features.await_bulk(ask, body, whence), request)


async def handle_one(request: web.Request) -> web.Response:
    ask, whence, name = _ask_of(request), _whence_of(request), request.match_info["name"]
    if ask is None:
        return _told(UNKNOWN_APP, request)
    try:
        body = await _body_of(request)
    except OfrepRefused as refusal:
        return _told(refused(refusal, ask.app), request)
    return _told(await request.app[SERVICE].features.take_one(ask, name, body, whence), request)


async def handle_feature_preflight(request: web.Request) -> web.Response:
    return web.Response(status=204, headers=dict(PREFLIGHT_HEADERS))


async def handle_nowhere(request: web.Request) -> web.Response:
    return _told(refused(_NOWHERE), request)


async def handle_stream(request: web.Request) -> web.StreamResponse:
    """Until the client leaves or reads nothing, its key is gone, or this worker leaves."""
    service, ask = request.app[SERVICE], _ask_of(request)
    if ask is None:
        return _told(UNKNOWN_APP, request)
    await service.current.wait_for(ask.app)
    snapshot = service.current.snapshot(ask.app)
    if snapshot is None or service.current.is_deleted(ask.app):
        return _told(UNKNOWN_APP if not service.current.is_unserved(ask.app) else BUSY, request)
    if service.overload.overloaded:
        return _told(BUSY, request)
    streams, token = service.features.streams, request.query.get("token", "")
    prefix = peer_behind(request, service.proxies).prefix
    request[REQUESTED_APP] = ask.app
    try:
        with streams.opened(
            snapshot, token, request.headers.get("Last-Event-ID", ""), prefix, service.moments.now
        ) as stream:
            service.overload.in_progress -= 1  # it is open for hours, and costs nothing meanwhile
            try:
                return await _send(request, stream)
            finally:
                service.overload.in_progress += 1
    except StreamRefused as refusal:
        # A browser opens none of these again by itself: the client asks for all features, and with them for another.
        return _told(WRONG_KEY if refusal.status == 401 else BUSY, request)


async def _send(request: web.Request, stream: ChangeStream) -> web.StreamResponse:
    response = web.StreamResponse(headers=STREAM_HEADERS)
    response.force_close()
    try:
        await response.prepare(request)
        content = encode_opening(random.random())  # noqa: S311 - spreads those that come again
        while True:
            async with asyncio.timeout(SEND_SECONDS):
                await response.write(content)
            if stream.is_over:
                break
            tag = await stream.next(HEARTBEAT_SECONDS)
            content = HEARTBEAT if tag is None else encode_change(tag)
    except (ConnectionError, TimeoutError):
        if request.transport is not None:
            request.transport.abort()
    return response


async def _body_of(request: web.Request) -> bytes:
    """Raises OfrepRefused."""
    try:
        return await read_body(request, CONTEXT_LIMIT_BYTES)
    except web.HTTPRequestEntityTooLarge as error:
        raise too_large() from error
    except web.HTTPRequestTimeout as error:
        raise _LATE from error


def _ask_of(request: web.Request) -> FeatureAsk | None:
    header = request.headers.get
    return read_ask(
        request.match_info["app"],
        request.rel_url.raw_query_string,
        header(hdrs.AUTHORIZATION, ""),
        header("X-API-Key", ""),
        header(hdrs.IF_NONE_MATCH, ""),
    )


def _whence_of(request: web.Request) -> Whence:
    return whence_of(request, request.app[SERVICE].proxies)


def _told(reply: FeatureReply, request: web.Request) -> web.Response:
    request[REQUESTED_APP] = reply.app
    headers = dict(reply.headers())
    if reply.status == 304:
        return web.Response(status=304, headers=headers)
    body = reply.body
    if reply.gzipped is not None:
        headers["Vary"] = "Accept-Encoding"
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            body, headers["Content-Encoding"] = reply.gzipped, "gzip"
    return web.Response(status=reply.status, body=body, content_type="application/json", headers=headers)
