"""What need not be compressed again: files in this machine's cache, then blobs that the node has.

A blob is reused only if compressing now would give it: under the same label, by the same decision of whether to
compress, and no larger than quick compression makes it. Anyone who may upload may have made the node's blobs.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from edge.bundles.chunks import digest_file, read_chunks
from edge.bundles.packing.cache import CachedBody, PackingCache, PlainFile
from edge.bundles.packing.compress import Compressed, is_worth_it, quick_bytes
from edge.bundles.packing.unpacking import is_brotli_of
from edge.bundles.packing.workers import Job
from edge.domain.model import Digest


class NodeBlob(NamedTuple):
    """A node's blob of a compressed file."""

    blob: Digest
    bytes: int


AskNode = Callable[[Sequence[Digest]], Mapping[Digest, NodeBlob]]  # both by the digests of plain files


class JobOutcome(NamedTuple):
    """Of one job. Without `compressed` the file is used as it is; without `path` only the node has the blob."""

    compressed: Compressed | None
    path: Path | None


def restore_cached(jobs: Sequence[Job], digests: Mapping[str, Digest], cache: PackingCache) -> dict[str, JobOutcome]:
    """Outcomes from the cache, by job name; jobs that are not cached are missing."""
    found = {}
    for job in jobs:
        plain = digests[job.name]
        cached = cache.restore(_label(job), plain, job.target, partial(_is_right, job, plain))
        if cached is None:
            continue
        if not cached.bytes:
            job.target.unlink()
            found[job.name] = JobOutcome(None, None)
        else:
            found[job.name] = JobOutcome(Compressed(plain, cached.blob, cached.bytes), job.target)
    return found


def _is_right(job: Job, plain: Digest, cached: CachedBody, body: Path) -> bool:
    if not cached.bytes:
        return not job.always
    return is_brotli_of(body, plain, job.plain_bytes)


def keep_compressed(jobs: Sequence[Job], made: Mapping[str, JobOutcome], cache: PackingCache) -> None:
    """Put the results of these jobs into the cache."""
    for job in jobs:
        compressed = made[job.name].compressed
        plain = digest_file(job.source)
        if compressed is not None and plain.sha256 != compressed.plain:
            continue  # it has changed since, so the publish is refused
        body = read_chunks(job.target) if compressed is not None else ()
        cache.keep(_label(job), plain.sha256, PlainFile(int(plain.crc32, 16), plain.bytes), body)


def ask_node(jobs: Sequence[Job], digests: Mapping[str, Digest], ask: AskNode) -> dict[str, JobOutcome]:
    """Outcomes from the node's blobs, by job name; jobs without a usable blob are missing."""
    prepared = ask([digests[job.name] for job in jobs]) if jobs else {}
    found = {}
    for job in jobs:
        plain = digests[job.name]
        if plain in prepared and _pays(job, prepared[plain].bytes):
            found[job.name] = JobOutcome(Compressed(plain, *prepared[plain]), None)
    return found


def _pays(job: Job, blob_bytes: int) -> bool:
    """Whether `compress_file` would have kept such a blob; the node's may have been made for a file that must be
    compressed, or made large on purpose."""
    wanted = job.always or (blob_bytes < job.plain_bytes and is_worth_it(job.source, job.plain_bytes))
    return wanted and blob_bytes <= quick_bytes(job.source)


def _label(job: Job) -> str:
    return job.packing.brotli_label + ("-always" if job.always else "")
