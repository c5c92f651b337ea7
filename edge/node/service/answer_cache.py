"""Encoded offers: their bytes depend on the bundle, the plugin's form and the base address, not on the device.

Encoded on first use and kept under a byte limit; the least recently used goes first.
"""

import gzip
from collections import OrderedDict
from collections.abc import Hashable

import msgspec

OFFER_CACHE_BYTES = 64 * 2**20  # a worker; about 800 answers with a 300-file manifest
# Below one packet's payload compression saves no round trip and costs the device a decoder.
GZIP_MIN_BYTES = 1_400
GZIP_LEVEL = 4  # digests hardly compress: level 6 takes a third longer and saves nothing


class EncodedBody(msgspec.Struct, frozen=True, gc=False):
    """The JSON of an answer, plain and compressed."""

    plain: bytes
    gzipped: bytes | None  # None if compression does not pay


class Offers:
    """`held_bytes` is the size of all bodies that are kept."""

    def __init__(self, limit_bytes: int = OFFER_CACHE_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._bodies: OrderedDict[Hashable, EncodedBody] = OrderedDict()
        self.held_bytes = 0

    def get(self, key: Hashable) -> EncodedBody | None:
        body = self._bodies.get(key)
        if body is not None:
            self._bodies.move_to_end(key)
        return body

    def add(self, key: Hashable, plain: bytes) -> EncodedBody:
        """Returns the body; the newest stays even if it is above the limit by itself."""
        body = self._bodies[key] = compress_body(plain)
        self.held_bytes += _size(body)
        while self.held_bytes > self._limit_bytes and len(self._bodies) > 1:
            _, evicted = self._bodies.popitem(last=False)
            self.held_bytes -= _size(evicted)
        return body


def compress_body(plain: bytes) -> EncodedBody:
    if len(plain) < GZIP_MIN_BYTES:
        return EncodedBody(plain, None)
    packed = gzip.compress(plain, GZIP_LEVEL, mtime=0)
    return EncodedBody(plain, packed if len(packed) < len(plain) else None)


def _size(body: EncodedBody) -> int:
    return len(body.plain) + len(body.gzipped or b"")
