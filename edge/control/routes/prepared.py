"""Which files of an app the node has compressed already: a publisher without a memory of its own need not do it again.

Found in the manifests of the newest bundles, which name how their files were compressed. What was compressed in another
way is not told of, so that the same files go on to give the same bundle; of several forms the smallest is.
"""

import asyncio
from collections.abc import Iterable

from edge.control.calls import Call, load_app
from edge.control.operations import Operation
from edge.control.roles import Permission
from edge.control.routes.bundles import MISSING_LIMIT, MISSING_LIMIT_BYTES
from edge.control.shapes.bundles import PreparedAnswer, PreparedRequest, PreparedView
from edge.domain.errors import Invalid, Unavailable
from edge.domain.manifest import packed_entries
from edge.domain.model import AppState, Digest, FileEntry, parse_digest
from edge.store.blobs import read_blob
from edge.store.objects.port import ObjectStore, blob_key

BUNDLES_LIMIT = 10  # manifests read for one answer, the newest: an older file is rarely the same
PACKING_LIMIT = 100  # characters of a label


async def handle_prepared(call: Call[PreparedRequest]) -> PreparedAnswer:
    """Of these plain files, those that the node has compressed in this way; one that is not named it has not."""
    if len(call.body.digests) > MISSING_LIMIT:
        raise Invalid("too_many_digests", f"{len(call.body.digests)} digests, at most {MISSING_LIMIT} a call")
    if not 0 < len(call.body.packing) <= PACKING_LIMIT:
        raise Invalid("invalid_packing", f"a label of how files were compressed has 1 to {PACKING_LIMIT} characters")
    wanted = {parse_digest(text) for text in call.body.digests}
    state = await load_app(call)
    found = await asyncio.to_thread(_find, call.ports.store, _manifests(state), call.body.packing, wanted)
    return PreparedAnswer(prepared=[PreparedView(hash=e.hash, blob=e.blob, bytes=e.bytes) for e in found])


def _manifests(state: AppState) -> list[Digest]:
    newest_first = sorted(state.bundles.values(), key=lambda bundle: bundle.published, reverse=True)
    plain = (bundle.manifest for bundle in newest_first if bundle.encryption is None)
    return [manifest for manifest in plain if manifest is not None][:BUNDLES_LIMIT]


def _find(store: ObjectStore, manifests: Iterable[Digest], packing: str, wanted: set[Digest]) -> list[FileEntry]:
    found: dict[Digest, FileEntry] = {}
    for digest in manifests:
        for entry in _read(store, digest, packing):
            known = found.get(entry.hash)
            smaller = known is None or entry.bytes < known.bytes
            if entry.hash in wanted and smaller and store.has(blob_key(entry.blob)):
                found[entry.hash] = entry
    return list(found.values())


def _read(store: ObjectStore, digest: Digest, packing: str) -> tuple[FileEntry, ...]:
    try:
        return packed_entries(read_blob(store, digest, "a manifest"), packing)
    except Unavailable:
        return ()  # lost: the publisher compresses again, and so mends it


OPERATIONS = (
    Operation(
        name="list_prepared_blobs",
        method="POST",
        path="/v1/apps/{app}/blobs/prepared",
        summary="Tell which plain files were compressed before in the same way, and as which blobs",
        permission=Permission.UPLOAD_BUNDLES,
        handle=handle_prepared,
        answer=PreparedAnswer,
        body=PreparedRequest,
        body_limit_bytes=MISSING_LIMIT_BYTES,
    ),
)
