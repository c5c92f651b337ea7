"""How many connections one address may hold open in this worker: a device needs a few, a flood gets no more."""

import asyncio
import ipaddress
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from edge.node.addresses import plain_address

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Connections:
    """`limit` per address, 0 for none; `exempt` networks (a proxy in front carries everybody) are not counted."""

    def __init__(self, limit: int, exempt: Iterable[str] = ()) -> None:
        self._limit = limit
        self._exempt: tuple[Network, ...] = tuple(ipaddress.ip_network(each, strict=False) for each in exempt)
        self._open: dict[str, int] = {}
        self.refused = 0

    def admit(self, address: str) -> bool:
        """Count one more connection of `address`, unless it has its share; then False, and nothing to release."""
        if not self._limit or self._is_exempt(address):
            return True
        held = self._open.get(address, 0)
        if held >= self._limit:
            self.refused += 1
            return False
        self._open[address] = held + 1
        return True

    def release(self, address: str) -> None:
        held = self._open.get(address, 0)
        if held > 1:
            self._open[address] = held - 1
        else:
            self._open.pop(address, None)

    def _is_exempt(self, address: str) -> bool:
        return any(ipaddress.ip_address(address) in network for network in self._exempt)


class CountedConnection(web.RequestHandler):
    """aiohttp's own protocol, let in only while its peer has connections left."""

    __slots__ = ("_admitted_as", "_connections")

    def __init__(
        self, server: web.Server, connections: Connections, loop: asyncio.AbstractEventLoop, **kwargs: Any
    ) -> None:
        super().__init__(server, loop=loop, **kwargs)
        self._connections = connections
        self._admitted_as: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = transport.get_extra_info("peername")
        address = plain_address(peer[0]) if peer else ""
        if address and not self._connections.admit(address):
            # Closing without a word costs the node least; to a plugin it is a network error, never a verdict.
            transport.abort()  # type: ignore[attr-defined]
        else:
            self._admitted_as = address
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._admitted_as:
            self._connections.release(self._admitted_as)
            self._admitted_as = None
        super().connection_lost(exc)
