"""Delete old bundles that no channel needs, and report the space that this frees."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import suppress

from edge.control.access.roles import Permission
from edge.control.calls import Call, commit, load_app
from edge.control.operations import Operation
from edge.control.shapes.bundles import BundlesPruned, PrunedBundle, PruneRequest
from edge.control.work_queue import LOOKS
from edge.domain.changes.commands import PruneBundles
from edge.domain.errors import Unavailable
from edge.domain.manifest import parse_manifest
from edge.domain.model import Bundle, Digest
from edge.domain.patches.document import parse_patches
from edge.store.blobs import read_blob
from edge.store.objects.port import ObjectStore, blob_key


async def handle_prune(call: Call[PruneRequest]) -> BundlesPruned:
    """Garbage collection removes the files later, once devices can have finished their downloads."""
    before = await load_app(call)
    async with call.request.app[LOOKS].turn():  # also during the commit: after it, nothing may be refused
        committed = await commit(call, call.app, PruneBundles(keep=call.body.keep))
        kept = committed.state.bundles
        removed = sorted(
            (bundle for version, bundle in before.bundles.items() if version not in kept),
            key=lambda bundle: (bundle.published, bundle.version),
        )
        freed = await asyncio.to_thread(freed_bytes, call.ports.store, removed, kept.values())
    return BundlesPruned(
        app=call.app,
        revision=committed.state.revision,
        changed=committed.changed,
        removed=[
            PrunedBundle(version=each.version, published=each.published, withdrawn=each.withdrawn) for each in removed
        ],
        bytes=freed,
        kept=len(kept),
    )


def freed_bytes(store: ObjectStore, removed: Iterable[Bundle], kept: Iterable[Bundle]) -> int:
    """Bytes of the blobs that removed bundles name and no kept bundle of the app does. Blocks: reads manifests."""
    going = {digest for bundle in removed for digest in _blobs(store, bundle)}
    if going:
        going.difference_update(digest for bundle in kept for digest in _blobs(store, bundle))
    return sum(_size(store, digest) for digest in going)


def _blobs(store: ObjectStore, bundle: Bundle) -> Iterator[Digest]:
    yield bundle.zip
    if bundle.manifest is not None:
        yield bundle.manifest
        with suppress(Unavailable):  # lost: nothing to free
            for file in parse_manifest(read_blob(store, bundle.manifest, "a manifest")):
                yield file.blob
                if bundle.plain_files:
                    yield file.hash
    if bundle.patches is not None:
        yield bundle.patches
        with suppress(Unavailable):
            for patch in parse_patches(read_blob(store, bundle.patches, "a patches document")):
                yield patch.blob


def _size(store: ObjectStore, digest: Digest) -> int:
    with suppress(FileNotFoundError):
        return store.path(blob_key(digest)).stat().st_size
    return 0


OPERATIONS = (
    Operation(
        name="prune_bundles",
        method="POST",
        path="/v1/apps/{app}/bundles/prune",
        summary="Delete old bundles that no channel needs; garbage collection removes their files later",
        permission=Permission.DELETE_BUNDLES,
        handle=handle_prune,
        answer=BundlesPruned,
        body=PruneRequest,
        changes=True,
    ),
)
