"""Reading request bodies within a size and a time limit, and answering with JSON."""

import asyncio

from aiohttp import web

BODY_SECONDS = 20  # for the whole body: the plugin's default `responseTimeout` (PROTOCOL.md §1.1)


async def read_body(request: web.Request, limit_bytes: int, seconds: float = BODY_SECONDS) -> bytes:
    """The whole body. Raises aiohttp's 413 above `limit_bytes`, its 408 if the body takes longer than `seconds`."""
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
