"""A store's blobs: read into memory, verified by their digests, and looked for before a revision refers to them.

Reading raises Unavailable `missing_blob` for one that the store has lost, Untrusted `bad_digest` for one that was
altered; both messages name `what` it is.
"""

import mmap
import os
from collections.abc import Iterator

from edge.domain.errors import EdgeError, Invalid, Unavailable
from edge.domain.manifest import read_manifest
from edge.domain.model import AppState, Bundle, Digest
from edge.domain.patches.document import parse_patches
from edge.store.objects.port import ObjectStore, blob_key
from edge.store.stored_document import check_digest

SHOWN_LIMIT = 3  # missing files that the error names


def read_blob(store: ObjectStore, digest: Digest, what: str) -> bytes:
    """A small blob, such as a manifest."""
    stored = store.get(blob_key(digest))
    if stored is None:
        raise _missing(digest, what)
    return check_digest(stored.data, digest, what)


def map_blob(store: ObjectStore, digest: Digest, what: str) -> memoryview:
    """A large blob: processes that map the same file share its pages. It stays mapped while the view is in use."""
    try:
        with os.fdopen(store.open(blob_key(digest)), "rb") as file:
            # An empty file cannot be mapped.
            content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if file.seek(0, 2) else b"")
    except FileNotFoundError as error:
        raise _missing(digest, what) from error
    return check_digest(content, digest, what)


def check_references(store: ObjectStore, before: AppState | None, after: AppState) -> None:
    """What a change newly refers to must be in the store before a revision says so. For a block of `referring` that
    also writes the reference: what was uploaded long ago, or what an undo goes back to, may be gone.

    Raises Invalid `missing_blob` for a bundle's zip, manifest, file or patch, or an id set, that the store lacks and
    that `after` refers to where `before` did not."""
    known = {_blobs_of(bundle) for bundle in before.bundles.values()} if before else set()
    for bundle in after.bundles.values():
        if _blobs_of(bundle) not in known:
            _check_bundle(store, bundle)
    sets = {held.blob for held in before.id_sets.values()} if before else set()
    for held in after.id_sets.values():
        if held.blob not in sets and not store.has(blob_key(held.blob)):
            raise Invalid("missing_blob", f"the ids {held.blob} of id set {held.name!r} are not in the store")


def _missing(digest: Digest, what: str) -> Unavailable:
    return Unavailable("missing_blob", f"the store has lost {what}, blob {digest}")


def _blobs_of(bundle: Bundle) -> tuple[Digest, Digest | None, bool, Digest | None]:
    return bundle.zip, bundle.manifest, bundle.plain_files, bundle.patches


def _check_bundle(store: ObjectStore, bundle: Bundle) -> None:
    for name, digest in (("zip", bundle.zip), ("manifest", bundle.manifest)):
        if digest is not None and not store.has(blob_key(digest)):
            raise Invalid("missing_blob", f"the {name} {digest} of bundle {bundle.version!r} is not in the store")
    named = (*_files(store, bundle), *_patches(store, bundle))
    missing = [f"{name!r} ({digest})" for name, digest in named if not store.has(blob_key(digest))]
    if missing:
        more = f" and {len(missing) - SHOWN_LIMIT} more" if len(missing) > SHOWN_LIMIT else ""
        raise Invalid(
            "missing_blob",
            f"files of bundle {bundle.version!r} are not in the store: {', '.join(missing[:SHOWN_LIMIT])}{more}; "
            "publish the same files again, which uploads what is missing",
        )


def _files(store: ObjectStore, bundle: Bundle) -> Iterator[tuple[str, Digest]]:
    if bundle.manifest is None:
        return
    try:
        entries = read_manifest(read_blob(store, bundle.manifest, f"the manifest of bundle {bundle.version}"))
    except EdgeError as error:
        raise Invalid("missing_blob", error.message) from error
    for entry in entries:
        yield entry.name, entry.blob
        if bundle.plain_files:
            yield entry.name, entry.hash


def _patches(store: ObjectStore, bundle: Bundle) -> Iterator[tuple[str, Digest]]:
    if bundle.patches is None:
        return
    try:
        patches = parse_patches(read_blob(store, bundle.patches, f"the patches of bundle {bundle.version}"))
    except EdgeError as error:
        raise Invalid("missing_blob", error.message) from error
    for patch in patches:
        yield f"patch to {patch.new}", patch.blob
