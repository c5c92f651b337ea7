"""An answer that is sent as it is made: of any length, in the memory of one block, at the pace of its receiver."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import NamedTuple

from aiohttp import hdrs, web

STALL_SECONDS = 60.0  # a receiver that takes nothing for so long is gone
ADMITTED_SECONDS = 10.0  # so long after its token an answer goes on at most, but for the block that is being sent

_log = logging.getLogger(__name__)


class Streamed(NamedTuple):
    """Returned by a handler. `blocks` is closed when the answer ends, however it ends."""

    content_type: str
    blocks: AsyncGenerator[bytes, None]


async def send_streamed(
    request: web.Request,
    answer: Streamed,
    admit: Callable[[], Awaitable[None]],
    admitted_seconds: float = ADMITTED_SECONDS,
) -> web.StreamResponse:
    """Raises what the first block raises: then nothing was sent. A later failure cuts the connection, so that nobody
    takes the part for the whole; `admit` raises once who asks may not any more."""
    now = asyncio.get_running_loop().time
    admitted = now()
    async with aclosing(answer.blocks) as blocks:
        first = await anext(blocks, b"")
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: answer.content_type, hdrs.CACHE_CONTROL: "no-store"})
        await response.prepare(request)
        try:
            await _write(response, first)
            async for block in blocks:
                if now() - admitted >= admitted_seconds:
                    await admit()
                    admitted = now()
                await _write(response, block)
            await response.write_eof()
        except ConnectionError:  # the receiver has left
            return response
        except Exception as error:
            _log.error("%s %s ended early: %s", request.method, request.rel_url.raw_path, error)
            if request.transport is not None:
                request.transport.abort()
    return response


async def _write(response: web.StreamResponse, block: bytes) -> None:
    if block:
        async with asyncio.timeout(STALL_SECONDS):
            await response.write(block)
