"""Whence a request to the control port comes: the address of its connection, or what a trusted proxy there states."""

from collections.abc import Sequence

from aiohttp import web

from edge.control.access.networks import caller_address

PROXIES: web.AppKey[Sequence[str]] = web.AppKey("proxies", Sequence)
FORWARDED_FOR = "X-Forwarded-For"


def caller_of(request: web.Request) -> str:
    """The address; "" if there is none."""
    stated: Sequence[str] = request.headers.getall(FORWARDED_FOR, [])
    return caller_address(request.remote or "", stated, request.app.get(PROXIES, ()))
