"""The peer behind an aiohttp request, and what the access log needs to know about the request."""

from aiohttp import web
from multidict import CIMultiDictProxy

from edge.node.service.peers import Peer, Proxies, Whence, find_peer

REQUESTED_APP = web.RequestKey("requested_app", str)  # a valid app id, for the access log
# Of `time.perf_counter`, for the access log: the loop's clock, which aiohttp uses, has a resolution of a millisecond.
BEGUN = web.RequestKey("begun", float)


def peer_behind(request: web.BaseRequest, proxies: Proxies, address: str = "") -> Peer:
    """The socket's peer or, if that is a trusted proxy, the client that the proxy's headers name. `address` is the
    socket's, where the caller knows it: a peer that has left has none."""
    known, forwarded = whence_of(request)
    name = proxies.country_header
    return find_peer(address or known, forwarded, request.headers.get(name) if name else None, proxies)


def whence_of(request: web.BaseRequest) -> Whence:
    """What the request states about its peer, unread."""
    transport = request.transport
    peername = transport.get_extra_info("peername") if transport else None
    # aiohttp's stand-in for a request that it could not parse has a plain, empty dict of headers.
    parsed = isinstance(request.headers, CIMultiDictProxy)
    forwarded = request.headers.getall("X-Forwarded-For", ()) if parsed else ()
    return Whence(peername[0] if peername else "", forwarded)
