"""Which addresses a message may go to: those of the public internet, and what the node's configuration allows. Pure.

An admin's browser, or whoever has an admin's token, must not reach through this node what only this machine reaches.
"""

import ipaddress
from collections.abc import Iterator, Sequence

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

# Public by their number, and answered inside alone: Azure's wire server, relays of 6to4.
_INTERNAL = tuple(ipaddress.ip_network(each) for each in ("168.63.129.16/32", "192.88.99.0/24"))
_UNICAST = ipaddress.ip_network("2000::/3")  # all of IPv6 that is given out
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.ip_network("64:ff9b:1::/48")


def parse_networks(networks: Sequence[str]) -> list[IPNetwork]:
    """As the configuration has checked them."""
    return [ipaddress.ip_network(each, strict=False) for each in networks]


def address_fault(address: str, allowed: Sequence[IPNetwork], option: str = "webhooks.allowed_networks") -> str:
    """Why nothing is sent there; "" if it may be. `address` is numeric, as the socket gets it; `option` names
    `allowed`."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return f"{address[:64]!r} is not an address"
    return next((fault for each in _meant(found) if (fault := _fault(each, allowed, option))), "")


def _fault(found: IPAddress, allowed: Sequence[IPNetwork], option: str) -> str:
    if any(found in each for each in allowed if each.version == found.version):
        return ""
    given_out = found.version == 4 or found in _UNICAST or found in _NAT64
    if given_out and found.is_global and not found.is_multicast and not any(found in each for each in _INTERNAL):
        return ""
    return f"{found} is not on the public internet: {option} allows it if it is yours"


def _meant(found: IPAddress) -> Iterator[IPAddress]:
    """The addresses that a packet to this one may reach: of an IPv6 address that contains an IPv4 one, that one."""
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            yield found.ipv4_mapped
            return
        if found in _NAT64:
            yield ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF)
        if found in _NAT64_LOCAL:
            yield ipaddress.IPv4Address("0.0.0.0")  # of this network alone, whatever it contains
        if found.sixtofour is not None:
            yield found.sixtofour
        if found.teredo is not None:
            yield from found.teredo
    yield found
