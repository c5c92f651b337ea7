"""What need not be compressed: what this machine's memory holds, then what the node says it has.

Only what compressing now would give is taken: under the same label, by the same decision of whether compressing pays,
and no larger than quick compression makes it. Anybody who may upload can have made what the node has.
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


AskNode = Callable[[Sequence[Digest]], Mapping[Digest, NodeBlob]]  # by the digests of plain files


class JobOutcome(NamedTuple):
    """Of one job. `compressed` is None: the file goes as it is. `path` is None: only the node has the blob."""

    compressed: Compressed | None
    path: Path | None


def recall(jobs: Sequence[Job], digests: Mapping[str, Digest], memory: PackingCache) -> dict[str, JobOutcome]:
    """By the jobs' names; what is missing is not known here."""
    found = {}
    for job in jobs:
        plain = digests[job.name]
        recalled = memory.recall(_label(job), plain, job.target, partial(_is_right, job, plain))
        if recalled is None:
            continue
        if not recalled.bytes:
            job.target.unlink()
            found[job.name] = JobOutcome(None, None)
        else:
            found[job.name] = JobOutcome(Compressed(plain, recalled.blob, recalled.bytes), job.target)
    return found


def _is_right(job: Job, plain: Digest, recalled: CachedBody, body: Path) -> bool:
    if not recalled.bytes:
        return not job.always
    return is_brotli_of(body, plain, job.plain_bytes)


def remember(jobs: Sequence[Job], made: Mapping[str, Compressed | None], memory: PackingCache) -> None:
    for job in jobs:
        compressed = made[job.name]
        plain = digest_file(job.source)
        if compressed is not None and plain.sha256 != compressed.plain:
            continue  # it changed meanwhile, and the publish is refused
        body = read_chunks(job.target) if compressed is not None else ()
        memory.keep(_label(job), plain.sha256, PlainFile(int(plain.crc32, 16), plain.bytes), body)


def ask_node(jobs: Sequence[Job], digests: Mapping[str, Digest], ask: AskNode) -> dict[str, JobOutcome]:
    prepared = ask([digests[job.name] for job in jobs]) if jobs else {}
    found = {}
    for job in jobs:
        plain = digests[job.name]
        if plain in prepared and _pays(job, prepared[plain].bytes):
            found[job.name] = JobOutcome(Compressed(plain, *prepared[plain]), None)
    return found


def _pays(job: Job, blob_bytes: int) -> bool:
    """What `compress_file` would have decided; a node's blob may have been made where it had to be, or by somebody who
    made it large."""
    wanted = job.always or (blob_bytes < job.plain_bytes and is_worth_it(job.source, job.plain_bytes))
    return wanted and blob_bytes <= quick_bytes(job.source)


def _label(job: Job) -> str:
    return job.packing.brotli_label + ("-always" if job.always else "")
