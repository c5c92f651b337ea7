"""Answers that are sent as they are made."""

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from edge.control.shapes.streamed import Streamed, send_streamed
from edge.domain.errors import Unauthorized


async def test_a_long_answer_is_cut_once_its_token_is_gone():
    asked = []

    async def blocks():
        while True:
            yield b"line\n"

    async def admit():
        asked.append(True)
        if len(asked) == 3:
            raise Unauthorized("unauthorized", "unknown or revoked token")

    async def handle(request):
        return await send_streamed(request, Streamed("text/plain", blocks()), admit, admitted_seconds=0)

    app = web.Application()
    app.router.add_get("/", handle)
    async with TestClient(TestServer(app)) as client, client.get("/") as response:
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
    assert len(asked) == 3
