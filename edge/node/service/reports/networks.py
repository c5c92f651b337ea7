"""Where a report came from, as its record says it: a number that tells networks apart, and never an address. Pure.

A network is what one holder has: the /24 of an IPv4 address, the /48 of an IPv6 prefix. The key is of the node
where figures are counted, and of those that send their reports there, so nobody else can find an address by trying all
that there are.
"""

import ipaddress
from functools import lru_cache
from hashlib import blake2b

from edge.domain.prefixes import wide_prefix_of
from edge.telemetry.spool.record import NET_BITS, NET_OF_IPV6, NET_SITE_BITS, TRUSTED_NET

KEY_BYTES = 16
_NETWORKS_KEPT = 4_096  # by their prefixes, 0.5 MB: one gateway's devices report one after the other
_PROVIDER_BITS = 32  # of IPv6: what registries give to providers
_HASH_BITS = NET_BITS - 1


class Networks:
    """Numbers of one key."""

    def __init__(self, key: bytes) -> None:
        """Raises ValueError for a key that is too short to be a secret."""
        if len(key) < KEY_BYTES:
            raise ValueError(f"a key of {len(key)} bytes is no secret")
        self._key = key
        self.number_of = lru_cache(_NETWORKS_KEPT)(self._number_of)

    def begin_again(self, key: bytes) -> None:
        """Networks have the numbers of this key from now on. Raises as the constructor."""
        if len(key) < KEY_BYTES:
            raise ValueError(f"a key of {len(key)} bytes is no secret")
        self._key = key
        self.number_of.cache_clear()

    def _number_of(self, prefix: str, trusted: tuple[str, ...] = ()) -> int:
        """Of an address prefix as limits are counted by it; 0 for one within the `trusted` networks of the app."""
        if trusted and _is_within(prefix, trusted):
            return TRUSTED_NET
        wide = wide_prefix_of(prefix)
        if ":" not in wide:
            return self._hash(wide, _HASH_BITS) or 1
        provider = wide_prefix_of(prefix, _PROVIDER_BITS)
        site_bits = NET_SITE_BITS
        return NET_OF_IPV6 | self._hash(provider, _HASH_BITS - site_bits) << site_bits | self._hash(wide, site_bits)

    def _hash(self, text: str, bits: int) -> int:
        digest = blake2b(text.encode(), digest_size=8, key=self._key).digest()
        return int.from_bytes(digest, "big") >> 64 - bits


def _is_within(prefix: str, trusted: tuple[str, ...]) -> bool:
    try:
        network = ipaddress.ip_network(prefix, strict=False)
    except ValueError:  # the path of a socket
        return False
    return any(_contains(each, network) for each in trusted)


def _contains(trusted: str, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        wide = ipaddress.ip_network(trusted, strict=False)
    except ValueError:
        return False
    if isinstance(wide, ipaddress.IPv4Network):
        return isinstance(network, ipaddress.IPv4Network) and network.subnet_of(wide)
    return isinstance(network, ipaddress.IPv6Network) and network.subnet_of(wide)
