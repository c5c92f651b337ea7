"""A receiver of one's own that delivers messages: it verifies the signature as the Standard Webhooks libraries do."""

import asyncio
import base64
import hashlib
import hmac
import json
import time

from aiohttp import web
from push.verdicts import Scripted, Seen

TOLERANCE_SECONDS = 300
DRIP_SECONDS = 0.02  # between two bytes of an answer that does not end


class PushReceiver:
    """`secret` is what the node showed when the address was set."""

    def __init__(self, clock=time.time, secret: str = "") -> None:
        self.seen = Seen(clock)
        self.secret = secret
        self.ids: set[str] = set()
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self, port: int = 0, context=None) -> str:
        app = web.Application(client_max_size=1 << 20)
        app.router.add_post("/hook", self._receive)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=context).start()
        self.url = f"{'https' if context else 'http'}://localhost:{self._runner.addresses[0][1]}/hook"
        return self.url

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        message = json.loads(body)
        if (scripted := self.seen.scripted(message["device_token"])) is not None:
            return await self._scripted(request, scripted)
        if not self._is_signed(request, body):
            self.seen.fault("the signature is wrong")
            return web.Response(status=401)
        name = request.headers["webhook-id"]
        if name in self.ids:
            self.seen.fault(f"{name} came twice")
        self.ids.add(name)
        self.seen.take(message["device_token"], message)
        return web.Response(status=204)

    def _is_signed(self, request: web.Request, body: bytes) -> bool:
        head = [request.headers.get(f"webhook-{each}", "") for each in ("id", "timestamp", "signature")]
        if not all(head) or abs(self.seen.clock() - int(head[1])) > TOLERANCE_SECONDS:
            return False
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        signed = hmac.new(key, f"{head[0]}.{head[1]}.".encode() + body, hashlib.sha256).digest()
        return hmac.compare_digest(f"v1,{base64.b64encode(signed).decode()}", head[2])

    @staticmethod
    async def _scripted(request: web.Request, scripted: Scripted) -> web.StreamResponse:
        if scripted.cut:
            request.transport.abort()
            raise web.HTTPBadRequest  # to nobody
        if scripted.silent:
            await asyncio.Event().wait()
        if scripted.drips:
            request.transport.write(scripted.drips)
            while request.transport is not None and not request.transport.is_closing():
                request.transport.write(b"x")
                await asyncio.sleep(DRIP_SECONDS)
            raise web.HTTPBadRequest  # to nobody
        return web.Response(status=scripted.status, body=scripted.body, headers=dict(scripted.headers))
