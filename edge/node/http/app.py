"""The device port as an aiohttp application: routes, CORS, load shedding, and one shape for every error."""

import logging
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from edge.domain.model import AppId
from edge.node.delivery.files import OpenFiles
from edge.node.delivery.pace import Patience
from edge.node.http.bundle_routes import Ended, add_bundle_routes
from edge.node.http.channel_routes import add_channel_routes
from edge.node.http.device_routes import (
    READINESS,
    SERVICE,
    Readiness,
    handle_greeting,
    handle_readyz,
    handle_stats,
    handle_updates,
    peer_of,
)
from edge.node.http.event_routes import PREFLIGHT_SECONDS, add_event_routes
from edge.node.http.feature_routes import add_feature_routes
from edge.node.http.peer import BEGUN, whence_of
from edge.node.http.push_routes import add_push_routes
from edge.node.http.refusals import refuse, refuse_for_now, refuse_malformed
from edge.node.service.common_answers import CORS_HEADERS, UNKNOWN_ERROR
from edge.node.service.device_service import DeviceService
from edge.node.service.heard.delivery_counts import SentBlob
from edge.node.service.peers import told_id

PREFLIGHT_HEADERS = {
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Content-Type, Range, If-Range, If-Match, If-None-Match",
    "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
}

log = logging.getLogger("edge.devices")

DeviceHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_device_app(
    service: DeviceService, files: OpenFiles, readiness: Readiness, patience: Patience
) -> web.Application:
    """`patience` applies to downloads, `readiness` to `/readyz`."""
    app = web.Application(middlewares=[answer_errors, count_requests])
    app[SERVICE] = service
    app[READINESS] = readiness
    app.on_response_prepare.append(_add_cors)
    app.on_response_prepare.append(_hide_server)
    app.router.add_post("/updates", handle_updates)
    app.router.add_post("/stats", handle_stats)
    app.router.add_get("/updates", handle_greeting)
    app.router.add_get("/stats", handle_greeting)
    app.router.add_get("/livez", handle_greeting)
    app.router.add_get("/readyz", handle_readyz)
    for path in ("/updates", "/updates/manifest_size", "/stats", "/channel_self", "/bundles/{rest:.*}"):
        app.router.add_route("OPTIONS", path, handle_preflight)
    add_channel_routes(app.router)
    add_event_routes(app.router)
    add_feature_routes(app.router)
    add_push_routes(app.router)
    add_bundle_routes(app.router, service.current, files, patience, record_failure, record_patch, note_delivery)
    return app


async def handle_preflight(request: web.Request) -> web.Response:
    return web.Response(status=204, headers=PREFLIGHT_HEADERS)


@web.middleware
async def count_requests(request: web.Request, handler: DeviceHandler) -> web.StreamResponse:
    """Count a request as in progress until its last byte is sent; shed downloads while the worker is overloaded."""
    service, overload = request.app[SERVICE], request.app[SERVICE].overload
    downloads = int(request.path.startswith("/bundles/") and request.method != "OPTIONS")
    shed = "downloads" if overload.overloaded else "downloads_over_limit" if overload.downloads_full else ""
    if downloads and shed:
        service.counts.shed[shed] += 1
        if overload.overloaded:
            service.faults.note_everything()
        else:
            record_failure(request, False)
        return refuse_for_now()
    overload.in_progress += 1
    overload.downloads += downloads
    try:
        if downloads:
            await service.current.wait_for(AppId(request.match_info.get("app", "")))
        return await handler(request)
    finally:
        overload.in_progress -= 1
        overload.downloads -= downloads


def record_failure(request: web.Request, slow: bool) -> None:
    """This node failed a download; if the peer was too slow, that excuses the peer's address alone."""
    service, app, digest = request.app[SERVICE], *(request.match_info.get(name, "") for name in ("app", "digest"))
    if app in service.current.apps and service.current.is_unserved(AppId(app)):
        service.faults.note_app(AppId(app))
        return
    service.faults.note_download(app, digest, peer_of(request).prefix if slow else "")


def record_patch(request: web.Request) -> None:
    request.app[SERVICE].counts.others["patches_sent"] += 1


def note_delivery(request: web.Request, ended: Ended) -> None:
    """An answer with a file, or a part of one, has ended."""
    app, kind, digest = (request.match_info[name] for name in ("app", "kind", "digest"))
    sent = SentBlob(app, kind, digest, ended.encoding)
    seconds = time.perf_counter() - request[BEGUN] if ended.status == 200 else None
    request.app[SERVICE].deliveries.note(sent, ended.size_bytes, ended.length, seconds)


@web.middleware
async def answer_errors(request: web.Request, handler: DeviceHandler) -> web.StreamResponse:
    """Answer every error in the protocol's shape; a bug is logged, and its traceback stays here."""
    request[BEGUN] = time.perf_counter()
    try:
        return await handler(request)
    except web.HTTPException as error:
        return refuse(error)
    except web.RequestPayloadError:
        return refuse_malformed()  # the body's framing is broken
    except ConnectionError:
        return refuse_malformed()  # a client that leaves is not an error, and does not read this
    except Exception:
        told = told_id(whence_of(request, request.app[SERVICE].proxies))
        log.exception("bug while answering %s %s%s", request.method, request.rel_url.raw_path, told)  # raw: one line
        return web.json_response(UNKNOWN_ERROR, status=500)


async def _add_cors(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(CORS_HEADERS)


async def _hide_server(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.pop("Server", None)  # aiohttp's own names its version and Python's
