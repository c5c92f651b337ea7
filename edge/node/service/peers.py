"""The peer of a request: the address that its connection came from, or the one that a trusted proxy states. Pure.

Anyone can put `X-Forwarded-For` and a country into a request. They count only on a connection from a configured proxy,
and of the list only what such proxies have appended, read from the right.
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from edge.node.service.addresses import plain_address

AddressRange = ipaddress.IPv4Network | ipaddress.IPv6Network

HOPS_LIMIT = 16  # hops that are read; a real chain of proxies has two or three
SUBSCRIBER_PREFIX_BITS = 64  # of IPv6: one subscriber has at least a /64 and may use all of it (RFC 6177)

_COUNTRY = re.compile(r"[A-Za-z]{2}", re.ASCII)  # ISO 3166-1 alpha-2
_WITH_PORT = re.compile(r"\[(?P<six>[0-9A-Fa-f:.]+)\](:\d{1,5})?|(?P<four>[\d.]+):\d{1,5}", re.ASCII)


class Peer(NamedTuple):
    """`prefix` is what limits are counted by (`prefix_of`); `country` two capital letters, or "" if no proxy of ours
    states it."""

    address: str
    prefix: str
    country: str = ""


class Whence(NamedTuple):
    """Where a request came from, for `find_peer` to read: `address` is the socket's, `forwarded` the lines of
    X-Forwarded-For."""

    address: str = ""
    forwarded: Sequence[str] = ()


NOWHERE = Whence()


class Proxies:
    """The proxies whose headers are trusted. `networks` are addresses or networks, as configured."""

    def __init__(self, networks: Iterable[str] = (), country_header: str = "") -> None:
        self._networks: tuple[AddressRange, ...] = tuple(ipaddress.ip_network(each, strict=False) for each in networks)
        self.country_header = country_header

    def trusts(self, address: str) -> bool:
        """False for text that is no address."""
        if not self._networks:
            return False
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


def find_peer(address: str, forwarded: Sequence[str], country: str | None, proxies: Proxies) -> Peer:
    """`address` is the socket's, `forwarded` the lines of X-Forwarded-For, `country` the configured header's value.

    The peer is the rightmost hop that is not one of our proxies. A hop that is no address ends the list: the proxy to
    its right is then the peer.
    """
    peer = plain_address(address)
    if not proxies.trusts(peer):
        return Peer(peer, prefix_of(peer))
    for hop in reversed(_hops(forwarded)):
        named = _address_of(hop)
        if named is None:
            break
        peer = named
        if not proxies.trusts(peer):
            break
    return Peer(peer, prefix_of(peer), country_of(country))


def country_of(text: str | None) -> str:
    """Two capital letters, or "" if the header holds no country code. Only for requests from our proxies."""
    return text.upper() if text and _COUNTRY.fullmatch(text) else ""


def prefix_of(address: str) -> str:
    """An IPv4 address itself, an IPv6 address's /64; text that is no address (a Unix socket's) unchanged."""
    plain = plain_address(address)
    if ":" not in plain:
        return plain
    try:
        return str(ipaddress.ip_network((plain, SUBSCRIBER_PREFIX_BITS), strict=False))
    except ValueError:
        return plain


def _hops(lines: Sequence[str]) -> list[str]:
    """The last hops of the list, in order; several lines are one list (RFC 9110 5.3)."""
    return [hop for line in lines[-HOPS_LIMIT:] for hop in line.rsplit(",", HOPS_LIMIT)[-HOPS_LIMIT:]][-HOPS_LIMIT:]


def _address_of(hop: str) -> str | None:
    """The address in a hop, with or without a port: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`."""
    text = hop.strip()
    found = _WITH_PORT.fullmatch(text)
    try:
        parsed = ipaddress.ip_address((found["six"] or found["four"]) if found else text)
    except ValueError:
        return None
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
