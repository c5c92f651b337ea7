"""A folder or zip becomes a release's bytes: one zip for old devices, a manifest and its files for all others.

The publisher's side; blocking. The same files give the same digests on every run, with any number of processes. Works
in bounded memory: at most 50 MB over an idle interpreter in this process and in each worker.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edge.bundles.chunks import digest_file
from edge.bundles.compress import Compressed, may_compress, must_compress
from edge.bundles.limits import check_not_empty, check_zip
from edge.bundles.source_files import SourceFile
from edge.bundles.sources import read_source
from edge.bundles.workers import Job, Result, compression
from edge.bundles.zip_writer import Written, ZipWriter
from edge.domain.errors import Invalid
from edge.domain.manifest import BROTLI_SUFFIX, check_names, content_digest, encode_manifest
from edge.domain.model import Digest, FileEntry

Progress = Callable[[str, int, int], None]  # stage ("zip", "brotli"), plain bytes done, plain bytes in all


class PackedFile(NamedTuple):
    path: Path
    digest: Digest
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    content: Digest
    zip: PackedFile
    zip_crc32: str  # 8 lower-case hexadecimal characters, of the whole zip file
    manifest: bytes  # the document
    manifest_digest: Digest
    entries: tuple[FileEntry, ...]  # sorted by name
    blobs: Mapping[Digest, PackedFile]  # what `entries` name; plain ones lie in the source folder itself
    plain_bytes: int


def pack(
    path: Path,
    workdir: Path,
    *,
    progress: Progress | None = None,
    processes: int | None = None,
    to_encrypt: bool = False,
) -> Packed:
    """Pack all of the folder or zip `path` but what is left out by default. Raises what `read_source` and `pack_files`
    do.
    """
    files = read_source(path, workdir).files
    return pack_files(files, workdir, progress=progress, processes=processes, to_encrypt=to_encrypt)


def pack_files(
    files: tuple[SourceFile, ...],
    workdir: Path,
    *,
    progress: Progress | None = None,
    processes: int | None = None,
    to_encrypt: bool = False,
) -> Packed:
    """Pack the files of a source; everything made is below `workdir`, an empty folder and its owner's to delete.

    `progress` is called in this thread. `processes`: None for one per usable core, 1 for none beside this one. Raises
    Invalid `zip_ratio`, TooLarge `zip_too_large`, and `source_changed` when a file is written to meanwhile.
    `to_encrypt`: also `empty_file`, before the work.
    """
    if to_encrypt:
        for file in files:
            check_not_empty(file.name, file.bytes)
    jobs = _plan_jobs(files, workdir)
    tell = progress or _silent
    with compression(jobs, processes) as results:
        written, archive, crc32 = _write_zip(files, workdir / "bundle.zip", tell)
        compressed = _collect(jobs, results, tell)
    entries, blobs = _build_entries(files, written, compressed, {job.name: job.target for job in jobs})
    document = encode_manifest(entries)
    return Packed(
        content=content_digest((name, file.plain) for name, file in written.items()),
        zip=archive,
        zip_crc32=crc32,
        manifest=document,
        manifest_digest=Digest(hashlib.sha256(document).hexdigest()),
        entries=entries,
        blobs=blobs,
        plain_bytes=sum(file.plain_bytes for file in written.values()),
    )


def _silent(stage: str, done: int, total: int) -> None:
    pass


def _plan_jobs(files: tuple[SourceFile, ...], workdir: Path) -> list[Job]:
    """Largest first, so that no worker is left alone with a large file at the end."""
    folder = workdir / "brotli"
    folder.mkdir(parents=True)
    jobs = [
        Job(file.name, file.path, folder / f"{number}{BROTLI_SUFFIX}", must_compress(file.name), file.bytes)
        for number, file in enumerate(files)
        if may_compress(file.name, file.bytes)
    ]
    return sorted(jobs, key=lambda job: -job.plain_bytes)


def _write_zip(
    files: tuple[SourceFile, ...], target: Path, tell: Progress
) -> tuple[dict[str, Written], PackedFile, str]:
    total, done = sum(file.bytes for file in files), 0

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count
        tell("zip", done, total)

    with target.open("xb") as archive:
        writer = ZipWriter(archive)
        written = {file.name: writer.add(file.name, file.path, on_bytes) for file in files}
        writer.finish()
    made = digest_file(target)
    check_zip(sum(file.plain_bytes for file in written.values()), made.bytes)
    return written, PackedFile(target, made.sha256, made.bytes), made.crc32


def _collect(jobs: list[Job], results: list[Result], tell: Progress) -> dict[str, Compressed]:
    compressed, done, total = {}, 0, sum(job.plain_bytes for job in jobs)
    for job, result in zip(jobs, results, strict=True):
        outcome = result()
        if outcome is not None:
            compressed[job.name] = outcome
        done += job.plain_bytes
        tell("brotli", done, total)
    return compressed


def _build_entries(
    files: tuple[SourceFile, ...],
    written: Mapping[str, Written],
    compressed: Mapping[str, Compressed],
    targets: Mapping[str, Path],
) -> tuple[tuple[FileEntry, ...], dict[Digest, PackedFile]]:
    entries: list[FileEntry] = []
    blobs: dict[Digest, PackedFile] = {}
    for file in files:
        plain, brotli = written[file.name], compressed.get(file.name)
        if brotli is None:
            blob = PackedFile(file.path, plain.plain, plain.plain_bytes)
            entries.append(FileEntry(file.name, plain.plain, blob.digest, blob.bytes))
        else:
            if brotli.plain != plain.plain:
                raise Invalid("source_changed", f"{file.name!r} changed while it was packed")
            blob = PackedFile(targets[file.name], brotli.blob, brotli.bytes)
            entries.append(FileEntry(file.name + BROTLI_SUFFIX, plain.plain, blob.digest, blob.bytes))
        blobs.setdefault(blob.digest, blob)
    check_names([entry.name for entry in entries])
    return tuple(sorted(entries)), blobs
