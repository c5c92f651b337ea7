"""The peer behind an aiohttp request, and what the access log needs to know about the request."""

from aiohttp import web
from multidict import CIMultiDictProxy

from edge.node.service.addresses import plain_address
from edge.node.service.peers import (
    FORWARDED_FOR,
    FORWARDED_SCHEME,
    REQUEST_ID,
    Peer,
    Places,
    Proxies,
    Whence,
    find_peer,
)

REQUESTED_APP = web.RequestKey("requested_app", str)  # a valid app id, for the access log
# Of `time.perf_counter`, for the access log: the loop's clock, which aiohttp uses, has a resolution of a millisecond.
BEGUN = web.RequestKey("begun", float)


def peer_behind(request: web.BaseRequest, proxies: Proxies) -> Peer:
    """The socket's peer or, if that is a trusted proxy, the client that the proxy's headers name."""
    return find_peer(whence_of(request, proxies), proxies)


def whence_of(request: web.BaseRequest, proxies: Proxies, address: str = "") -> Whence:
    """Where the request came from. `address` is the socket's, where the caller knows it: a peer that has left has
    none."""
    if not address:
        peername = request.transport.get_extra_info("peername") if request.transport else None
        address = peername[0] if peername else ""
    address = plain_address(address)
    # aiohttp's stand-in for a request that it could not parse has a plain, empty dict of headers.
    if not proxies.trusts(address) or not isinstance(request.headers, CIMultiDictProxy):
        return Whence(address)
    values: list[bytes] = []
    places = []
    for name in (FORWARDED_FOR, proxies.country_header, FORWARDED_SCHEME, REQUEST_ID):
        lines = request.headers.getall(name, ()) if name else ()
        places.append(range(len(values), len(values) + len(lines)))
        values += [line.encode("utf-8", "surrogateescape") for line in lines]
    return Whence(address, Places(*places), values)
