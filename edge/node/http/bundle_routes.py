"""The HTTP door to bundle bytes: `GET|HEAD /bundles/{app}/zip|file/{digest}`.

Which blobs a device may read is the snapshot's business, what to answer is `delivery`'s, how bytes travel is `send`'s.
Whatever is not such an address, or not readable, is the same 404: never a 5xx, which new Android releases retry without
end (device-protocol §10). What a release names and the disk has lost is the node's fault and a 503.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol

from aiohttp import web

from edge.domain.errors import EdgeError
from edge.domain.model import parse_app_id, parse_digest
from edge.node.delivery.files import OpenFile, OpenFiles
from edge.node.delivery.lost_blobs import RETRY_AFTER_SECONDS, LostBlobs
from edge.node.delivery.plan import CONTENT_TYPES, TRANSIENT, Asked, Blob, Plan, plan_delivery
from edge.node.delivery.send import DEFAULT_PATIENCE, Patience, Stalled, cut, send_file
from edge.node.http.peer import ASKED_APP
from edge.node.http.refusals import refusal
from edge.node.service.common_answers import refusal_document
from edge.wire.plugins import ZipEnd


class Readable(Protocol):
    def blob(self, app: str, kind: str, digest: str) -> Path | None:
        """Where the bytes are, if the current snapshot marks them readable for devices. Must not block.

        Raises FileNotFoundError for those that are and that the disk has lost.
        """


# Told of each download that this node failed; with True, of one that it cut because its peer took nothing.
Failed = Callable[[web.Request, bool], None]


def _ignore(request: web.Request, slow: bool) -> None:
    pass


def add_bundle_routes(
    router: web.UrlDispatcher,
    readable: Readable,
    files: OpenFiles,
    lost: LostBlobs,
    patience: Patience = DEFAULT_PATIENCE,
    failed: Failed = _ignore,
) -> None:
    handler = partial(handle_bundle, readable=readable, files=files, lost=lost, patience=patience, failed=failed)
    router.add_get("/bundles/{app}/{kind}/{digest}", handler)  # HEAD comes with it
    router.add_get("/bundles/{rest:.*}", handle_unknown)


async def handle_bundle(
    request: web.Request, *, readable: Readable, files: OpenFiles, lost: LostBlobs, patience: Patience, failed: Failed
) -> web.StreamResponse:
    app, kind, digest = (request.match_info[name] for name in ("app", "kind", "digest"))
    try:
        path = _find(app, kind, digest, readable)
    except FileNotFoundError:
        return _refuse_lost(request, lost, failed)
    if path is None:
        return await handle_unknown(request)
    request[ASKED_APP] = app
    async with files.lend(digest, path) as file:
        if file is None:
            return _refuse_lost(request, lost, failed)
        lost.found(digest)
        blob = Blob(kind, digest, file.bytes, file.modified)
        return await _deliver(request, plan_delivery(blob, _asked(request)), file, patience, failed)


async def handle_unknown(request: web.Request) -> web.Response:
    return web.json_response(refusal_document(404), status=404, headers={"Cache-Control": TRANSIENT})


def _refuse_lost(request: web.Request, lost: LostBlobs, failed: Failed) -> web.Response:
    request[ASKED_APP] = app = request.match_info["app"]
    lost.note(app, request.match_info["digest"])
    failed(request, False)
    return refusal(503, {"Retry-After": str(RETRY_AFTER_SECONDS), "Cache-Control": TRANSIENT})


def _find(app: str, kind: str, digest: str, readable: Readable) -> Path | None:
    """Checked before the snapshot is asked, so that no word of a peer gets near a path."""
    try:
        parse_app_id(app), parse_digest(digest)
    except EdgeError:
        return None
    return readable.blob(app, kind, digest) if kind in CONTENT_TYPES else None


def _asked(request: web.Request) -> Asked:
    try:
        end = ZipEnd(request.query.get("end", ""))
    except ValueError:
        end = ZipEnd.REFUSE
    return Asked(
        request.method,
        _joined(request, "Range"),
        _joined(request, "If-Range"),
        _joined(request, "If-None-Match"),
        _joined(request, "If-Modified-Since"),
        _joined(request, "If-Match"),
        _joined(request, "If-Unmodified-Since"),
        end,
    )


def _joined(request: web.Request, name: str) -> str | None:
    lines = request.headers.getall(name, None)
    return ", ".join(lines) if lines else None


async def _deliver(
    request: web.Request, plan: Plan, file: OpenFile, patience: Patience, failed: Failed
) -> web.StreamResponse:
    """Headers by aiohttp, bytes by ourselves. `prepare` hands all headers to the transport before it returns (what
    aiohttp buffers is `Response` alone), `send_file` waits until they are out, and the body is then invisible to
    aiohttp: it finds its writer done and goes on to the next request. Only the public face of both is used.
    """
    response = web.StreamResponse(status=plan.status, headers=plan.headers)
    transport = request.transport
    sent = False
    try:
        with suppress(ConnectionError):  # a client that leaves is not an error
            writer = await response.prepare(request)
            if plan.length and transport is not None and writer is not None:
                await _send(request, transport, plan, file, patience, failed)
                writer.output_size += plan.length  # for the access log
            sent = True
    except Exception:  # the store's or ours; the caller says which
        failed(request, False)
        raise
    finally:
        if not sent:
            response.force_close()
            if transport is not None:
                cut(transport)
    return response


async def _send(
    request: web.Request, transport: asyncio.Transport, plan: Plan, file: OpenFile, patience: Patience, failed: Failed
) -> None:
    try:
        await send_file(transport, file.fd, plan.offset, plan.length, **patience._asdict())
    except Stalled:
        failed(request, True)
        raise
