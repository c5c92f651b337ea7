"""Blobs for followers: any part of one from a byte on, sent by the kernel where the connection allows it."""

import asyncio
import os
from contextlib import suppress

from aiohttp import hdrs, web

from edge.control.access.roles import Permission
from edge.control.calls import Call
from edge.control.operations import RANGE, Operation
from edge.domain.errors import Invalid, NotFound
from edge.domain.model import parse_digest
from edge.regions.feed.feed import OpenedBlob

OCTETS = "application/octet-stream"


async def handle_blob(call: Call[None]) -> web.StreamResponse:
    """Raises NotFound `missing_blob`, also for one that is damaged here, and Invalid `invalid_range`."""
    digest = parse_digest(call.part("digest"))
    if call.ports.proofs.is_damaged(digest):
        raise NotFound("missing_blob", f"the bytes that this node has of blob {digest} are wrong")
    blob = await call.ports.feed.open_blob(digest)
    try:
        start = _start_of(call.request.headers.get(hdrs.RANGE, ""), blob.size_bytes)
        return await _send(call, digest, blob, start)
    finally:
        os.close(blob.descriptor)


def _start_of(ranged: str, size_bytes: int) -> int:
    """RFC 9110, 14.2: a server may ignore a range; all but one form is."""
    found = RANGE.fullmatch(ranged)
    if found is None:
        return 0
    start = int(found[1])
    if start and start >= size_bytes:
        raise Invalid("invalid_range", f"the blob has {size_bytes} bytes: none begins at {start}")
    return start


async def _send(call: Call[None], digest: str, blob: OpenedBlob, start: int) -> web.StreamResponse:
    """What goes wrong once the head is sent cuts the connection, so that nobody takes a part for the whole."""
    request, size = call.stream, blob.size_bytes
    headers = {
        hdrs.CONTENT_TYPE: OCTETS,
        hdrs.CONTENT_LENGTH: str(size - start),
        hdrs.ACCEPT_RANGES: "bytes",
        hdrs.CACHE_CONTROL: "no-store",
        hdrs.ETAG: f'"{digest}"',
    }
    if start:
        headers[hdrs.CONTENT_RANGE] = f"bytes {start}-{size - 1}/{size}"
    response = web.StreamResponse(status=206 if start else 200, headers=headers)
    transport, sent = request.transport, False
    try:
        writer = await response.prepare(request)
        with suppress(ConnectionError):  # the follower has left, or reads nothing
            if transport is not None and writer is not None:
                await call.ports.sender.send(transport, blob.descriptor, start, size - start)
                writer.output_size += size - start
                sent = True
    finally:
        if not sent:
            response.force_close()
            _cut(transport)
    return response


def _cut(transport: asyncio.Transport | None) -> None:
    if transport is not None:
        transport.abort()


OPERATIONS = (
    Operation(
        name="follow_blob",
        method="GET",
        path="/v1/feed/blobs/{digest}",
        summary="Download a blob, or the rest of one",
        permission=Permission.FOLLOW,
        handle=handle_blob,
        answer=bytes,
        content_type=OCTETS,
        ranged=True,
    ),
)
