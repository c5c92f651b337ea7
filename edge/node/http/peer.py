"""Who is behind an aiohttp request: the socket's address and, from our own proxies, what they say in front of it."""

from aiohttp import web

from edge.node.service.peers import Peer, Proxies, find_peer

ASKED_APP = web.RequestKey("asked_app", str)  # the valid id of the app that a request is about: for the access log
# Of `time.perf_counter`, likewise: the loop's own clock, which aiohttp takes, stands still for a millisecond.
BEGUN = web.RequestKey("begun", float)


def peer_behind(request: web.BaseRequest, proxies: Proxies) -> Peer:
    transport = request.transport
    peername = transport.get_extra_info("peername") if transport else None
    name = proxies.country_header
    return find_peer(
        peername[0] if peername else "",
        request.headers.getall("X-Forwarded-For", ()),
        request.headers.get(name) if name else None,
        proxies,
    )
