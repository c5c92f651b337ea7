"""The peer behind an aiohttp request, and what the access log needs to know about the request."""

from aiohttp import web

from edge.node.service.peers import Peer, Proxies, find_peer

REQUESTED_APP = web.RequestKey("requested_app", str)  # a valid app id, for the access log
# Of `time.perf_counter`, for the access log: the loop's clock, which aiohttp uses, has a resolution of a millisecond.
BEGUN = web.RequestKey("begun", float)


def peer_behind(request: web.BaseRequest, proxies: Proxies) -> Peer:
    """The socket's peer or, if that is a trusted proxy, the client that the proxy's headers name."""
    transport = request.transport
    peername = transport.get_extra_info("peername") if transport else None
    name = proxies.country_header
    return find_peer(
        peername[0] if peername else "",
        request.headers.getall("X-Forwarded-For", ()),
        request.headers.get(name) if name else None,
        proxies,
    )
