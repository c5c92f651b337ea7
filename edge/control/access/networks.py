"""Whence a request comes, and whether a token may be used there. Pure.

What a proxy states counts only on a connection from a trusted one: anybody can write `X-Forwarded-For`. Of its
addresses only those count that trusted proxies have appended, read from the right.
"""

import ipaddress
from collections.abc import Iterable, Sequence

from edge.domain.errors import Invalid

NETWORK_LIMIT = 20  # of a token: more are a firewall's work
HOPS_LIMIT = 16  # hops that are read; a real chain of proxies has two or three

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parse_networks(texts: Sequence[str]) -> tuple[str, ...]:
    """Addresses and networks (`10.0.0.0/8`) in their one form. Raises Invalid `invalid_network`."""
    if len(texts) > NETWORK_LIMIT:
        raise Invalid("invalid_network", f"a token is limited to {NETWORK_LIMIT} networks at most")
    found = []
    for text in texts:
        try:
            found.append(str(ipaddress.ip_network(text)))
        except ValueError as error:
            reason = f"{text[:64]!r} is no address or network such as 10.0.0.0/8 or 2001:db8::/32"
            raise Invalid("invalid_network", reason) from error
    return tuple(dict.fromkeys(found))


def is_from(networks: Sequence[str], address: str) -> bool:
    """Whether the address lies in one of the networks; without any, each does. One that cannot be read lies in none."""
    if not networks:
        return True
    known = _parse_address(address)
    return known is not None and _is_in(known, map(ipaddress.ip_network, networks))


def caller_address(connected: str, forwarded: Sequence[str], proxies: Sequence[str]) -> str:
    """Of whom a request is: `connected` is the address of the connection, `forwarded` the lines of
    `X-Forwarded-For`."""
    trusted = [ipaddress.ip_network(each, strict=False) for each in proxies]
    found = connected
    hops = [hop.strip() for line in forwarded for hop in line.split(",")]
    for hop in [*reversed(hops[-HOPS_LIMIT:]), ""]:
        known = _parse_address(found)
        if known is None or not _is_in(known, trusted) or not hop:
            return found
        found = hop
    return found


def peer_of(address: str) -> str:
    """Whose it is, for limits by address: a host has the whole /64 of its IPv6 address. A text that is none stays."""
    known = _parse_address(address)
    if isinstance(known, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Address(int(known) >> 64 << 64))
    return address if known is None else str(known)


def _parse_address(text: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_in(address: _Address, networks: Iterable[_Network]) -> bool:
    return any(address in network for network in networks)
