"""A bundle's zip, of files deflated now or cached by an earlier publish: the same bytes either way."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from edge.bundles.limits import CHUNK_BYTES
from edge.bundles.packing.cache import PackingCache, PlainFile
from edge.bundles.packing.effort import Packing
from edge.bundles.packing.unpacking import is_deflated
from edge.bundles.sources.files import SourceFile
from edge.bundles.zip.form import DEFLATED
from edge.bundles.zip.packed_body import PackedBody
from edge.bundles.zip.writer import WrittenEntry, ZipWriter
from edge.domain.errors import Invalid
from edge.domain.model import Digest


def write_zip(
    files: Sequence[SourceFile],
    digests: Mapping[str, Digest],
    target: Path,
    packing: Packing,
    cache: PackingCache | None,
    on_bytes: Callable[[int], None],
) -> None:
    """`digests` are those of the plain files, by name. `on_bytes` is called with counts of plain bytes as they pass.
    Raises as `ZipWriter.add`, and Invalid `source_changed` for a file that has another digest now.
    """
    with target.open("x+b") as archive:
        writer = ZipWriter(archive, packing.deflate)
        for file in files:
            plain = digests[file.name]
            if cache is not None and _add_cached(writer, file, plain, packing, cache, target.with_suffix(".part")):
                on_bytes(file.bytes)
                continue
            written = writer.add(file.name, file.path, on_bytes)
            if written.body.plain != plain:
                raise Invalid("source_changed", f"{file.name!r} changed while it was packed")
            if cache is not None:
                _keep(archive, written, packing, cache)
        writer.finish()


def _add_cached(
    writer: ZipWriter, file: SourceFile, plain: Digest, packing: Packing, cache: PackingCache, scratch: Path
) -> bool:
    cached = cache.restore(
        packing.deflate_label,
        plain,
        scratch,
        lambda found, body: found.plain.bytes == file.bytes and is_deflated(body, plain, file.bytes, found.plain.crc32),
    )
    if cached is None:
        return False
    body = PackedBody(DEFLATED, cached.plain.crc32, cached.bytes, cached.plain.bytes, plain)
    writer.add_packed(file.name, body, scratch)
    scratch.unlink()
    return True


def _keep(archive: BinaryIO, written: WrittenEntry, packing: Packing, cache: PackingCache) -> None:
    body = written.body
    if body.method != DEFLATED:
        return  # stored: finding that out again costs little
    end = archive.tell()
    archive.seek(written.offset)
    cache.keep(
        packing.deflate_label, body.plain, PlainFile(body.crc32, body.plain_bytes), _read(archive, body.packed_bytes)
    )
    archive.seek(end)


def _read(archive: BinaryIO, left: int) -> Iterator[bytes]:
    while left and (chunk := archive.read(min(left, CHUNK_BYTES))):
        left -= len(chunk)
        yield chunk
