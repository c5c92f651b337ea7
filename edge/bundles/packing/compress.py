"""Brotli for one file, in at most 50 MB of memory whatever its size. Pool workers import little more than this.

A file up to WHOLE_LIMIT_BYTES is compressed in one piece, a larger one as a stream of lower quality.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import brotli

from edge.bundles.chunks import read_chunks
from edge.bundles.compressed_kinds import COMPRESSED_SUFFIXES
from edge.bundles.limits import CHUNK_BYTES
from edge.bundles.packing.effort import STREAM_WINDOW_BITS, WHOLE_LIMIT_BYTES, WHOLE_WINDOW_BITS, Packing
from edge.domain.file_names import BROTLI_SUFFIX
from edge.domain.model import Digest

PLAIN_BELOW_BYTES = 8 * 1024  # a request costs more than brotli saves on such a file

SAMPLES = 4  # pieces tried, spread over the file
SAMPLE_BYTES = 16 * 1024
SAMPLE_QUALITY = 3
QUICK_QUALITY = 3  # below that of every packing
WORTH_SHARE = 0.95  # a sample that shrinks to more than this is compressed already


class Compressed(NamedTuple):
    """A compressed file: `blob` and `bytes` are its digest and size."""

    plain: Digest  # of the bytes read, so that a change of the file in between is noticed
    blob: Digest
    bytes: int


def must_compress(name: str) -> bool:
    """A device strips one `.br` and decodes whatever the app meant by it (PROTOCOL.md §5.4)."""
    return name.endswith(BROTLI_SUFFIX)


def may_compress(name: str, plain_bytes: int) -> bool:
    """Whether to try brotli at all."""
    if must_compress(name):
        return True
    suffix = name[name.rfind(".") :].lower()
    return plain_bytes >= PLAIN_BELOW_BYTES and suffix not in COMPRESSED_SUFFIXES


def compress_file(source: Path, target: Path, always: bool, packing: Packing) -> Compressed | None:
    """Compress `source` into `target`, a new file. None, and no target, if that saves nothing, unless `always`."""
    plain_bytes = source.stat().st_size
    if not always and not is_worth_it(source, plain_bytes):
        return None
    plain, blob, blob_bytes = hashlib.sha256(), hashlib.sha256(), 0
    with target.open("xb") as file:
        for chunk in _compressed(source, plain_bytes, packing, plain):
            blob.update(chunk)
            blob_bytes += file.write(chunk)
    if blob_bytes >= plain_bytes and not always:
        target.unlink()
        return None
    return Compressed(Digest(plain.hexdigest()), Digest(blob.hexdigest()), blob_bytes)


def is_worth_it(source: Path, plain_bytes: int) -> bool:
    """Whether a few samples shrink, so that a large picture of unknown suffix does not take minutes."""
    if plain_bytes <= SAMPLES * SAMPLE_BYTES:
        return True  # trying is as cheap
    step = (plain_bytes - SAMPLE_BYTES) // (SAMPLES - 1)
    read = kept = 0
    with source.open("rb") as file:
        for number in range(SAMPLES):
            file.seek(number * step)
            sample = file.read(SAMPLE_BYTES)
            read += len(sample)
            kept += len(brotli.compress(sample, quality=SAMPLE_QUALITY))
    return kept <= read * WORTH_SHARE


def quick_bytes(source: Path) -> int:
    """The size that minimal effort gives. A blob that is larger was padded or badly compressed."""
    stream, total = brotli.Compressor(quality=QUICK_QUALITY, lgwin=STREAM_WINDOW_BITS), 0
    for chunk in read_chunks(source):
        total += len(stream.process(chunk))
    return total + len(stream.finish())


def _compressed(source: Path, plain_bytes: int, packing: Packing, plain: "hashlib._Hash") -> Iterator[bytes]:
    with source.open("rb") as file:
        if plain_bytes <= WHOLE_LIMIT_BYTES:
            whole = file.read(WHOLE_LIMIT_BYTES + 1)  # the file may have grown; its digest is then refused
            plain.update(whole)
            yield brotli.compress(whole, quality=packing.whole_quality, lgwin=WHOLE_WINDOW_BITS)
            return
        stream = brotli.Compressor(quality=packing.stream_quality, lgwin=STREAM_WINDOW_BITS)
        while chunk := file.read(CHUNK_BYTES):
            plain.update(chunk)
            yield stream.process(chunk)
        yield stream.finish()
