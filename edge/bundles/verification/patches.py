"""Verifies a bundle's patches by applying each: what a browser makes of it is the new file, byte for byte.

Blocking, and bounded: each stream, its dictionary and its result are at most PATCHED_LIMIT_BYTES, and all of them
together at most APPLIED_LIMIT_BYTES.
"""

import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import NoReturn

from edge.bundles.patches.dcz import PATCHED_LIMIT_BYTES, decode_dcz
from edge.bundles.patches.making import APPLIED_LIMIT_BYTES
from edge.domain.errors import Invalid, TooLarge
from edge.domain.manifest import parse_manifest
from edge.domain.model import Digest, FileEntry
from edge.domain.patches.document import PATCHES_LIMIT_BYTES, Patch, parse_patches
from edge.store.blobs import read_blob
from edge.store.objects.port import ObjectStore, blob_key


def verify_patches(store: ObjectStore, document: Digest, manifest: Digest, earlier: Collection[Digest]) -> None:
    """`manifest` is that of the bundle, verified; `earlier` are the plain files of the app's other bundles, and no
    other file may be the old end: a patch from it would tell what it contains.

    Raises Invalid `missing_blob`, `digest_mismatch`, `invalid_patches`, and `patch_mismatch` for a patch that does not
    give its file or is no smaller than it; TooLarge `patches_too_large`.
    """
    _check_size(_size(store, document, "the patches document"), PATCHES_LIMIT_BYTES, "the patches document has")
    patches = parse_patches(_read(store, document, "the patches document"))
    files = {entry.hash: entry for entry in parse_manifest(read_blob(store, manifest, "the manifest"))}
    applied = 0
    for patch in patches:
        entry = files.get(patch.new)
        if entry is None:
            raise Invalid("patch_mismatch", f"a patch leads to {patch.new}, which is no file of the bundle")
        if patch.old not in earlier:
            _wrong(entry, f"is from {patch.old}, which is no file of another bundle of the app that has plain files")
        applied += _apply(store, patch, entry)
        _check_size(applied, APPLIED_LIMIT_BYTES, "the patches, with their old and new files, have")


def _apply(store: ObjectStore, patch: Patch, entry: FileEntry) -> int:
    """Returns the bytes of the old file, the new file and the patch."""
    what = f"the patch to {entry.name!r}"
    size = _size(store, patch.blob, what)
    if size != patch.bytes:
        _wrong(entry, f"is listed with {patch.bytes} bytes, but its blob has {size}")
    if size >= entry.bytes:
        _wrong(entry, f"has {size} bytes, no fewer than the file's own {entry.bytes}")
    _check_size(size, PATCHED_LIMIT_BYTES, f"{what} has")
    _check_size(_size(store, patch.old, f"the old file of {what}"), PATCHED_LIMIT_BYTES, f"the old file of {what} has")
    old, stream = _read(store, patch.old, f"the old file of {what}"), _read(store, patch.blob, what)
    hashing, done = hashlib.sha256(), 0
    try:
        for piece in decode_dcz(stream, old, PATCHED_LIMIT_BYTES):
            hashing.update(piece)
            done += len(piece)
    except Invalid as error:
        raise Invalid(error.code, f"{what} from {patch.old}: {error.message}") from error
    if hashing.hexdigest() != patch.new:
        _wrong(entry, f"from {patch.old} gives another file")
    return len(old) + len(stream) + done


def _path(store: ObjectStore, digest: Digest, what: str) -> Path:
    try:
        return store.path(blob_key(digest))
    except FileNotFoundError as error:
        raise Invalid("missing_blob", f"{what}: blob {digest} is not in the store; upload it first") from error


def _size(store: ObjectStore, digest: Digest, what: str) -> int:
    return _path(store, digest, what).stat().st_size


def _read(store: ObjectStore, digest: Digest, what: str) -> bytes:
    content = _path(store, digest, what).read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise Invalid("digest_mismatch", f"{what}: blob {digest} was altered")
    return content


def _check_size(found: int, limit: int, what: str) -> None:
    if found > limit:
        raise TooLarge("patches_too_large", f"{what} {found} bytes; the limit is {limit}")


def _wrong(entry: FileEntry, reason: str) -> NoReturn:
    raise Invalid("patch_mismatch", f"the patch to {entry.name!r} {reason}")
