"""An app's release state compiled for answering: built when a revision arrives, swapped whole, never changed.

References point downwards only (no cycles), so a replaced snapshot is freed at once.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import zstandard

from edge.domain.app_parts.feature_keys import FeatureKeys
from edge.domain.decision.manifests import (
    BundleFiles,
    DigestSet,
    ManifestSource,
    lost_forms,
    name_facts_of,
    pack_manifests,
    readable_blobs,
    with_name_facts,
)
from edge.domain.decision.targets import CompiledChannel, Predicate, compile_channel
from edge.domain.facts import DeviceFacts, name_hash
from edge.domain.features.compiled import NO_FEATURES, CompiledFeatures
from edge.domain.features.compiling import compile_features, expressions_of
from edge.domain.features.fingerprint import fingerprint_of
from edge.domain.file_names import NameFacts
from edge.domain.forms.choice import FILES_ALWAYS, FormTerms
from edge.domain.forms.comparisons import (
    NOTHING_COMPARED,
    Comparisons,
    FormsOf,
    compare_manifests,
)
from edge.domain.forms.manifest_forms import ChosenForms
from edge.domain.model import (
    AppId,
    AppState,
    Bundle,
    Channel,
    ChannelName,
    DeviceId,
    Digest,
    EventKey,
    Platform,
    Retired,
    Segment,
    SegmentName,
    UpdateCheck,
)
from edge.domain.patches.document import Patch
from edge.domain.patches.table import PatchTable
from edge.domain.plugin import Prefer
from edge.domain.states import held_segments, segments_of, withdrawn_names
from edge.domain.targeting.compiler import SegmentMemory
from edge.domain.targeting.id_sets import IdSet
from edge.domain.targeting.parser import check_expression
from edge.domain.targeting.places import NO_PLACE, NodePlace
from edge.domain.targeting.segments import asks_facts, compile_each, compile_segments, memory_of
from edge.domain.targeting.traits import Traits, segment_traits, together

EVERYONE = "is_prod || !is_prod"
UNKNOWN_CHANNEL = ChannelName("")  # no channel is called so: where a device belongs cannot be read
# Of such a device: it offers nothing and moves nobody.
UNKNOWN = compile_channel(Channel(name=UNKNOWN_CHANNEL), AppState(app=AppId("unknown"), revision=0), {}, frozenset())

READABLE_AFTER_DELETE_SECONDS = 7 * 86_400  # a device may resume a download that it was offered before


@dataclass(frozen=True, slots=True)
class Leading:
    """The segments that lead to a channel, in order of evaluation, and the channel of each."""

    segments: tuple[Segment, ...]
    channels: tuple[CompiledChannel, ...]
    first_match: Callable[[UpdateCheck, DeviceFacts], int]  # -1: none
    distinct: tuple[CompiledChannel, ...]  # each of `channels` once
    traits: Traits  # what of a device its match depends on


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSnapshot:
    """One revision of an app, compiled for answering. Immutable, and shared by everything that answers."""

    app: AppId
    shard: str
    revision: int
    expose_metadata: bool
    channels: Mapping[ChannelName, CompiledChannel]
    public: Mapping[Platform, CompiledChannel]
    overrides: Mapping[DeviceId, ChannelName]  # `get` returns UNKNOWN_CHANNEL for one that cannot be read
    leading: Leading | None  # None: no segment leads anywhere
    segments: Mapping[SegmentName, tuple[Segment, Predicate]]  # all of them, for `explain`
    held: frozenset[SegmentName]  # those that no device leaves by how it is used (`states.held_segments`)
    traits: Mapping[SegmentName, Traits]  # what of a device is read by each of them
    asks_facts: bool  # whether a segment that decisions read asks how devices are used
    reads_behaviour: bool  # whether any segment does, or a rule of a feature
    channels_by_hash: Mapping[int, ChannelName]  # keyed as device facts hold a choice
    offered_by_hash: Mapping[int, Bundle]  # what a check can be answered with, keyed as device facts name it
    forms_by_hash: Mapping[int, tuple[ChosenForms, ...]]  # those of each bundle, on all channels; none: files
    # Documents of the bundles that a check can be answered with, packed: 23 kB for 300 files, so 0.5 MB for a channel
    # with all its `EARLIER_LIMIT` ways back. Bundles that no channel can offer have none.
    manifests: Mapping[Digest, bytes]
    blobs: Mapping[BundleFiles, DigestSet]  # the blobs that devices may fetch, kept for the next build
    names: Mapping[Digest, NameFacts]  # of bundles whose revision has none, kept likewise
    terms: FormTerms  # what the forms in the offers follow from
    comparisons: Comparisons
    # What cannot be sent: zips, and manifests that are unreadable or name a damaged file. Their bundles go only to
    # devices that take the other form.
    lost: frozenset[Digest]
    zips: frozenset[Digest]
    files: DigestSet
    patches: Mapping[Digest, PatchTable]  # of the bundles that a check can be answered with, by their document
    lost_patches: frozenset[str]  # blobs that cannot be sent
    event_keys: tuple[EventKey, ...]
    features: CompiledFeatures
    features_fingerprint: str  # of all that their answers follow from
    feature_keys: FeatureKeys
    trusted: tuple[str, ...]  # networks in CIDR form whose devices' votes are all counted, by any channel's guard

    def manifest_of(self, bundle: Bundle) -> bytes:
        """The document of a bundle that `decide` offers, ways back included; empty for one that has none.

        It is in memory and takes some 30 µs to unpack. Also empty where it is in `lost`: then only the zip is offered.
        """
        packed = None if bundle.manifest is None else self.manifests.get(bundle.manifest)
        return b"" if packed is None else zstandard.decompress(packed)

    def bundles_with(self, digest: str) -> Iterator[Bundle]:
        """The bundles that a check can be answered with and that this blob is part of."""
        for bundle in self.offered_by_hash.values():
            files = (
                self.blobs.get(BundleFiles(bundle.manifest, bundle.plain_files))
                if bundle.manifest is not None
                else None
            )
            if digest == bundle.zip or (files is not None and digest in files):
                yield bundle

    def names_blob(self, digest: str) -> bool:
        """Whether devices may fetch this blob as anything."""
        patched = any(blob == digest for table in self.patches.values() for blob in table.blobs())
        return patched or digest in self.zips or digest in self.files

    def patch_to(self, new: str, old: str) -> Digest | None:
        """The blob that makes the file `new` of the file `old`, both by the digests of their plain bytes."""
        found = (table.find(new, old) for table in self.patches.values())
        return next((blob for blob in found if blob is not None and blob not in self.lost_patches), None)

    def may_read(self, kind: str, digest: str) -> bool:
        """Whether devices may fetch this blob as `kind`: "zip" or "file". `digest` is 64 hexadecimal characters."""
        return digest in (self.zips if kind == "zip" else self.files)


def build_snapshot(
    state: AppState,
    manifest_of: Callable[[Digest], bytes | None],
    *,
    now: float,
    before: AppSnapshot | None = None,
    ids_of: Callable[[Digest], IdSet | None] = lambda digest: None,
    patches_of: Callable[[Digest], Iterable[Patch]] = lambda digest: (),
    lost_sets: frozenset[str] = frozenset(),
    place: NodePlace = NO_PLACE,
    shard: str = "",
    damaged: Collection[str] = (),
    terms: FormTerms = FILES_ALWAYS,
) -> AppSnapshot:
    """Compile one revision. `manifest_of` returns a manifest document by digest, verified, or None for one that cannot
    be read; it is called for what channels offer and for bundles that `before`, the app's previous snapshot in this
    place, did not know. `ids_of` returns an id set by digest; a missing one matches no device. `patches_of` returns
    what a patches document lists, nothing for one that cannot be read. A device that reaches a segment which needs one
    of `lost_sets` gets nothing new: where it belongs is not known. `now` is in seconds since the epoch, `place` the
    node's, `shard` the shard of heads that the app is in, `damaged` are blobs that the node cannot serve. `terms` say
    in which form bundles go to releases that take several.
    """
    documents = ManifestSource(manifest_of)
    names = name_facts_of(state.bundles.values(), documents, before.names if before else {})
    state = replace(
        state, bundles={version: with_name_facts(bundle, names) for version, bundle in state.bundles.items()}
    )
    sets = {str(name): ids for name, stored in state.id_sets.items() if (ids := ids_of(stored.blob)) is not None}
    held = held_segments(state)
    memories = {str(name): memory_of(each, held) for name, each in state.segments.items()}
    traits = {name: segment_traits(state.app, name, each.where, sets) for name, each in state.segments.items()}
    same = _unchanged(state, held, traits, before) if before else {}
    segments = compile_each(state.app, state.segments, place=place, sets=sets, memories=memories, same=same)
    known = before.features if before else NO_FEATURES
    comparisons = _comparisons(state, documents, before, terms)
    forms_of = comparisons.forms_of(terms)
    channels = _channels(state, segments, forms_of)
    bundles = {offer.bundle.version: offer.bundle for compiled in channels.values() for offer in compiled.offers()}
    manifests = pack_manifests(bundles.values(), documents, before.manifests if before else {})
    patches = _patches(bundles.values(), patches_of, before.patches if before else {})
    readable = _readable(state, now)
    blobs = readable_blobs(readable, manifests, documents, before.blobs if before else {})
    lost = documents.lost | lost_forms(state.bundles.values(), blobs, damaged)
    if lost:  # their targets get a rule that blocks them
        channels = _channels(state, segments, forms_of, lost)
    return AppSnapshot(
        app=state.app,
        shard=shard,
        revision=state.revision,
        expose_metadata=state.expose_metadata,
        channels=channels,
        public=_public(channels),
        overrides=state.overrides,
        leading=_leading(state, channels, traits, place, sets, lost_sets, memories),
        segments=segments,
        held=held,
        traits=traits,
        reads_behaviour=any(
            map(asks_facts, (*(each.where for each in state.segments.values()), *expressions_of(state)))
        ),
        asks_facts=any(asks_facts(state.segments[name].where) for name in _read_by_decisions(state)),
        channels_by_hash={name_hash(name): name for name in state.channels},
        offered_by_hash={name_hash(version): bundle for version, bundle in bundles.items()},
        forms_by_hash=_forms_by_hash(channels),
        manifests=manifests,
        blobs=blobs,
        names=names,
        terms=terms,
        comparisons=comparisons,
        lost=frozenset(lost),
        zips=frozenset(each.zip for each in readable),
        files=DigestSet.union(blobs.values()),
        patches=patches,
        lost_patches=frozenset(each for table in patches.values() for each in table.blobs() if each in damaged),
        event_keys=state.event_keys,
        features=compile_features(state, place, sets, segments=segments, lost_sets=lost_sets, before=known),
        features_fingerprint=fingerprint_of(state),
        feature_keys=FeatureKeys(state.feature_keys),
        trusted=tuple(sorted({each for channel in state.channels.values() for each in channel.guard.trusted_prefixes})),
    )


def _read_by_decisions(state: AppState) -> set[SegmentName]:
    """The segments that lead to a channel, or that a rollout or an experiment in progress reads; others cost a check
    nothing."""
    leading = {name for name, each in state.segments.items() if each.channel in state.channels}
    return leading.union(*map(segments_of, state.channels.values()))


def _patches(
    offered: Iterable[Bundle],
    patches_of: Callable[[Digest], Iterable[Patch]],
    known: Mapping[Digest, PatchTable],
) -> dict[Digest, PatchTable]:
    """By their document. What could not be read before is tried again."""
    documents = {bundle.patches for bundle in offered if bundle.patches is not None}
    return {each: known.get(each) or PatchTable(patches_of(each)) for each in documents}


def _unchanged(
    state: AppState, held: frozenset[SegmentName], traits: Mapping[SegmentName, Traits], before: AppSnapshot
) -> dict[SegmentName, tuple[Segment, Predicate]]:
    """Segments whose text is what it was, whether they are held, and the id sets in them, which are traits."""
    return {
        name: known
        for name, known in before.segments.items()
        if known[0] == state.segments.get(name)
        and (name in held, traits[name]) == (name in before.held, before.traits[name])
    }


def _comparisons(
    state: AppState, documents: ManifestSource, before: AppSnapshot | None, terms: FormTerms
) -> Comparisons:
    """Nothing is compared where all channels prefer files."""
    if all((channel.prefer or terms.prefer) is Prefer.MANIFEST for channel in state.channels.values()):
        return NOTHING_COMPARED
    known = before.comparisons if before else NOTHING_COMPARED
    return compare_manifests(state, before.manifests if before else {}, documents.read, known)


def _channels(
    state: AppState,
    segments: Mapping[SegmentName, tuple[Segment, Predicate]],
    forms_of: FormsOf,
    lost: Collection[Digest] = (),
) -> dict[ChannelName, CompiledChannel]:
    predicates = {name: predicate for name, (_, predicate) in segments.items()}
    withdrawn = withdrawn_names(state)
    return {
        name: compile_channel(channel, state, predicates, withdrawn, lost, forms_of)
        for name, channel in state.channels.items()
    }


def _forms_by_hash(channels: Mapping[ChannelName, CompiledChannel]) -> dict[int, tuple[ChosenForms, ...]]:
    found: dict[int, set[ChosenForms]] = {}
    for compiled in channels.values():
        for offer in compiled.offers():
            if offer.forms is not None:
                found.setdefault(name_hash(offer.bundle.version), set()).add(offer.forms)
    return {version: tuple(forms) for version, forms in found.items()}


def _leading(
    state: AppState,
    channels: Mapping[ChannelName, CompiledChannel],
    traits: Mapping[SegmentName, Traits],
    place: NodePlace,
    sets: Mapping[str, IdSet],
    lost_sets: frozenset[str],
    memories: Mapping[str, SegmentMemory],
) -> Leading | None:
    asked = sorted(
        (segment for segment in state.segments.values() if segment.channel in channels),
        key=lambda segment: (segment.priority, segment.name),
    )
    if not asked:
        return None
    unknown = {each.name for each in asked if lost_sets and lost_sets & check_expression(each.where)}
    pairs = [(segment.name, EVERYONE if segment.name in unknown else segment.where) for segment in asked]
    led_to = tuple(
        UNKNOWN if segment.name in unknown else channels[segment.channel]
        for segment in asked
        if segment.channel is not None
    )
    return Leading(
        segments=tuple(asked),
        channels=led_to,
        first_match=compile_segments(state.app, pairs, place=place, sets=sets, memories=memories),
        distinct=tuple({compiled.channel.name: compiled for compiled in led_to}.values()),
        traits=together(traits[segment.name] for segment in asked),
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
