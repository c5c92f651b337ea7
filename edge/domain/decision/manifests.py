"""What a snapshot keeps of its bundles' manifests: packed documents, digests of readable blobs, facts of file names.

Unreadable manifests are left out and remembered, so that an app is served without them.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

import msgspec
import zstandard

from edge.domain.file_names import NameFacts, name_facts
from edge.domain.manifest import read_manifest
from edge.domain.model import Bundle, Digest, Retired

_PREFIX_DIGITS = 16  # hexadecimal, of a digest: 64 bits
_HELD_LIMIT = 64  # manifests that are held during a build: 3 MB of 300 files each
_PACKING_LEVEL = 1  # 80 µs shrink a manifest, names and digests, to a fifth or a third; higher levels leave more


class DigestSet:
    """A set of SHA-256 digests by their first 8 bytes, sorted for binary search.

    That is enough here: an unknown digest matches one of a million by chance once in 10^13 look-ups. A publisher on
    this node who computes 2^64 hashes can make one match, so that devices of their app may fetch a blob of another app
    whose digest they know; that app's own address already gives them as much. Blobs themselves are found by whole
    digests.
    """

    __slots__ = ("_prefixes",)

    def __init__(self, prefixes: Iterable[int]) -> None:
        self._prefixes = array("Q", sorted(set(prefixes)))

    @classmethod
    def of(cls, digests: Iterable[str]) -> "DigestSet":
        return cls(int(digest[:_PREFIX_DIGITS], 16) for digest in digests)

    @classmethod
    def union(cls, sets: Iterable["DigestSet"]) -> "DigestSet":
        return cls(prefix for each in sets for prefix in each._prefixes)

    def __len__(self) -> int:
        return len(self._prefixes)

    def __contains__(self, digest: str) -> bool:
        wanted = int(digest[:_PREFIX_DIGITS], 16)
        place = bisect_left(self._prefixes, wanted)
        return place < len(self._prefixes) and self._prefixes[place] == wanted


class BundleFiles(NamedTuple):
    """Which files of a bundle devices may fetch: those its manifest names and, if `plain`, their plain forms."""

    manifest: Digest
    plain: bool


class _Digests(msgspec.Struct):
    hash: str
    blob: str


class _DigestsOnly(msgspec.Struct):
    files: list[_Digests]


_digests_decoder = msgspec.json.Decoder(_DigestsOnly)


class ManifestSource:
    """The manifests of one build. One that cannot be read is tried once, and then is in `lost`; the first others are
    read once."""

    def __init__(self, manifest_of: Callable[[Digest], bytes | None]) -> None:
        self._manifest_of = manifest_of
        self._held: dict[Digest, bytes] = {}
        self.lost: set[Digest] = set()

    def read(self, digest: Digest) -> bytes | None:
        document = self._held.get(digest)
        if document is None and digest not in self.lost:
            document = self._manifest_of(digest)
        if document is None:
            self.lost.add(digest)
        elif len(self._held) < _HELD_LIMIT:
            self._held[digest] = document
        return document


def pack_manifests(
    offered: Iterable[Bundle], documents: ManifestSource, known: Mapping[Digest, bytes]
) -> dict[Digest, bytes]:
    """The manifests of `offered`, packed, except for unreadable ones. A bundle that was encrypted elsewhere has none.
    `known` are those of the previous snapshot."""
    manifests = {}
    for digest in sorted({bundle.manifest for bundle in offered if bundle.manifest is not None}):
        packed = known.get(digest)
        if packed is None and (document := documents.read(digest)) is not None:
            packed = _packed(document)
        if packed is not None:
            manifests[digest] = packed
    return manifests


def readable_blobs(
    readable: Iterable[Bundle | Retired],
    manifests: Mapping[Digest, bytes],
    documents: ManifestSource,
    known: Mapping[BundleFiles, DigestSet],
) -> dict[BundleFiles, DigestSet]:
    """The blobs of each readable bundle, without those of unreadable manifests. `manifests` are packed."""

    def listed_in(files: BundleFiles) -> DigestSet | None:
        packed = manifests.get(files.manifest)
        document = zstandard.decompress(packed) if packed else documents.read(files.manifest)
        if document is None:
            return None
        listed = _digests_decoder.decode(document).files
        blobs = [file.blob for file in listed]
        return DigestSet.of(blobs + [file.hash for file in listed] if files.plain else blobs)

    wanted = {BundleFiles(each.manifest, each.plain_files): None for each in readable if each.manifest is not None}
    found = ((files, known.get(files) or listed_in(files)) for files in wanted)
    return {files: digests for files, digests in found if digests is not None}


def lost_forms(
    bundles: Iterable[Bundle], blobs: Mapping[BundleFiles, DigestSet], damaged: Collection[str]
) -> set[Digest]:
    """The zips that are damaged, and the manifests that name a damaged file: one is enough for all of the bundle."""
    lost = set[Digest]()
    for bundle in bundles if damaged else ():
        if bundle.zip in damaged:
            lost.add(bundle.zip)
        files = blobs.get(BundleFiles(bundle.manifest, bundle.plain_files)) if bundle.manifest is not None else None
        if bundle.manifest is not None and files is not None and any(digest in files for digest in damaged):
            lost.add(bundle.manifest)
    return lost


def name_facts_of(
    bundles: Iterable[Bundle], documents: ManifestSource, known: Mapping[Digest, NameFacts]
) -> dict[Digest, NameFacts]:
    """The name facts of bundles whose revision lacks them, as an older node published them, by manifest."""
    names = {}
    for digest in {each.manifest for each in bundles if each.manifest is not None and each.names is None}:
        facts = known.get(digest)
        if facts is None and (document := documents.read(digest)) is not None:
            facts = name_facts((entry.name, entry.hash) for entry in read_manifest(document))
        if facts is not None:
            names[digest] = facts
    return names


def with_name_facts(bundle: Bundle, names: Mapping[Digest, NameFacts]) -> Bundle:
    if bundle.manifest is None or bundle.names is not None:
        return bundle
    return replace(bundle, names=names.get(bundle.manifest))


def _packed(document: bytes) -> bytes:
    # Copied: the compressor's result keeps its worst-case buffer alive, 240 kB an app.
    return bytes(memoryview(zstandard.compress(document, _PACKING_LEVEL)))
