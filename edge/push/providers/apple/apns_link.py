"""The connection to Apple's push service: made when it is needed, kept, and made again when it is gone.

Whoever needs it while it is being made waits for the same attempt, and hears the same failure.
"""

import asyncio
import socket
import ssl
from urllib.parse import urlsplit

from edge.messages.addresses import address_fault
from edge.messages.sending import SystemNames
from edge.push.providers.apple.h2_link import H2Link
from edge.push.providers.posting import ALLOWED_OPTION, CONNECT_SECONDS, NotArrived, PostingRules

IDLE_SECONDS = 60.0  # after that a connection is asked whether it lives before something is sent on it
PING_SECONDS = 3.0
ALPN = "h2"


class ApnsLink:
    """`connections` counts those that were made."""

    def __init__(self, url: str, rules: PostingRules) -> None:
        parts = urlsplit(url)
        self.connections = 0
        self.host = parts.hostname or ""
        self._port = parts.port or 443
        self._rules = rules
        self._resolve = rules.resolve or SystemNames().resolve
        self._context = rules.context()
        self._context.set_alpn_protocols([ALPN])
        self._link: H2Link | None = None
        self._making: asyncio.Task[H2Link] | None = None

    @property
    def authority(self) -> str:
        return self.host if self._port == 443 else f"{self.host}:{self._port}"

    async def link(self) -> H2Link:
        """One that lives. Raises NotArrived."""
        held = self._link
        if held is not None and not held.closed and not self._is_idle(held):
            return held
        if self._making is None or self._making.done():
            self._making = asyncio.create_task(self._make(held))
        return await asyncio.shield(self._making)

    async def close(self) -> None:
        making, self._making = self._making, None
        if making is not None:
            making.cancel()
            await asyncio.gather(making, return_exceptions=True)
        held, self._link = self._link, None
        if held is not None:
            held.cut("closed by us")

    def _is_idle(self, link: H2Link) -> bool:
        return not link.open_streams and asyncio.get_running_loop().time() - link.heard > IDLE_SECONDS

    async def _make(self, held: H2Link | None) -> H2Link:
        if held is not None and not held.closed:
            if await held.alive(PING_SECONDS):
                return held
            held.cut("it did not answer a ping")
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                made = await self._connect()
        except (OSError, ssl.SSLError, ValueError) as error:  # TimeoutError is an OSError
            raise NotArrived(f"no connection: {error}") from error
        self._link = made
        return made

    async def _connect(self) -> H2Link:
        loop = asyncio.get_running_loop()
        found = await self._resolve(self.host, self._port)
        if not found:
            raise OSError("its host has no address")
        fault: OSError | None = None
        for family, kind, protocol, _, address in found:
            if refused := address_fault(address[0], self._rules.allowed, ALLOWED_OPTION):
                fault = OSError(refused)
                continue
            reached = socket.socket(family, kind, protocol)
            reached.setblocking(False)
            try:
                await loop.sock_connect(reached, address)
                transport, link = await loop.create_connection(
                    H2Link, sock=reached, ssl=self._context, server_hostname=self.host
                )
            except OSError as error:
                reached.close()
                fault = error
                continue
            except BaseException:
                reached.close()
                raise
            return await self._settled(transport, link)
        raise fault or OSError("its host has no address")

    async def _settled(self, transport: asyncio.BaseTransport, link: H2Link) -> H2Link:
        self.connections += 1
        chosen = transport.get_extra_info("ssl_object")
        if chosen is None or chosen.selected_alpn_protocol() != ALPN:
            link.cut("it does not offer HTTP/2")
        try:
            await link.settled()
        except BaseException:
            link.cut("given up")
            raise
        return link
