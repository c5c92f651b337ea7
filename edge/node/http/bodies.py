"""Reading request bodies within a size and a time limit, and answering with JSON."""

import asyncio

from aiohttp import web

from edge.node.service.limits.large_bodies import LARGE_BYTES, RETRY_AFTER_SECONDS, BodyRefused, Lease
from edge.wire.arrival import BODY_SECONDS, body_due


async def read_body(
    request: web.Request, limit_bytes: int, seconds: float = BODY_SECONDS, lease: Lease | None = None
) -> bytes:
    """The whole body; a large one is taken from `lease` before it is received, and needs one.

    Raises aiohttp's 413 above `limit_bytes`, its 408 if the body takes longer than `seconds` and comes more slowly than
    the minimum rate, its 503 if the lease refuses it.
    """
    declared = request.content_length
    if declared is not None and declared > limit_bytes:
        raise web.HTTPRequestEntityTooLarge(max_size=limit_bytes, actual_size=declared)
    _take(lease, declared or 0)
    body = bytearray()
    begun = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout_at(body_due(begun, 0, seconds)) as limit:
            async for chunk in request.content.iter_any():
                body += chunk
                limit.reschedule(body_due(begun, len(body), seconds))
                if len(body) > limit_bytes:
                    raise web.HTTPRequestEntityTooLarge(max_size=limit_bytes, actual_size=len(body))
                if len(body) > LARGE_BYTES:
                    _take(lease, declared or limit_bytes)
    except TimeoutError as error:
        raise web.HTTPRequestTimeout from error
    return bytes(body)


def json_response(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json")


def _take(lease: Lease | None, size_bytes: int) -> None:
    try:
        if lease is not None:
            lease.take(size_bytes)
    except BodyRefused as error:
        raise busy() from error


def busy() -> web.HTTPServiceUnavailable:
    """For a body over a limit that is meant for floods: a device comes again."""
    return web.HTTPServiceUnavailable(headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
