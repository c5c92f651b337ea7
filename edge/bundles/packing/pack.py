"""A folder or zip becomes a release's bytes: one zip for old devices, a manifest and its files for all others.

The publisher's side; blocking. The same files give the same digests on every run, with any number of processes, whether
they were packed before or not. Works in bounded memory: at most 50 MB over an idle interpreter in this process and in
each worker.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edge.bundles.chunks import digest_file
from edge.bundles.limits import check_not_empty, check_zip
from edge.bundles.packing.cache import PackingCache
from edge.bundles.packing.compress import Compressed, may_compress, must_compress
from edge.bundles.packing.effort import SMALLEST, Packing
from edge.bundles.packing.reuse import AskNode, JobOutcome, ask_node, recall, remember
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
    blobs: Mapping[Digest, PackedFile]  # of what `entries` name all that lies here; plain ones where the source is
    plain_bytes: int


def pack(
    path: Path,
    workdir: Path,
    *,
    progress: PackProgress | None = None,
    processes: int | None = None,
    to_encrypt: bool = False,
) -> Packed:
    """Pack all of the folder or zip `path` but what is left out by default. Raises what `read_source` and `pack_files`
    do.
    """
    files = read_source(path, workdir).files
    return pack_files(files, workdir, progress=progress, processes=processes, to_encrypt=to_encrypt)


def pack_files(
    files: Sequence[SourceFile],
    workdir: Path,
    *,
    packing: Packing = SMALLEST,
    memory: PackingCache | None = None,
    ask: AskNode | None = None,
    progress: PackProgress | None = None,
    processes: int | None = None,
    to_encrypt: bool = False,
) -> Packed:
    """Pack the files of a source; everything made is below `workdir`, an empty folder and its owner's to delete.

    What `memory` holds or the node, who is `ask`ed, has already is not compressed again; the result is the same.
    `progress` is called in this thread. `processes`: None for one per usable core, 1 for none beside this one. Raises
    Invalid `zip_ratio`, TooLarge `zip_too_large`, and `source_changed` when a file is written to meanwhile.
    `to_encrypt`: also `empty_file`, before the work.
    """
    if to_encrypt:
        for file in files:
            check_not_empty(file.name, file.bytes)
    digests = digest_files(files)
    tell = progress or _silent
    jobs = _plan_jobs(files, workdir, packing)
    outcomes = recall(jobs, digests, memory) if memory else {}
    if ask is not None:
        outcomes |= ask_node([job for job in jobs if job.name not in outcomes], digests, ask)
    left = [job for job in jobs if job.name not in outcomes]
    with compression(left, processes) as results:
        archive, crc32 = _write_zip(files, digests, workdir / "bundle.zip", packing, memory, tell)
        made = _collect(left, results, tell)
    if memory:
        remember(left, made, memory)
    outcomes |= {job.name: JobOutcome(made[job.name], job.target) for job in left}
    entries, blobs = _build_entries(files, digests, outcomes)
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
    """Of the plain files, by name."""
    return {file.name: digest_file(file.path).sha256 for file in files}


def content_of(digests: Mapping[str, Digest]) -> Digest:
    """The identity of a bundle with these files; compression does not change it."""
    return content_digest(digests.items())


def _silent(stage: str, done: int, total: int) -> None:
    pass


def _plan_jobs(files: Sequence[SourceFile], workdir: Path, packing: Packing) -> list[Job]:
    """Largest first, so that no worker is left alone with a large file at the end."""
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
    memory: PackingCache | None,
    tell: PackProgress,
) -> tuple[PackedFile, str]:
    total, done = sum(file.bytes for file in files), 0

    def on_bytes(count: int) -> None:
        nonlocal done
        done += count
        tell("zip", done, total)

    write_zip(files, digests, target, packing, memory, on_bytes)
    made = digest_file(target)
    check_zip(total, made.bytes)
    return PackedFile(target, made.sha256, made.bytes), made.crc32


def _collect(jobs: list[Job], results: list[FinishJob], tell: PackProgress) -> dict[str, Compressed | None]:
    compressed, done, total = {}, 0, sum(job.plain_bytes for job in jobs)
    for job, result in zip(jobs, results, strict=True):
        compressed[job.name] = result()
        done += job.plain_bytes
        tell("brotli", done, total)
    return compressed


def _build_entries(
    files: Sequence[SourceFile], digests: Mapping[str, Digest], outcomes: Mapping[str, JobOutcome]
) -> tuple[tuple[FileEntry, ...], dict[Digest, PackedFile]]:
    """The blobs are those that lie here; what only the node has is in the entries alone."""
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
