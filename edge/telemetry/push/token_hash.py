"""The number by which a token is found. Written to disk, so it never changes."""

from hashlib import blake2b


def token_hash(token: str) -> int:
    """A signed 64-bit number. No weaker hash: with a collision, one device could take another's place."""
    return int.from_bytes(blake2b(token.encode(), digest_size=8).digest(), "big", signed=True)
