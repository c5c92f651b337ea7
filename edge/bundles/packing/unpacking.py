"""Whether cached bytes are those of a file: unpacks them and compares digests, in bounded memory."""

import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path

import brotli

from edge.bundles.chunks import read_chunks
from edge.bundles.limits import CHUNK_BYTES
from edge.domain.model import Digest


def is_brotli_of(packed: Path, plain: Digest, plain_bytes: int) -> bool:
    """Whether `packed` is one whole brotli stream of a file of `plain_bytes` with this digest."""
    decoder = brotli.Decompressor()

    def pieces() -> Iterator[bytes]:
        for chunk in read_chunks(packed):
            piece = decoder.process(chunk, output_buffer_limit=CHUNK_BYTES)
            while piece:
                yield piece
                piece = b"" if decoder.is_finished() else decoder.process(b"", output_buffer_limit=CHUNK_BYTES)

    try:
        return _is(pieces(), plain, plain_bytes) and decoder.is_finished()
    except brotli.error:
        return False


def is_deflated(packed: Path, plain: Digest, plain_bytes: int, crc32: int) -> bool:
    """Whether `packed` is one whole raw deflate stream of a file of `plain_bytes` with this digest and CRC-32."""
    decoder, crc = zlib.decompressobj(-zlib.MAX_WBITS), 0

    def pieces() -> Iterator[bytes]:
        nonlocal crc
        for chunk in read_chunks(packed):
            while chunk:
                piece = decoder.decompress(chunk, CHUNK_BYTES)
                crc = zlib.crc32(piece, crc)
                yield piece
                chunk = decoder.unconsumed_tail
        piece = decoder.flush()
        crc = zlib.crc32(piece, crc)
        yield piece

    try:
        whole = _is(pieces(), plain, plain_bytes)
    except zlib.error:
        return False
    return whole and decoder.eof and not decoder.unused_data and crc == crc32


def _is(pieces: Iterator[bytes], plain: Digest, plain_bytes: int) -> bool:
    hashing, left = hashlib.sha256(), plain_bytes
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            return False
        hashing.update(piece)
    return left == 0 and hashing.hexdigest() == plain
