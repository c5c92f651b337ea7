"""An app's release state compiled for answering: built whole when a revision arrives, swapped whole, never changed.

Holds references downwards only (no cycles), so a replaced snapshot is freed at once.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import msgspec

from edge.domain.decision import Offer, UpToDate
from edge.domain.facts import name_hash
from edge.domain.model import (
    BUILTIN,
    AppId,
    AppState,
    Bundle,
    Channel,
    ChannelName,
    DeviceId,
    Digest,
    Platform,
    Retired,
    VersionName,
)
from edge.domain.rules import CHANNEL_RULES, KEY_RULES, Rule, Target
from edge.domain.versions import parse_version

READABLE_AFTER_DELETE_SECONDS = 7 * 86_400  # a device may resume a download of what it was offered before
_PREFIX_BYTES = 16  # of a digest: 128 bits tell any blobs apart that an app can have


class DigestSet:
    """A set of SHA-256 digests in 16 bytes each: sorted, searched by halving."""

    __slots__ = ("_prefixes",)

    def __init__(self, prefixes: Iterable[bytes]) -> None:
        self._prefixes = b"".join(sorted(set(prefixes)))

    @classmethod
    def of(cls, digests: Iterable[str]) -> "DigestSet":
        return cls(bytes.fromhex(digest)[:_PREFIX_BYTES] for digest in digests)

    @classmethod
    def union(cls, sets: Iterable["DigestSet"]) -> "DigestSet":
        return cls(prefix for each in sets for prefix in each.prefixes())

    def prefixes(self) -> Iterator[bytes]:
        return (self._at(place) for place in range(len(self)))

    def __len__(self) -> int:
        return len(self._prefixes) // _PREFIX_BYTES

    def __contains__(self, digest: str) -> bool:
        wanted = bytes.fromhex(digest)[:_PREFIX_BYTES]
        place = bisect_left(range(len(self)), wanted, key=self._at)
        return place < len(self) and self._at(place) == wanted

    def _at(self, place: int) -> bytes:
        return self._prefixes[place * _PREFIX_BYTES : (place + 1) * _PREFIX_BYTES]


@dataclass(frozen=True, slots=True)
class CompiledChannel:
    """A channel with its target resolved and only those rules that can fire on it."""

    channel: Channel
    target: Target | None  # None: the channel offers nothing
    key_rules: tuple[Rule, ...]
    rules: tuple[Rule, ...]
    offer: Offer | None  # None where there is no bundle to offer: builtin, or nothing
    up_to_date: UpToDate
    bundle_hash: int  # `name_hash` of what it offers, as device facts hold it; 0 where there is no bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSnapshot:
    app: AppId
    revision: int
    expose_metadata: bool
    channels: Mapping[ChannelName, CompiledChannel]
    public: Mapping[Platform, CompiledChannel]
    overrides: Mapping[DeviceId, ChannelName]
    channels_by_hash: Mapping[int, ChannelName]  # as device facts hold a choice
    manifests: Mapping[Digest, bytes]  # documents of the bundles that channels offer
    blobs: Mapping[Digest, DigestSet]  # by manifest: the blobs it names, kept for the next build
    zips: frozenset[Digest]
    files: DigestSet

    def manifest_of(self, bundle: Bundle) -> bytes:
        """The document of a bundle that a channel offers; empty for one that has none."""
        return b"" if bundle.manifest is None else self.manifests[bundle.manifest]

    def may_read(self, kind: str, digest: str) -> bool:
        """Whether devices may fetch this blob as `kind`: "zip" or "file". `digest` is 64 hexadecimal characters."""
        return digest in (self.zips if kind == "zip" else self.files)


class _BlobOnly(msgspec.Struct):
    blob: str


class _BlobsOnly(msgspec.Struct):
    files: list[_BlobOnly]


_blobs_decoder = msgspec.json.Decoder(_BlobsOnly)


def build_snapshot(
    state: AppState,
    manifest_of: Callable[[Digest], bytes],
    *,
    now: float,
    before: AppSnapshot | None = None,
) -> AppSnapshot:
    """Compile one revision. `manifest_of` gives a manifest document by digest, verified; it is asked for what
    channels offer and for bundles that `before`, the app's previous snapshot, did not know.
    """
    channels = {name: _compile(channel, state) for name, channel in state.channels.items()}
    offered = _manifests(compiled.offer.bundle for compiled in channels.values() if compiled.offer)
    known = before.manifests if before else {}
    manifests = {digest: known.get(digest) or manifest_of(digest) for digest in sorted(offered)}
    readable = _readable(state, now)
    blobs = _blobs(_manifests(readable), manifests, manifest_of, before.blobs if before else {})
    return AppSnapshot(
        app=state.app,
        revision=state.revision,
        expose_metadata=state.expose_metadata,
        channels=channels,
        public=_public(channels),
        overrides=state.overrides,
        channels_by_hash={name_hash(name): name for name in state.channels},
        manifests=manifests,
        blobs=blobs,
        zips=frozenset(each.zip for each in readable),
        files=DigestSet.union(blobs.values()),
    )


def _compile(channel: Channel, state: AppState) -> CompiledChannel:
    up_to_date = UpToDate(channel.name)
    if channel.bundle is None:
        return CompiledChannel(channel, None, (), (), None, up_to_date, 0)
    bundle = None if channel.bundle == BUILTIN else state.bundles[VersionName(channel.bundle)]
    target = target_of(channel, bundle)
    return CompiledChannel(
        channel,
        target,
        tuple(rule for rule in KEY_RULES if rule.can_fire(target)),
        tuple(rule for rule in CHANNEL_RULES if rule.can_fire(target)),
        Offer(bundle, channel.name) if bundle else None,
        up_to_date,
        name_hash(bundle.version) if bundle else 0,
    )


def target_of(channel: Channel, bundle: Bundle | None) -> Target:
    """The channel's target with its versions parsed; `bundle` None stands for builtin."""
    if bundle is None:
        return Target(channel, None, None, None)
    return Target(channel, bundle, parse_version(bundle.version), parse_version(bundle.min_native))


def _public(channels: Mapping[ChannelName, CompiledChannel]) -> dict[Platform, CompiledChannel]:
    # `apply` keeps one public channel per platform; the order by name is the protocol's own for ties (§1.4.1).
    public = [channels[name] for name in sorted(channels) if channels[name].channel.public]
    return {
        platform: next(compiled for compiled in public if compiled.channel.serves(platform))
        for platform in Platform
        if any(compiled.channel.serves(platform) for compiled in public)
    }


def _readable(state: AppState, now: float) -> list[Bundle | Retired]:
    """The bundles whose blobs devices may fetch."""
    kept = (r for r in state.retired.values() if r.deleted + READABLE_AFTER_DELETE_SECONDS > now)
    return [*state.bundles.values(), *kept]


def _manifests(bundles: Iterable[Bundle | Retired]) -> dict[Digest, None]:
    """Their manifests, each once, in order; what was encrypted elsewhere has none."""
    return {bundle.manifest: None for bundle in bundles if bundle.manifest is not None}


def _blobs(
    readable: Iterable[Digest],
    manifests: Mapping[Digest, bytes],
    manifest_of: Callable[[Digest], bytes],
    known: Mapping[Digest, DigestSet],
) -> dict[Digest, DigestSet]:
    def named(digest: Digest) -> DigestSet:
        document = manifests.get(digest) or manifest_of(digest)
        return DigestSet.of(file.blob for file in _blobs_decoder.decode(document).files)

    return {digest: known.get(digest) or named(digest) for digest in readable}
