"""Request bodies in, within a limit and a time; JSON bodies out. What every device route shares."""

import asyncio

from aiohttp import web

BODY_SECONDS = 20  # to send a whole body: the longest a plugin waits for an answer by default (device-protocol §1.1)


async def read_body(request: web.Request, limit_bytes: int, seconds: float = BODY_SECONDS) -> bytes:
    """The whole body. Raises aiohttp's 413 over the limit, and 408 for one that does not arrive."""
    declared = request.content_length
    if declared is not None and declared > limit_bytes:
        raise web.HTTPRequestEntityTooLarge(max_size=limit_bytes, actual_size=declared)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > limit_bytes:
                    raise web.HTTPRequestEntityTooLarge(max_size=limit_bytes, actual_size=len(body))
    except TimeoutError as error:
        raise web.HTTPRequestTimeout from error
    return bytes(body)


def json_response(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json")
