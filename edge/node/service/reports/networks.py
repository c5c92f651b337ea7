"""Where a report came from, as its record says it: a number that tells networks apart, and never an address. Pure.

The key is this node's own and never leaves it, so nobody can find an address by trying all that there are.
"""

from functools import lru_cache
from hashlib import blake2b

from edge.telemetry.spool.record import NET_BITS

KEY_BYTES = 16
_NETWORKS_KEPT = 4_096  # by their prefixes, 0.5 MB: one gateway's devices report one after the other


class Networks:
    """Numbers of one key."""

    def __init__(self, key: bytes) -> None:
        """Raises ValueError for a key that is too short to be a secret."""
        if len(key) < KEY_BYTES:
            raise ValueError(f"a key of {len(key)} bytes is no secret")
        self._key = key
        self.number_of = lru_cache(_NETWORKS_KEPT)(self._number_of)

    def _number_of(self, prefix: str) -> int:
        """Of an address prefix as limits are counted by it; never 0."""
        digest = blake2b(prefix.encode(), digest_size=NET_BITS // 8, key=self._key)
        return int.from_bytes(digest.digest(), "big") or 1
