"""An app's release state compiled for answering: built when a revision arrives, swapped whole, never changed.

References point downwards only (no cycles), so a replaced snapshot is freed at once.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import msgspec
import zstandard

from edge.domain.decision.targets import CompiledChannel, Predicate, compile_channel
from edge.domain.facts import DeviceFacts, name_hash
from edge.domain.file_names import NameFacts, name_facts
from edge.domain.manifest import read_manifest
from edge.domain.model import (
    AppId,
    AppState,
    Bundle,
    ChannelName,
    DeviceId,
    Digest,
    Platform,
    Retired,
    Segment,
    SegmentName,
    UpdateCheck,
)
from edge.domain.states import withdrawn_names
from edge.domain.targeting.id_sets import IdSet
from edge.domain.targeting.segments import asks_facts, compile_segment, compile_segments

READABLE_AFTER_DELETE_SECONDS = 7 * 86_400  # a device may resume a download that it was offered before
_PREFIX_DIGITS = 16  # hexadecimal, of a digest: 64 bits
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


class _Files(NamedTuple):
    """Which files of a bundle devices may fetch: those its manifest names and, if `plain`, their plain forms."""

    manifest: Digest
    plain: bool


@dataclass(frozen=True, slots=True)
class Leading:
    """The segments that lead to a channel, in order of evaluation, and the channel of each."""

    segments: tuple[Segment, ...]
    channels: tuple[CompiledChannel, ...]
    first_match: Callable[[UpdateCheck, DeviceFacts], int]  # -1: none


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSnapshot:
    app: AppId
    shard: str
    revision: int
    expose_metadata: bool
    channels: Mapping[ChannelName, CompiledChannel]
    public: Mapping[Platform, CompiledChannel]
    overrides: Mapping[DeviceId, ChannelName]
    leading: Leading | None  # None: no segment leads anywhere
    segments: Mapping[SegmentName, tuple[Segment, Predicate]]  # all of them, for `explain`
    asks_facts: bool  # whether any segment reads device facts
    channels_by_hash: Mapping[int, ChannelName]  # keyed as device facts hold a choice
    offered_by_hash: Mapping[int, Bundle]  # what a check can be answered with, keyed as device facts name it
    # Documents of the bundles that a check can be answered with, packed: 23 kB for 300 files, so 0.5 MB for a channel
    # with all its `EARLIER_LIMIT` ways back. Bundles that no channel can offer have none.
    manifests: Mapping[Digest, bytes]
    blobs: Mapping[_Files, DigestSet]  # the blobs that devices may fetch, kept for the next build
    names: Mapping[Digest, NameFacts]  # of bundles whose revision has none, kept likewise
    lost: frozenset[Digest]  # unreadable manifests: their bundles go only to devices that take zips
    zips: frozenset[Digest]
    files: DigestSet

    def manifest_of(self, bundle: Bundle) -> bytes:
        """The document of a bundle that `decide` offers, ways back included; empty for one that has none.

        It is in memory and takes some 30 µs to unpack. Also empty where it is in `lost`: then only the zip is offered.
        """
        packed = None if bundle.manifest is None else self.manifests.get(bundle.manifest)
        return b"" if packed is None else zstandard.decompress(packed)

    def bundles_with(self, digest: str) -> Iterator[Bundle]:
        """The bundles that a check can be answered with and that this blob is part of."""
        for bundle in self.offered_by_hash.values():
            files = self.blobs.get(_Files(bundle.manifest, bundle.plain_files)) if bundle.manifest is not None else None
            if digest == bundle.zip or (files is not None and digest in files):
                yield bundle

    def may_read(self, kind: str, digest: str) -> bool:
        """Whether devices may fetch this blob as `kind`: "zip" or "file". `digest` is 64 hexadecimal characters."""
        return digest in (self.zips if kind == "zip" else self.files)


class _Digests(msgspec.Struct):
    hash: str
    blob: str


class _DigestsOnly(msgspec.Struct):
    files: list[_Digests]


_digests_decoder = msgspec.json.Decoder(_DigestsOnly)


class _Documents:
    """The manifests of one build. One that cannot be read is tried once, and then is in `lost`."""

    def __init__(self, manifest_of: Callable[[Digest], bytes | None]) -> None:
        self._manifest_of = manifest_of
        self.lost: set[Digest] = set()

    def read(self, digest: Digest) -> bytes | None:
        document = None if digest in self.lost else self._manifest_of(digest)
        if document is None:
            self.lost.add(digest)
        return document


def build_snapshot(
    state: AppState,
    manifest_of: Callable[[Digest], bytes | None],
    *,
    now: float,
    before: AppSnapshot | None = None,
    ids_of: Callable[[Digest], IdSet | None] = lambda digest: None,
    region: str = "",
    shard: str = "",
) -> AppSnapshot:
    """Compile one revision. `manifest_of` returns a manifest document by digest, verified, or None for one that cannot
    be read; it is called for what channels offer and for bundles that `before`, the app's previous snapshot, did not
    know. `ids_of` returns an id set by digest; a missing one matches no device. `now` is in seconds since the epoch,
    `region` the node's, `shard` the shard of heads that the app is in.
    """
    documents = _Documents(manifest_of)
    names = _names_of_old(state.bundles.values(), documents, before.names if before else {})
    state = replace(state, bundles={version: _named(bundle, names) for version, bundle in state.bundles.items()})
    sets = {str(name): ids for name, stored in state.id_sets.items() if (ids := ids_of(stored.blob)) is not None}
    segments = {
        name: (segment, compile_segment(state.app, name, segment.where, region=region, sets=sets))
        for name, segment in state.segments.items()
    }
    channels = _channels(state, segments)
    bundles = {offer.bundle.version: offer.bundle for compiled in channels.values() for offer in compiled.offers()}
    manifests = _manifests(bundles.values(), documents, before.manifests if before else {})
    if documents.lost:
        channels = _channels(state, segments, documents.lost)
    readable = _readable(state, now)
    blobs = _blobs(readable, manifests, documents, before.blobs if before else {})
    return AppSnapshot(
        app=state.app,
        shard=shard,
        revision=state.revision,
        expose_metadata=state.expose_metadata,
        channels=channels,
        public=_public(channels),
        overrides=state.overrides,
        leading=_leading(state, channels, region, sets),
        segments=segments,
        asks_facts=any(asks_facts(segment.where) for segment in state.segments.values()),
        channels_by_hash={name_hash(name): name for name in state.channels},
        offered_by_hash={name_hash(version): bundle for version, bundle in bundles.items()},
        manifests=manifests,
        blobs=blobs,
        names=names,
        lost=frozenset(documents.lost),
        zips=frozenset(each.zip for each in readable),
        files=DigestSet.union(blobs.values()),
    )


def _channels(
    state: AppState, segments: Mapping[SegmentName, tuple[Segment, Predicate]], lost: Container[Digest] = ()
) -> dict[ChannelName, CompiledChannel]:
    predicates = {name: predicate for name, (_, predicate) in segments.items()}
    withdrawn = withdrawn_names(state)
    return {
        name: compile_channel(channel, state, predicates, withdrawn, lost) for name, channel in state.channels.items()
    }


def _leading(
    state: AppState, channels: Mapping[ChannelName, CompiledChannel], region: str, sets: Mapping[str, IdSet]
) -> Leading | None:
    asked = sorted(
        (segment for segment in state.segments.values() if segment.channel in channels),
        key=lambda segment: (segment.priority, segment.name),
    )
    if not asked:
        return None
    pairs = [(segment.name, segment.where) for segment in asked]
    return Leading(
        segments=tuple(asked),
        channels=tuple(channels[segment.channel] for segment in asked if segment.channel is not None),
        first_match=compile_segments(state.app, pairs, region=region, sets=sets),
    )


def _public(channels: Mapping[ChannelName, CompiledChannel]) -> dict[Platform, CompiledChannel]:
    # `apply` keeps one public channel per platform; the order by name is the protocol's own for ties (§1.4.1).
    public = [channels[name] for name in sorted(channels) if channels[name].channel.public]
    return {
        platform: next(compiled for compiled in public if compiled.channel.serves(platform))
        for platform in Platform
        if any(compiled.channel.serves(platform) for compiled in public)
    }


def _readable(state: AppState, now: float) -> list[Bundle | Retired]:
    """The bundles whose blobs devices may fetch, recently deleted ones included."""
    kept = (r for r in state.retired.values() if r.deleted + READABLE_AFTER_DELETE_SECONDS > now)
    return [*state.bundles.values(), *kept]


def _manifests(offered: Iterable[Bundle], documents: _Documents, known: Mapping[Digest, bytes]) -> dict[Digest, bytes]:
    """Their manifests, packed, except for unreadable ones. A bundle that was encrypted elsewhere has none."""
    manifests = {}
    for digest in sorted({bundle.manifest for bundle in offered if bundle.manifest is not None}):
        packed = known.get(digest)
        if packed is None and (document := documents.read(digest)) is not None:
            packed = _packed(document)
        if packed is not None:
            manifests[digest] = packed
    return manifests


def _packed(document: bytes) -> bytes:
    # Copied: the compressor's result keeps its worst-case buffer alive, 240 kB an app.
    return bytes(memoryview(zstandard.compress(document, _PACKING_LEVEL)))


def _blobs(
    readable: Iterable[Bundle | Retired],
    manifests: Mapping[Digest, bytes],
    documents: _Documents,
    known: Mapping[_Files, DigestSet],
) -> dict[_Files, DigestSet]:
    """The blobs of each readable bundle, without those of unreadable manifests."""

    def named(files: _Files) -> DigestSet | None:
        packed = manifests.get(files.manifest)
        document = zstandard.decompress(packed) if packed else documents.read(files.manifest)
        if document is None:
            return None
        listed = _digests_decoder.decode(document).files
        blobs = [file.blob for file in listed]
        return DigestSet.of(blobs + [file.hash for file in listed] if files.plain else blobs)

    wanted = {_Files(each.manifest, each.plain_files): None for each in readable if each.manifest is not None}
    found = ((files, known.get(files) or named(files)) for files in wanted)
    return {files: digests for files, digests in found if digests is not None}


def _names_of_old(
    bundles: Iterable[Bundle], documents: _Documents, known: Mapping[Digest, NameFacts]
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


def _named(bundle: Bundle, names: Mapping[Digest, NameFacts]) -> Bundle:
    if bundle.manifest is None or bundle.names is not None:
        return bundle
    return replace(bundle, names=names.get(bundle.manifest))
