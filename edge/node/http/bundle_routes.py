"""Bundle bytes over aiohttp: `GET|HEAD /bundles/{app}/zip|file/{digest}`.

The app's snapshot decides which blobs a device may read, `delivery.plan` what to answer; `delivery.send` moves the
bytes. Any other address, and any blob that devices may not read, is the same 404: never a 5xx, which newer Android
plugins retry without end (PROTOCOL.md §5.6). A blob that a release names and the disk has lost or
changed is this node's fault and a 503.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from aiohttp import web

from edge.domain.errors import EdgeError, Unavailable
from edge.domain.model import parse_app_id, parse_digest
from edge.node.delivery.dictionaries import DCZ, NO_TERMS, DictionaryTerms, dictionary_terms, is_name
from edge.node.delivery.files import OpenFile, OpenFiles
from edge.node.delivery.pace import DEFAULT_PATIENCE, Patience, Stalled
from edge.node.delivery.plan import CONTENT_TYPES, TRANSIENT, Blob, DeliveryRequest, Plan, plan_delivery
from edge.node.delivery.refused import refused_headers
from edge.node.delivery.send import Wire, reset_connection
from edge.node.delivery.turns import Altered
from edge.node.http.peer import REQUESTED_APP
from edge.node.http.refusals import refusal, refuse_for_now
from edge.node.proving.verdicts import DamagedBlob, NotProvenYet
from edge.node.service.common_answers import refusal_document
from edge.wire.plugins.forms import ZipEnd


class Readable(Protocol):
    """Which blobs devices may read now."""

    def may_read(self, app: str, kind: str, digest: str) -> bool:
        """Whether the current snapshot lets devices read the blob. Must not block.

        Raises Unavailable while that cannot be told.
        """

    def patch_to(self, app: str, new: str, old: str) -> str | None:
        """The blob of the patch between two plain files, by their digests."""


# Called for each download that this node fails; with True if it gave up because the peer was too slow.
OnFailure = Callable[[web.Request, bool], None]


def _ignore(request: web.Request, slow: bool) -> None:
    pass


OnPatch = Callable[[web.Request], None]  # called for each patch that is sent


def _uncounted(request: web.Request) -> None:
    pass


class Ended(NamedTuple):
    """An answer with `length` bytes of a file, of which `size_bytes` were sent."""

    encoding: str
    status: int
    length: int
    size_bytes: int


OnEnd = Callable[[web.Request, Ended], None]  # called for each answer with bytes


def _unnoted(request: web.Request, ended: Ended) -> None:
    pass


def add_bundle_routes(
    router: web.UrlDispatcher,
    readable: Readable,
    files: OpenFiles,
    patience: Patience = DEFAULT_PATIENCE,
    on_failure: OnFailure = _ignore,
    on_patch: OnPatch = _uncounted,
    on_end: OnEnd = _unnoted,
) -> None:
    """Every path under `/bundles/`: what is not a blob's address is answered too, with 404."""
    delivery = _Delivery(readable, files, patience, on_failure, on_patch, on_end)
    router.add_get("/bundles/{app}/{kind}/{digest}", delivery.handle_bundle)  # adds HEAD too
    router.add_get("/bundles/{rest:.*}", handle_unknown)


async def handle_unknown(request: web.Request) -> web.Response:
    return web.json_response(refusal_document(404), status=404, headers={"Cache-Control": TRANSIENT})


@dataclass(frozen=True, slots=True)
class _Delivery:
    readable: Readable
    files: OpenFiles
    patience: Patience
    on_failure: OnFailure
    on_patch: OnPatch
    on_end: OnEnd

    async def handle_bundle(self, request: web.Request) -> web.StreamResponse:
        """What `plan_delivery` decides, 404 if devices may not read the blob, or 503 if it is damaged, not proven in
        time, or of an app that cannot be served."""
        app, kind, digest = (request.match_info[name] for name in ("app", "kind", "digest"))
        try:
            readable = self._may_read(app, kind, digest)
        except Unavailable:
            self.on_failure(request, False)
            return refuse_for_now()
        if not readable:
            return await handle_unknown(request)
        request[REQUESTED_APP] = app
        terms = _terms(request, app, kind)
        patch = self.readable.patch_to(app, digest, terms.held) if terms.held else None
        if patch is not None:
            with suppress(DamagedBlob, NotProvenYet):  # the whole file is as good
                return await self._lend(request, Blob(kind, patch, 0, 0.0, DCZ, terms.use_as), app)
        try:
            return await self._lend(request, Blob(kind, digest, 0, 0.0, "", terms.use_as), app)
        except (DamagedBlob, NotProvenYet) as fault:
            self.on_failure(request, False)
            return refusal(503, dict(refused_headers(fault)))

    async def _lend(self, request: web.Request, blob: Blob, app: str) -> web.StreamResponse:
        """Answer with `blob`, whose size and time are those of its file."""
        async with self.files.lend(blob.digest, app) as file:
            blob = blob._replace(bytes=file.bytes, modified=file.modified)
            plan = plan_delivery(blob, _delivery_request(request))
            if blob.encoding and plan.length:
                self.on_patch(request)
            return await self._deliver(request, plan, file, blob.encoding)

    def _may_read(self, app: str, kind: str, digest: str) -> bool:
        """Parse before looking anything up, so that no peer's text becomes part of a path."""
        try:
            parse_app_id(app), parse_digest(digest)
        except EdgeError:
            return False
        return kind in CONTENT_TYPES and self.readable.may_read(app, kind, digest)

    async def _deliver(self, request: web.Request, plan: Plan, file: OpenFile, encoding: str) -> web.StreamResponse:
        """aiohttp sends the headers, we send the bytes, and only the public API of aiohttp is used.

        `prepare` hands all headers to the transport before it returns (aiohttp buffers those of `Response` only), and
        `Wire.send_file` waits until they are out. aiohttp never sees the body: it finds its writer finished and goes on
        to the next request.
        """
        response = web.StreamResponse(status=plan.status, headers=plan.headers)
        transport = request.transport
        sent = False
        try:
            with suppress(ConnectionError, Altered):  # a client that leaves is not an error; the next one gets a 503
                writer = await response.prepare(request)
                if plan.length and transport is not None and writer is not None:
                    await self._send(request, transport, plan, file, encoding)
                    writer.output_size += plan.length  # for the access log
                sent = True
        except Exception:  # the store's fault or a bug; the middleware logs which
            self.on_failure(request, False)
            raise
        finally:
            if not sent:
                response.force_close()
                if transport is not None:
                    reset_connection(transport)
        return response

    async def _send(
        self, request: web.Request, transport: asyncio.Transport, plan: Plan, file: OpenFile, encoding: str
    ) -> None:
        wire = Wire(transport)
        try:
            await wire.send_file(file.fd, plan.offset, plan.length, self.patience, file.is_intact)
        except (Stalled, Altered) as error:
            self.on_failure(request, isinstance(error, Stalled))
            raise
        finally:
            wire.close()
            self.on_end(request, Ended(encoding, plan.status, plan.length, wire.file_bytes))


def _delivery_request(request: web.Request) -> DeliveryRequest:
    try:
        end = ZipEnd(request.query.get("end", ""))
    except ValueError:
        end = ZipEnd.REFUSE
    return DeliveryRequest(
        request.method,
        _joined(request, "Range"),
        _joined(request, "If-Range"),
        _joined(request, "If-None-Match"),
        _joined(request, "If-Modified-Since"),
        _joined(request, "If-Match"),
        _joined(request, "If-Unmodified-Since"),
        end,
    )


def _terms(request: web.Request, app: str, kind: str) -> DictionaryTerms:
    of = request.query.get("of", "")
    if kind != "file" or not is_name(of):
        return NO_TERMS
    encodings, available = _joined(request, "Accept-Encoding"), _joined(request, "Available-Dictionary")
    return dictionary_terms(app, of, encodings, available, whole=_delivery_request(request).wants_whole)


def _joined(request: web.Request, name: str) -> str | None:
    lines = request.headers.getall(name, None)
    return ", ".join(lines) if lines else None
