"""Brotli for one file at a time, within 50 MB whatever the file's size. Pool workers load this and little more.

Up to WHOLE_LIMIT_BYTES a file is compressed in one piece at quality 11, above that in a stream at quality 9.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import brotli

from edge.bundles.limits import CHUNK_BYTES
from edge.domain.manifest import BROTLI_SUFFIX
from edge.domain.model import Digest

PLAIN_BELOW_BYTES = 8 * 1024  # a request costs more than brotli saves on such a file
WHOLE_LIMIT_BYTES = 2 * 1024 * 1024  # quality 11 packs about 0.4 MB a second
WHOLE_QUALITY = 11
STREAM_QUALITY = 9
# Measured, memory over an idle process: quality 11 on 2 MiB takes 41 MB; quality 9 takes 43 MB with a window of
# 2^20 bytes, 51 MB with 2^21, 72 MB with 2^22. Never 22 (brotli's default): a stream of that window may begin 1B 00 06
# or 0B 02 80, which the plugin takes for a wrapped raw file (device-protocol §5.4).
WHOLE_WINDOW_BITS = 21
STREAM_WINDOW_BITS = 20

SAMPLES = 4  # pieces looked at, spread over the file
SAMPLE_BYTES = 16 * 1024
SAMPLE_QUALITY = 3
WORTH_SHARE = 0.95  # a sample that keeps more than this says: packed already

# Packed already, by their own format. What is not here but cannot be compressed is found by the sample.
PACKED_SUFFIXES = frozenset(
    {
        *(".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".heic", ".jxl", ".woff", ".woff2"),
        *(".mp3", ".m4a", ".aac", ".ogg", ".oga", ".opus", ".flac", ".mp4", ".m4v", ".mov", ".webm", ".ogv"),
        *(".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".br", ".lottie"),
    }
)


class Compressed(NamedTuple):
    plain: Digest  # of what was read, so that a file that changes meanwhile is noticed
    blob: Digest
    bytes: int


def must_compress(name: str) -> bool:
    """A device strips one `.br` and decodes whatever the app meant by it (device-protocol §5.4)."""
    return name.endswith(BROTLI_SUFFIX)


def may_compress(name: str, plain_bytes: int) -> bool:
    """Whether brotli is to be tried at all."""
    if must_compress(name):
        return True
    suffix = name[name.rfind(".") :].lower()
    return plain_bytes >= PLAIN_BELOW_BYTES and suffix not in PACKED_SUFFIXES


def compress_file(source: Path, target: Path, always: bool) -> Compressed | None:
    """Brotli `source` into `target`. None, and no target, where that saves nothing, unless `always`."""
    plain_bytes = source.stat().st_size
    if not always and not _is_worth_it(source, plain_bytes):
        return None
    plain, blob, blob_bytes = hashlib.sha256(), hashlib.sha256(), 0
    with target.open("xb") as file:
        for chunk in _compressed(source, plain_bytes, plain):
            blob.update(chunk)
            blob_bytes += file.write(chunk)
    if blob_bytes >= plain_bytes and not always:
        target.unlink()
        return None
    return Compressed(Digest(plain.hexdigest()), Digest(blob.hexdigest()), blob_bytes)


def _is_worth_it(source: Path, plain_bytes: int) -> bool:
    """A look at a few pieces, so that a large picture of unknown suffix does not cost minutes."""
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


def _compressed(source: Path, plain_bytes: int, plain: "hashlib._Hash") -> Iterator[bytes]:
    with source.open("rb") as file:
        if plain_bytes <= WHOLE_LIMIT_BYTES:
            whole = file.read(WHOLE_LIMIT_BYTES + 1)  # not all: it may have grown, and is refused by its digest then
            plain.update(whole)
            yield brotli.compress(whole, quality=WHOLE_QUALITY, lgwin=WHOLE_WINDOW_BITS)
            return
        stream = brotli.Compressor(quality=STREAM_QUALITY, lgwin=STREAM_WINDOW_BITS)
        while chunk := file.read(CHUNK_BYTES):
            plain.update(chunk)
            yield stream.process(chunk)
        yield stream.finish()
