"""A webhook's receiver as a team would write it: it verifies the signature, and keeps what is genuine."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from edge.cli.terminal.client import ControlClient

NAME = "demo"
BODY_LIMIT_BYTES = 64 * 1024  # a notice has some kB


class Receiver:
    """`taken` are genuine messages, `refused` counts others. `secret` is the webhook's."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.refused = 0
        self.secret = ""

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        if not self._is_genuine(request, body):
            self.refused += 1
            return web.Response(status=401)
        self.taken.append(json.loads(body))
        return web.Response()

    def kinds(self) -> list[str]:
        """Of what was taken, each once, in its order."""
        return list(dict.fromkeys(each["kind"] for each in self.taken))

    def _is_genuine(self, request: web.Request, body: bytes) -> bool:
        """As `config/README.md` describes it."""
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        given = request.headers.get("webhook-signature", "")
        signed = f"{request.headers.get('webhook-id')}.{request.headers.get('webhook-timestamp')}.".encode() + body
        wanted = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        return hmac.compare_digest(wanted.encode(), given.encode())


@asynccontextmanager
async def receiving(client: ControlClient) -> AsyncIterator[Receiver]:
    """Listens on loopback while the block runs, as a webhook of the node that `client` talks to."""
    receiver = Receiver()
    app = web.Application(client_max_size=BODY_LIMIT_BYTES)
    app.router.add_post("/", receiver.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        made = await asyncio.to_thread(client.post, "/v1/webhooks", {"name": NAME, "url": url})
        receiver.secret = made["secret"]
        yield receiver
    finally:
        await runner.cleanup()
