"""Prefixes of addresses: which of them one holder may have together. Pure.

A prefix is an IPv4 address, an IPv6 /64 as `2001:db8:1:2::/64`, or other text, such as the path of a socket.
"""

import ipaddress
from functools import lru_cache

SITE_PREFIX_BITS = 48  # of IPv6: one site may hold as much (RFC 6177), and tunnel brokers give it to anyone
WIDE_PREFIXES_KEPT = 4_096  # computed wide prefixes, 1 MB; a peer's requests come together


@lru_cache(WIDE_PREFIXES_KEPT)
def wide_prefix_of(prefix: str, ipv6_bits: int = SITE_PREFIX_BITS) -> str:
    """What one holder of many prefixes may hold: the /48 of an IPv6 prefix, or one of `ipv6_bits`, the /24 of an IPv4
    address; other text unchanged."""
    if ":" not in prefix:
        return prefix.rpartition(".")[0] if prefix.count(".") == 3 else prefix
    try:
        return str(ipaddress.ip_network(prefix, strict=False).supernet(new_prefix=ipv6_bits))
    except ValueError:
        return prefix
