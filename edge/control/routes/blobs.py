"""The blobs that bundles are made of: which are missing, which are prepared already, and their upload.

Prepared files are found in the manifests of the newest bundles, which name how each file was compressed. Only files
compressed in the requested way are listed, so that the same folder goes on to give the same bundle; of several forms
the smallest wins.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from edge.bundles.limits import BLOB_LIMIT_BYTES
from edge.bundles.patches.dcz import PATCHED_LIMIT_BYTES
from edge.control.access.roles import Permission
from edge.control.calls import Call, check_app, load_app
from edge.control.operations import Operation
from edge.control.shapes.bundles import (
    BlobStored,
    MissingAnswer,
    MissingRequest,
    PreparedAnswer,
    PreparedRequest,
    PreparedView,
)
from edge.control.uploads import copy_blob, receive_blob
from edge.control.work_queue import encode_look, take_look
from edge.domain.errors import Invalid, NotFound, TooLarge, Unavailable
from edge.domain.manifest import FILE_COUNT_LIMIT, packed_entries, read_manifest
from edge.domain.model import AppState, Digest, FileEntry, VersionName, parse_digest
from edge.store.blobs import read_blob
from edge.store.healing import Kept
from edge.store.objects.port import ObjectStore, blob_key

MISSING_LIMIT = FILE_COUNT_LIMIT + 2  # digests per request: every file of the largest bundle, its manifest and its zip
MISSING_LIMIT_BYTES = 2 * 1024 * 1024  # so many digests in JSON are 1.4 MB
BUNDLES_LIMIT = 10  # manifests read for one answer, newest first: an older file is rarely the same
DOWNLOAD_LIMIT_BYTES = PATCHED_LIMIT_BYTES  # held in memory, by LOOKS_AT_ONCE requests at a time
PACKING_LIMIT = 100  # characters of a label


async def handle_missing(call: Call[MissingRequest]) -> msgspec.Raw:
    """The blobs still to be uploaded, in the order of the request, each once. One whose stored bytes are wrong is
    missing, too: its upload heals it."""
    await check_app(call)
    store = call.ports.store
    wanted, held = await asyncio.to_thread(_find_held, store, call.body.digests)
    proofs = call.ports.proofs
    await proofs.prove_all(held, call.app)

    def list_missing() -> MissingAnswer:
        with store.referring():  # or one could be collected after it was looked for
            there = {each for each in held if not proofs.is_damaged(each) and store.has(blob_key(each))}
            store.promise(there)
        return MissingAnswer(missing=[each for each in wanted if each not in there])

    return await encode_look(call.request, list_missing)


def _find_held(store: ObjectStore, texts: list[str]) -> tuple[list[Digest], set[Digest]]:
    wanted = _parse_digests(texts)
    return wanted, {digest for digest in wanted if store.has(blob_key(digest))}


async def handle_prepared(call: Call[PreparedRequest]) -> msgspec.Raw:
    """Those of these plain files that the node has compressed in this way."""
    if not 0 < len(call.body.packing) <= PACKING_LIMIT:
        raise Invalid("invalid_packing", f"invalid packing label: use 1 to {PACKING_LIMIT} characters")
    state = await load_app(call)

    def find() -> list[FileEntry]:
        wanted = set(_parse_digests(call.body.digests))
        return _find(call.ports.store, _manifests(state), call.body.packing, wanted)

    found, proofs = await take_look(call.request, find), call.ports.proofs
    await proofs.prove_all((entry.blob for entry in found), call.app)

    def list_prepared() -> PreparedAnswer:
        whole = (each for each in found if not proofs.is_damaged(each.blob))  # the publisher repairs the others
        return PreparedAnswer(prepared=[PreparedView(hash=e.hash, blob=e.blob, bytes=e.bytes) for e in whole])

    return await encode_look(call.request, list_prepared)


async def handle_upload(call: Call[None]) -> BlobStored:
    digest = parse_digest(call.part("digest"))
    await check_app(call)
    size = call.stream.content_length
    quota, token, now = call.ports.quota, call.grant.name, call.ports.clock.now()
    with quota.reserve(token, BLOB_LIMIT_BYTES if size is None else size, now):
        received, kept = await receive_blob(call.stream, call.ports.store, digest)
        if kept is Kept.NEW:
            await asyncio.to_thread(quota.add, token, digest, received, now)
    await call.ports.proofs.note_upload(digest, call.app)
    return BlobStored(digest=digest, bytes=received)


async def keep_local(call: Call[None], file: Path) -> BlobStored:
    """As `handle_upload`, of a file on this machine that somebody else wrote: it is copied, and what was copied is what
    must have the digest. Raises as that."""
    digest = parse_digest(call.part("digest"))
    await check_app(call)
    quota, token, now = call.ports.quota, call.grant.name, call.ports.clock.now()
    size = (await asyncio.to_thread(file.stat)).st_size
    with quota.reserve(token, size, now):
        received, kept = await asyncio.to_thread(copy_blob, call.ports.store, digest, file)
        if kept is Kept.NEW:
            await asyncio.to_thread(quota.add, token, digest, received, now)
    await call.ports.proofs.note_upload(digest, call.app)
    return BlobStored(digest=digest, bytes=received)


async def handle_download(call: Call[None]) -> bytes:
    """A stored file of a bundle, for who makes patches from it. Raises NotFound `unknown_bundle`, `unknown_blob`;
    TooLarge `blob_too_large`."""
    digest, state = parse_digest(call.part("digest")), await load_app(call)
    bundle = state.bundles.get(VersionName(call.part("version")))
    if bundle is None:
        raise NotFound("unknown_bundle", f"unknown bundle {call.part('version')!r} for app {state.app!r}")

    def read() -> bytes:
        store, manifest = call.ports.store, bundle.manifest
        if manifest is None or digest not in {e.blob for e in read_manifest(read_blob(store, manifest, "a manifest"))}:
            raise NotFound("unknown_blob", f"{digest} is no file of bundle {bundle.version!r}")
        with suppress(FileNotFoundError):
            if store.path(blob_key(digest)).stat().st_size > DOWNLOAD_LIMIT_BYTES:
                raise TooLarge("blob_too_large", f"{digest} has more than {DOWNLOAD_LIMIT_BYTES} bytes")
        return read_blob(store, digest, f"a file of bundle {bundle.version}")

    return await take_look(call.request, read)


def _parse_digests(texts: list[str]) -> list[Digest]:
    """Each once. Raises Invalid `too_many_digests`, `invalid_digest`."""
    if len(texts) > MISSING_LIMIT:
        raise Invalid("too_many_digests", f"{len(texts)} digests exceed the limit of {MISSING_LIMIT} per request")
    return [parse_digest(text) for text in dict.fromkeys(texts)]


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
        return ()  # lost: the publisher compresses again, which repairs it


OPERATIONS = (
    Operation(
        name="list_missing_blobs",
        method="POST",
        path="/v1/apps/{app}/blobs/missing",
        summary="List which of these blobs are still to be uploaded",
        permission=Permission.UPLOAD_BUNDLES,
        handle=handle_missing,
        answer=MissingAnswer,
        body=MissingRequest,
        body_limit_bytes=MISSING_LIMIT_BYTES,
    ),
    Operation(
        name="list_prepared_blobs",
        method="POST",
        path="/v1/apps/{app}/blobs/prepared",
        summary="List which of these plain files are stored already, compressed in the same way",
        permission=Permission.UPLOAD_BUNDLES,
        handle=handle_prepared,
        answer=PreparedAnswer,
        body=PreparedRequest,
        body_limit_bytes=MISSING_LIMIT_BYTES,
    ),
    Operation(
        name="upload_blob",
        method="PUT",
        path="/v1/apps/{app}/blobs/{digest}",
        summary="Upload a blob; its SHA-256 must equal the digest in the address",
        permission=Permission.UPLOAD_BUNDLES,
        handle=handle_upload,
        answer=BlobStored,
        body_limit_bytes=BLOB_LIMIT_BYTES,
        streams="application/octet-stream",
        refusals=(413, 429),
    ),
    Operation(
        name="download_bundle_file",
        method="GET",
        path="/v1/apps/{app}/bundles/{version}/blobs/{digest}",
        summary="Download a stored file of a bundle, to make patches from it",
        permission=Permission.UPLOAD_BUNDLES,
        handle=handle_download,
        answer=bytes,
        content_type="application/octet-stream",
        refusals=(413,),
    ),
)
