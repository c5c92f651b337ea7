"""The bytes that the hostile node serves: they need not be a zip for anybody here."""

import hashlib

from edge.domain.model import Digest

# No word of an answer, and no two equal stretches, so that a wrong range shows.
ZIP = b"".join(f"<{number:05d}>".encode() for number in range(715))[:5_000]


def digest_of(content: bytes) -> Digest:
    return Digest(hashlib.sha256(content).hexdigest())
