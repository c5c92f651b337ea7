"""Packs a folder or zip into a bundle: one zip for old devices, a manifest and its files for all others.

The publisher's side; blocking. The same files give the same digests on every run, with any number of processes, cached
or not. Memory is bounded: this process and each worker use at most 50 MB more than an idle interpreter.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edge.bundles.chunks import digest_file
from edge.bundles.limits import check_not_empty, check_zip, is_too_small
from edge.bundles.packing.cache import PackingCache
from edge.bundles.packing.compress import may_compress, must_compress
from edge.bundles.packing.effort import SMALLEST, Packing
from edge.bundles.packing.reuse import AskNode, JobOutcome, ask_node, keep_compressed, restore_cached
from edge.bundles.packing.workers import FinishJob, Job, compression
from edge.bundles.packing.zipping import write_zip
from edge.bundles.sources.files import SourceFile
from edge.bundles.sources.read import read_source
from edge.domain.errors import Invalid
from edge.domain.file_names import BROTLI_SUFFIX
from edge.domain.manifest import check_names, content_digest, encode_manifest
from edge.domain.model import Digest, FileEntry

PackProgress = Callable[[str, int, int], None]  # stage ("zip", "brotli"), plain bytes done, plain bytes in all


class PackedFile(NamedTuple):
    """A file on disk, its digest and size."""

    path: Path
    digest: Digest
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A bundle's bytes on disk, and what a release needs to know about them."""

    content: Digest
    zip: PackedFile
    zip_crc32: str  # 8 lower-case hexadecimal characters, of the whole zip file
    manifest: bytes  # the document
    manifest_digest: Digest
    entries: tuple[FileEntry, ...]  # sorted by name
    blobs: Mapping[Digest, PackedFile]  # those of `entries` that are on this machine; plain ones in the source
    plain_bytes: int


def pack(
    path: Path,
    workdir: Path,
    *,
    progress: PackProgress | None = None,
    processes: int | None = None,
    to_encrypt: bool = False,
) -> Packed:
    """Pack the folder or zip `path`, without what is left out by default. Raises as `read_source` and `pack_files`."""
    files = read_source(path, workdir).files
    return pack_files(files, workdir, progress=progress, processes=processes, to_encrypt=to_encrypt)


def pack_files(
    files: Sequence[SourceFile],
    workdir: Path,
    *,
    packing: Packing = SMALLEST,
    cache: PackingCache | None = None,
    ask: AskNode | None = None,
    progress: PackProgress | None = None,
    processes: int | None = None,
    to_encrypt: bool = False,
) -> Packed:
    """Pack the files of a source into `workdir`, an empty folder, which the caller deletes.

    What `cache` or, by `ask`, the node has is not compressed again; the result is the same. `progress` is called in
    this thread. `processes`: None for one per usable core, 1 for this process alone. Raises Invalid `zip_ratio`,
    `source_changed`, and with `to_encrypt` `empty_file`, before any work; TooLarge `zip_too_large`.
    """
    for file in files if to_encrypt else ():
        check_not_empty(file.name, file.bytes)
    digests, report = digest_files(files), progress or _silent
    jobs = _plan_jobs(files, workdir, packing)
    outcomes = _reuse(jobs, digests, cache, ask)
    left = [job for job in jobs if job.name not in outcomes]
    with compression(left, processes) as finishing:
        archive, crc32 = _write_zip(files, digests, workdir / "bundle.zip", packing, cache, report)
        made = _collect(left, finishing, report)
    if cache:
        keep_compressed(left, made, cache)
    entries, blobs = _build_entries(files, digests, outcomes | made)
    document = encode_manifest(entries, packing.brotli_label)
    return Packed(
        content=content_of(digests),
        zip=archive,
        zip_crc32=crc32,
        manifest=document,
        manifest_digest=Digest(hashlib.sha256(document).hexdigest()),
        entries=entries,
        blobs=blobs,
        plain_bytes=sum(file.bytes for file in files),
    )


def digest_files(files: Sequence[SourceFile]) -> dict[str, Digest]:
    """The digests of the plain files, by name."""
    return {file.name: digest_file(file.path).sha256 for file in files}


def content_of(digests: Mapping[str, Digest]) -> Digest:
    """The identity of a bundle with these files; compression does not change it."""
    return content_digest(digests.items())


def _silent(stage: str, done: int, total: int) -> None:
    pass


def _reuse(
    jobs: list[Job], digests: Mapping[str, Digest], cache: PackingCache | None, ask: AskNode | None
) -> dict[str, JobOutcome]:
    outcomes = restore_cached(jobs, digests, cache) if cache else {}
    if ask is not None:
        outcomes |= ask_node([job for job in jobs if job.name not in outcomes], digests, ask)
    return outcomes


def _plan_jobs(files: Sequence[SourceFile], workdir: Path, packing: Packing) -> list[Job]:
    """Largest first, so that no worker is still busy with a large file at the end."""
    folder = workdir / "brotli"
    folder.mkdir(parents=True)
    jobs = [
        Job(file.name, file.path, folder / f"{number}{BROTLI_SUFFIX}", must_compress(file.name), file.bytes, packing)
        for number, file in enumerate(files)
        if may_compress(file.name, file.bytes)
    ]
    return sorted(jobs, key=lambda job: -job.plain_bytes)


def _write_zip(
    files: Sequence[SourceFile],
    digests: Mapping[str, Digest],
    target: Path,
    packing: Packing,
    cache: PackingCache | None,
    report: PackProgress,
) -> tuple[PackedFile, str]:
    total, done = sum(file.bytes for file in files), 0

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count
        report("zip", done, total)

    write_zip(files, digests, target, packing, cache, on_bytes)
    made = digest_file(target)
    if packing.deflate.best_bytes and is_too_small(total, made.bytes):
        # What zlib packs within the limit must not exceed it because libdeflate packs better.
        target.unlink()
        write_zip(files, digests, target, packing.without_best(), cache, lambda count: None)
        made = digest_file(target)
    check_zip(total, made.bytes)
    return PackedFile(target, made.sha256, made.bytes), made.crc32


def _collect(jobs: list[Job], finishing: list[FinishJob], report: PackProgress) -> dict[str, JobOutcome]:
    made, done, total = {}, 0, sum(job.plain_bytes for job in jobs)
    for job, finish in zip(jobs, finishing, strict=True):
        made[job.name] = JobOutcome(finish(), job.target)
        done += job.plain_bytes
        report("brotli", done, total)
    return made


def _build_entries(
    files: Sequence[SourceFile], digests: Mapping[str, Digest], outcomes: Mapping[str, JobOutcome]
) -> tuple[tuple[FileEntry, ...], dict[Digest, PackedFile]]:
    """The entries, and the blobs that are on this machine."""
    entries: list[FileEntry] = []
    blobs: dict[Digest, PackedFile] = {}
    for file in files:
        plain, (brotli, path) = digests[file.name], outcomes.get(file.name, JobOutcome(None, None))
        if brotli is None:
            entries.append(FileEntry(file.name, plain, plain, file.bytes))
            blobs.setdefault(plain, PackedFile(file.path, plain, file.bytes))
            continue
        if brotli.plain != plain:
            raise Invalid("source_changed", f"{file.name!r} changed while it was packed")
        entries.append(FileEntry(file.name + BROTLI_SUFFIX, plain, brotli.blob, brotli.bytes))
        if path is not None:
            blobs.setdefault(brotli.blob, PackedFile(path, brotli.blob, brotli.bytes))
    check_names([entry.name for entry in entries])
    return tuple(sorted(entries)), blobs
