"""What a revision refers to: the blobs of its bundles, id sets and overrides, without the rest of the document.

It reads a tenth of what `revision_document` does, since whoever cares for a store reads whole chains.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from edge.domain.manifest import read_manifest
from edge.domain.model import AppId, Digest, IdSetName, VersionName
from edge.domain.patches.document import parse_patches
from edge.store.revision_document import REVISION_FORMAT, number_before
from edge.store.stored_document import Untrusted, parse_document

SHOWN_DIGITS = 12  # of a digest, for people


class BundleReference(msgspec.Struct, frozen=True):
    """The blobs of a bundle. `plain_files`: the store has every file uncompressed, too; `patches`: their document."""

    zip: Digest
    zip_bytes: int
    manifest: Digest | None
    plain_files: bool = False
    patches: Digest | None = None


class _IdSet(msgspec.Struct, frozen=True):
    blob: Digest


class _State(msgspec.Struct):
    bundles: dict[VersionName, BundleReference]
    id_sets: dict[IdSetName, _IdSet] = {}


class _Made(msgspec.Struct):
    at: float


class _Document(msgspec.Struct):
    format: int
    app: AppId
    revision: int
    previous: Digest | None
    change: _Made
    state: _State
    overrides: dict[str, Digest]
    jumped_from: int | UnsetType = UNSET


class RevisionReferences(NamedTuple):
    """`at` is when the revision was made, in seconds since the epoch; `before` the previous one's number."""

    number: int
    at: float
    previous: Digest | None
    bundles: Mapping[VersionName, BundleReference]
    id_sets: Mapping[IdSetName, Digest]
    overrides: tuple[Digest, ...]
    before: int


class FileReference(NamedTuple):
    """A file of a manifest. `bytes` is its size as stored; None: unknown."""

    name: str
    blob: Digest
    bytes: int | None


_decoder = msgspec.json.Decoder(_Document)


def parse_references(content: bytes, app: AppId, number: int) -> RevisionReferences:
    """Of a revision in verified bytes. Raises Untrusted as `parse_revision`."""
    what = f"revision {number} of app {app!r}"
    found = parse_document(content, _decoder, REVISION_FORMAT, what)
    before = number_before(what, number, found.previous, found.jumped_from)
    if (found.app, found.revision) != (app, number):
        raise Untrusted("misplaced_document", f"{what} contains revision {found.revision} of app {found.app!r}")
    sets = {name: held.blob for name, held in found.state.id_sets.items()}
    bundles, overrides = found.state.bundles, tuple(found.overrides.values())
    return RevisionReferences(number, found.change.at, found.previous, bundles, sets, overrides, before)


def patches_of(document: bytes) -> Iterator[FileReference]:
    """The blobs that a patches document names. Raises Invalid `invalid_patches`."""
    for patch in parse_patches(document):
        yield FileReference(f"patch to {patch.new[:SHOWN_DIGITS]}", patch.blob, patch.bytes)


def files_of(bundle: BundleReference, manifest: bytes) -> Iterator[FileReference]:
    """The blobs that the bundle's manifest names. Raises Invalid `invalid_manifest`."""
    for entry in read_manifest(manifest):
        yield FileReference(entry.name, entry.blob, entry.bytes)
        if bundle.plain_files and entry.hash != entry.blob:
            yield FileReference(entry.name, entry.hash, None)
