"""Makes the patches of a bundle on the publisher's machine, within a time and a size."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from edge.bundles.limits import MIB
from edge.bundles.patches.dcz import PATCHED_LIMIT_BYTES, can_patch, encode_dcz
from edge.bundles.patches.wanted import OldFile, WantedPatch
from edge.domain.model import Digest
from edge.domain.patches.document import PATCHES_LIMIT, Patch, encode_patches

PATCHING_SECONDS = 60.0  # after which no further patch is begun: a publish does not wait for the last few bytes
PATCHES_TOTAL_BYTES = 64 * MIB  # of one bundle's patches: what each release may cost the store
APPLIED_LIMIT_BYTES = 1024 * MIB  # all patches with their old and new files: the node applies each
KEPT_SHARE = 0.8  # of the file's blob: a patch that saves less is not worth its place
LEAST_PATCHED_BYTES = 1024  # a smaller file costs its request, not its bytes

ReadOld = Callable[[OldFile], bytes | None]  # the plain bytes; None if they cannot be had
PatchProgress = Callable[[int, int], None]  # bytes of the files that were tried, and in all


class MadePatches(NamedTuple):
    """`files` are the blobs, the document included; `left` counts patches not tried for lack of time or room."""

    patches: tuple[Patch, ...]
    document: Digest
    files: Mapping[Digest, Path]
    left: int

    @property
    def bytes(self) -> int:
        return sum(each.bytes for each in self.patches)


def make_patches(
    wanted: list[WantedPatch],
    sources: Mapping[str, Path],
    read_old: ReadOld,
    folder: Path,
    clock: Callable[[], float],
    report: PatchProgress = lambda done, total: None,
) -> MadePatches | None:
    """Write the patches and their document into `folder`, a new one. `sources` are the new files by target name,
    `clock` is monotonic, in seconds. None if no patch pays."""
    folder.mkdir()
    ends, applied, total, left = clock() + PATCHING_SECONDS, 0, 0, 0
    tried, weight = 0, sum(each.other_bytes for each in wanted)
    made: dict[tuple[Digest, Digest], Patch] = {}
    files: dict[Digest, Path] = {}
    for done, each in enumerate(wanted):
        report(tried, weight)
        tried += each.other_bytes
        if clock() >= ends or len(made) >= PATCHES_LIMIT:
            left = len(wanted) - done
            break
        old, source = read_old(each.old), sources[each.name]
        if old is None or not can_patch(len(old), source.stat().st_size):
            continue
        new = source.read_bytes()
        if applied + len(old) + len(new) + each.other_bytes > APPLIED_LIMIT_BYTES:
            left += 1
            continue
        stream = encode_dcz(old, new)
        if len(stream) > each.other_bytes * KEPT_SHARE or total + len(stream) > PATCHES_TOTAL_BYTES:
            continue
        applied, total = applied + len(old) + len(new) + len(stream), total + len(stream)
        blob = _write(folder, stream)
        files[blob] = folder / blob
        made[each.new, each.old.hash] = Patch(each.new, each.old.hash, blob, len(stream))
    if not made:
        return None
    document = encode_patches(made.values())
    digest = _write(folder, document)
    return MadePatches(tuple(made.values()), digest, {**files, digest: folder / digest}, left)


def bounded(pieces: Iterable[bytes], digest: Digest) -> bytes | None:
    """The whole of a file that is at most PATCHED_LIMIT_BYTES long and has this digest; else None."""
    gathered, size = [], 0
    for piece in pieces:
        size += len(piece)
        if size > PATCHED_LIMIT_BYTES:
            return None
        gathered.append(piece)
    whole = b"".join(gathered)
    return whole if hashlib.sha256(whole).hexdigest() == digest else None


def _write(folder: Path, content: bytes) -> Digest:
    digest = Digest(hashlib.sha256(content).hexdigest())
    (folder / digest).write_bytes(content)
    return digest
