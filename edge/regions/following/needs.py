"""What a revision needs of the store: to be read, to be compiled for devices, and for what its channels offer.

Pure over what is stored: it reads documents that are there, and asks for none.
"""

from collections.abc import Iterator
from contextlib import suppress

from edge.domain.decision.snapshot import READABLE_AFTER_DELETE_SECONDS
from edge.domain.errors import EdgeError
from edge.domain.manifest import read_manifest
from edge.domain.model import BUILTIN, AppId, AppState, Bundle, Channel, Digest, FileEntry, VersionName
from edge.domain.patches.document import parse_patches
from edge.domain.states import good_ones, served_of
from edge.regions.following.transfer import WantedBlob
from edge.store.blobs import read_blob
from edge.store.objects.port import ObjectStore
from edge.store.upkeep.references import parse_references

DOCUMENT_LIMIT_BYTES = 32 * 2**20  # of a manifest, an id set, a part of the overrides, a patches document


def documents_to_read(content: bytes, app: AppId, number: int) -> list[WantedBlob]:
    """What reading and compiling the revision begins with: overrides and id sets. Raises Untrusted."""
    found = parse_references(content, app, number)
    return [WantedBlob(digest, None) for digest in (*found.overrides, *found.id_sets.values())]


def documents_to_build(state: AppState, now: float) -> list[WantedBlob]:
    """What a snapshot is compiled from: the manifest of every bundle whose files devices may fetch, and the patches of
    those that are offered. `now` is in seconds since the epoch."""
    found = {bundle.manifest: None for bundle in state.bundles.values()}
    for retired in state.retired.values():
        if retired.deleted + READABLE_AFTER_DELETE_SECONDS > now:
            found[retired.manifest] = None
    for bundle in offered(state):
        found[bundle.patches] = None
    return [WantedBlob(digest, DOCUMENT_LIMIT_BYTES) for digest in found if digest is not None]


def offered(state: AppState) -> list[Bundle]:
    """The bundles that a check can be answered with, what is new first: rollouts and arms, what channels offer, and the
    ways back."""
    new, stable, back = dict[VersionName, None](), dict[VersionName, None](), dict[VersionName, None]()
    for channel in state.channels.values():
        new |= dict.fromkeys(_beginning(channel))
        served = served_of(state, channel)
        stable |= {served: None} if served is not None else {}
        back |= dict.fromkeys(good_ones(state, channel))
    names = [name for name in new | stable | back if name != BUILTIN and name in state.bundles]
    return [state.bundles[name] for name in names if not state.bundles[name].withdrawn]


def offered_now(state: AppState) -> list[Bundle]:
    """As `offered`, without the ways back of single devices; the latest published first."""
    names = dict[VersionName, None]()
    for channel in state.channels.values():
        names |= dict.fromkeys(_beginning(channel))
        served = served_of(state, channel)
        names |= {served: None} if served is not None else {}
    found = [state.bundles[name] for name in names if name in state.bundles and not state.bundles[name].withdrawn]
    return sorted(found, key=lambda bundle: -bundle.published)


def kept_blobs(store: ObjectStore, content: bytes, state: AppState) -> set[str]:
    """What stays in a copy that runs out of room: what the revision `content` is read and compiled from, and what a
    check can be answered with. Blocks."""
    documents = (*documents_to_read(content, state.app, state.revision), *documents_to_build(state, 0.0))
    files = (blob for bundle in offered(state) for blob in blobs_of(store, bundle))
    return {blob.digest for blob in (*documents, *files)}


def blobs_of(store: ObjectStore, bundle: Bundle) -> Iterator[WantedBlob]:
    """What devices fetch of the bundle: its files first, of which few are new, then its zip, then what browsers may
    take. What cannot be read yields nothing. Blocks."""
    entries: tuple[FileEntry, ...] = ()
    if bundle.manifest is not None:
        with suppress(EdgeError, OSError):
            entries = tuple(read_manifest(read_blob(store, bundle.manifest, "a manifest")))
    for entry in entries:
        yield WantedBlob(entry.blob, entry.bytes)
    yield WantedBlob(bundle.zip, bundle.zip_bytes)
    if bundle.patches is not None:
        with suppress(EdgeError, OSError):
            for patch in parse_patches(read_blob(store, bundle.patches, "a patches document")):
                yield WantedBlob(patch.blob, patch.bytes)
    if bundle.plain_files:
        for entry in entries:
            if entry.hash != entry.blob:
                yield WantedBlob(Digest(entry.hash), None)


def _beginning(channel: Channel) -> Iterator[VersionName]:
    """What a rollout or an experiment in progress offers."""
    if channel.rollout is not None and channel.rollout.phase.is_active:
        yield channel.rollout.bundle
    if channel.experiment is not None:
        yield from (arm.bundle for arm in channel.experiment.arms)
