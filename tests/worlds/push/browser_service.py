"""A push service that a real Firefox keeps a connection to (`dom.push.serverURL`), on loopback: JSON over a WebSocket
on one side, RFC 8030 on the other. It checks what senders send, and passes on what only the browser can decrypt.
"""

import asyncio
import json
import secrets
import time
from typing import Any

from aiohttp import WSMsgType, web
from push.webpush_double import WebPushDouble, text_of


class BrowserService(WebPushDouble):
    """`acknowledged` has the codes that the browser gave, by version: 100 is decrypted and handed to the page."""

    def __init__(self, clock=time.time) -> None:
        super().__init__(clock)
        self.acknowledged: dict[str, int] = {}
        self.channels: set[str] = set()
        self.heard = asyncio.Event()
        self._socket: web.WebSocketResponse | None = None

    async def start(self, port: int = 0, context=None) -> str:
        app = web.Application()
        app.router.add_get("/push", self._connect)
        app.router.add_post("/push/{id}", self._deliver)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "localhost", port).start()
        self.url = f"http://localhost:{self._runner.addresses[0][1]}"
        return self.url

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=("push-notification",))
        await socket.prepare(request)
        self._socket = socket
        async for message in socket:
            if message.type is WSMsgType.TEXT and (answer := self._answer(json.loads(message.data))) is not None:
                await socket.send_str(json.dumps(answer))
        return socket

    def _answer(self, said: dict[str, Any]) -> dict[str, Any] | None:
        match said.get("messageType"):
            case None:
                return {}  # a ping
            case "hello":
                name = said.get("uaid") or secrets.token_hex(16)
                return {"messageType": "hello", "status": 200, "uaid": name, "use_webpush": True, "broadcasts": {}}
            case "register":
                channel = said["channelID"]
                self.channels.add(channel)
                endpoint = f"{self.url}/push/{channel}"
                return {"messageType": "register", "status": 200, "channelID": channel, "pushEndpoint": endpoint}
            case "ack":
                for each in said.get("updates", []):
                    self.acknowledged[each["version"]] = each.get("code", 100)
                self.heard.set()
            case "nack":
                self.acknowledged.setdefault(said["version"], said.get("code", 0))
                self.heard.set()
        return None

    async def _deliver(self, request: web.Request) -> web.StreamResponse:
        channel, body = request.match_info["id"], await request.read()
        if channel not in self.channels or self._socket is None or self._socket.closed:
            return web.Response(status=404)
        if (status := self._authorized(request.headers.get("Authorization", ""))) != 0:
            return web.Response(status=status)
        faults = list(self._faults(request, body))
        for each in faults:
            self.seen.fault(each)
        if faults:
            return web.Response(status=400)
        version = secrets.token_hex(8)
        notification = {
            "messageType": "notification",
            "channelID": channel,
            "version": version,
            "data": text_of(body),
            "headers": {"encoding": "aes128gcm"},
        }
        await self._socket.send_str(json.dumps(notification))
        self.seen.taken[channel] += 1
        return web.Response(status=201, headers={"Location": f"{self.url}/message/{version}"})
