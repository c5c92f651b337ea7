"""The bundles of an app: list, publish, show, withdraw, delete. `bundle_verification` proves what publishers claim."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import msgspec
from msgspec.structs import asdict

from edge.control.access.effects import check_offering
from edge.control.access.roles import Permission
from edge.control.bundle_verification import (
    ParsedPublish,
    ProvenBundle,
    PublishedBefore,
    parse_publish,
    prove_bundle,
    published_before,
)
from edge.control.calls import Call, ChangeResult, announce_blobs, commit, load_app
from edge.control.operations import Operation, parse_number
from edge.control.routes.channels import view_replaced
from edge.control.routes.rollouts import parse_plan, view_rollout
from edge.control.shapes.bundles import (
    BundleChanged,
    BundleDeleted,
    BundleDetail,
    BundlePublished,
    BundleUseView,
    BundleView,
    EncryptionView,
    FileView,
    PublishRequest,
    view_store_warnings,
    view_zip_notes,
)
from edge.control.shapes.common import WHOLE_LIMIT
from edge.control.shapes.rollouts import RolloutView, WithdrawRequest
from edge.control.upload_quota import PLAIN
from edge.control.work_queue import VERIFICATIONS, encode_look
from edge.domain.changes.commands import DeleteBundle, PublishBundle, WithdrawBundle
from edge.domain.decision.foresight.bundle_uses import BundleUse, UsedBundle, uses_of
from edge.domain.errors import Invalid, NotFound, Unavailable
from edge.domain.manifest import parse_manifest
from edge.domain.model import AppState, Bundle, ChannelName, Digest, Encryption, FileEntry, VersionName
from edge.domain.patches.document import parse_patches
from edge.domain.shares import format_share
from edge.store.blobs import read_blob
from edge.store.objects.port import ObjectStore, blob_key
from edge.store.stored_document import Untrusted

LIST_STATES = ("offered", "kept", "withdrawn")
LOST = (Unavailable, Untrusted, Invalid, OSError)  # what reading a stored document raises that is not whole


Uses = Mapping[VersionName, list[UsedBundle]]


async def handle_list(call: Call[None]) -> list[BundleView]:
    """Newest first. Raises NotFound `unknown_bundle` if the bundle after which the page begins is gone."""
    state, query = await load_app(call), call.request.query
    limit = parse_number(call.request, "first", WHOLE_LIMIT, 1, WHOLE_LIMIT)
    uses, wanted, find = _uses(call, state), query.get("state"), query.get("find", "")
    if wanted not in (None, *LIST_STATES):
        raise Invalid("invalid_state", f"invalid state: use {', '.join(LIST_STATES)}")
    newest_first = sorted(state.bundles.values(), key=_by_time, reverse=True)
    if "older_than" in query:
        last = _by_time(_bundle(state, query["older_than"]))
        newest_first = [bundle for bundle in newest_first if _by_time(bundle) < last]
    found = (each for each in newest_first if find in each.version and wanted in (None, _state_of(each, uses)))
    return [_view(bundle, uses) for bundle in islice(found, limit)]


def _by_time(bundle: Bundle) -> tuple[float, str]:
    return bundle.published, bundle.version


def _state_of(bundle: Bundle, uses: Uses) -> str:
    if bundle.withdrawn:
        return "withdrawn"
    used = (each.use for each in uses.get(bundle.version, ()))
    return "offered" if any(each is not BundleUse.WAY_BACK for each in used) else "kept"


async def handle_publish(call: Call[PublishRequest]) -> BundlePublished:
    wanted = parse_publish(call.body)
    state = await load_app(call)  # before the work, not after
    before = published_before(state, wanted.version, call.body.channel)
    if call.body.channel is not None:
        check_offering(call.grant, state, call.body.channel, rolls_out=call.body.rollout is not None)
    async with call.request.app[VERIFICATIONS].turn():  # held to the end: after the commit, nothing may be refused
        proven = await _prove(call, wanted, before)
        bundle = await _keep_whole_patches(call, proven.bundle, state.bundles.get(wanted.version))
        body = call.body
        command = PublishBundle(
            bundle=bundle,
            channel=body.channel,
            force=body.force,
            downgrade=body.downgrade,
            again=body.again,
            if_current=body.if_current,
            rollout=None if body.rollout is None else parse_plan(body.rollout),
        )
        if call.rehearsal is None:
            await announce_blobs(call, call.app, command)
        # Read ahead of the swap, so that no device waits for it.
        await call.ports.proofs.prove_all(await asyncio.to_thread(_blobs_of, call.ports.store, bundle), call.app)
        committed = await commit(call, call.app, command)
        changed = _changed(call, committed, wanted.version, body.channel)
        known = _bundle(committed.state, wanted.version)
        entries, patches = await asyncio.to_thread(_what_is_left, call.ports.store, known, bundle.manifest)
        if call.rehearsal is None:
            blobs = (known.zip, known.manifest or "", PLAIN + known.zip, *(entry.blob for entry in entries), *patches)
            await asyncio.to_thread(call.ports.quota.release, blobs)
        rollout = _rollout_of(call, committed.state, wanted.version, body.channel)
        return BundlePublished(
            **asdict(changed),
            zip_instead=view_zip_notes(known, entries),
            store_warnings=view_store_warnings(proven.store_warnings),
            rollout=rollout,
        )


def _rollout_of(call: Call[Any], state: AppState, version: str, channel: str | None) -> RolloutView | None:
    """That of the bundle on the channel, if one is under way."""
    found = state.channels.get(ChannelName(channel)) if channel is not None else None
    if found is None or found.rollout is None or not found.rollout.phase.is_active or found.rollout.bundle != version:
        return None
    return view_rollout(found, found.rollout, call.ports.clock.moment(call.app).proven)


async def _prove(call: Call[PublishRequest], wanted: ParsedPublish, before: PublishedBefore) -> ProvenBundle:
    """What the node itself stores of a bundle counts as the token's upload until it is published."""
    quota, token, now = call.ports.quota, call.grant.name, call.ports.clock.now()
    with quota.reserve(token, 0, now):
        prove = partial(prove_bundle, writes=call.rehearsal is None)
        proven = await asyncio.to_thread(prove, call.ports.store, wanted, call.body, before)
        bundle = proven.bundle
        if bundle.plain_files and call.rehearsal is None:
            await asyncio.to_thread(quota.add, token, PLAIN + bundle.zip, bundle.plain_bytes, now)
        return proven


async def _keep_whole_patches(call: Call[PublishRequest], bundle: Bundle, known: Bundle | None) -> Bundle:
    """The bundle, without its patches if it was published before with others that are whole: those stay."""
    if known is None or bundle.patches is None or known.patches in (None, bundle.patches):
        return bundle
    store, proofs = call.ports.store, call.ports.proofs
    try:
        patches = await asyncio.to_thread(_patches_of, store, known)
    except LOST:
        return bundle
    await proofs.prove_all(patches, call.app)
    is_whole = not any(proofs.is_damaged(each) or not store.has(blob_key(each)) for each in patches)
    return replace(bundle, patches=None) if is_whole else bundle


async def handle_show(call: Call[None]) -> msgspec.Raw:
    """With its files, in the order of the manifest."""
    state = await load_app(call)
    bundle = _bundle(state, call.part("version"))

    def view_files() -> BundleDetail:
        files = [FileView(**file._asdict()) for file in read_files(call.ports.store, bundle.manifest)]
        patches = _patches_left(call.ports.store, bundle)
        return BundleDetail(**asdict(_view(bundle, _uses(call, state))), entries=files, patch_blobs=list(patches))

    return await encode_look(call.request, view_files)


async def handle_delete(call: Call[None]) -> BundleDeleted:
    version = call.part("version")
    committed = await commit(call, call.app, DeleteBundle(version=version))
    state = committed.state
    return BundleDeleted(app=state.app, revision=state.revision, changed=committed.changed, version=version)


async def handle_withdraw(call: Call[WithdrawRequest]) -> BundleChanged:
    version = call.part("version")
    committed = await commit(call, call.app, WithdrawBundle(version=version, reason=call.body.reason))
    return _changed(call, committed, version)


def _changed(call: Call[Any], committed: ChangeResult, version: str, channel: str | None = None) -> BundleChanged:
    state = committed.state
    return BundleChanged(
        **asdict(_view(_bundle(state, version), _uses(call, state))),
        app=state.app,
        revision=state.revision,
        changed=committed.changed,
        added=committed.changed and (committed.before is None or version not in committed.before.bundles),
        replaced=view_replaced(committed, channel),
    )


def _bundle(state: AppState, version: str) -> Bundle:
    """Raises NotFound `unknown_bundle`, also for a repeated publish whose bundle has been deleted since."""
    bundle = state.bundles.get(VersionName(version))
    if bundle is None:
        raise NotFound("unknown_bundle", f"unknown bundle {version!r} for app {state.app!r}")
    return bundle


def _uses(call: Call[Any], state: AppState) -> Uses:
    return uses_of(state, call.ports.clock.moment(state.app))


def _encryption_view(encryption: Encryption | None, verified: bool) -> EncryptionView | None:
    if encryption is None:
        return None
    return EncryptionView(
        session_key=encryption.session_key,
        checksum=encryption.checksum,
        key_id=encryption.key_id,
        verified=verified,
    )


def _view(bundle: Bundle, uses: Uses) -> BundleView:
    verified, used = bundle.manifest is not None, uses.get(bundle.version, [])
    return BundleView(
        version=bundle.version,
        content=bundle.content,
        zip=bundle.zip,
        zip_bytes=bundle.zip_bytes,
        zip_crc32=bundle.zip_crc32,
        manifest=bundle.manifest,
        patches=bundle.patches,
        files=bundle.files if verified else None,
        plain_bytes=bundle.plain_bytes if verified else None,
        min_native=bundle.min_native,
        max_native=bundle.max_native,
        link=bundle.link,
        comment=bundle.comment,
        encrypted=bundle.encryption is not None,
        encryption=_encryption_view(bundle.encryption, verified),
        published=bundle.published,
        withdrawn=bundle.withdrawn,
        channels=[each.channel for each in used if each.use is BundleUse.ALL],
        uses=[
            BundleUseView(channel=each.channel, use=each.use, share=format_share(each.share), arm=each.arm)
            for each in used
        ],
    )


def _blobs_of(store: ObjectStore, bundle: Bundle) -> list[Digest]:
    """All that devices may fetch of the bundle, and its manifest."""
    blobs = [bundle.zip, *([bundle.manifest] if bundle.manifest else [])]
    for entry in read_files(store, bundle.manifest):
        blobs += [entry.blob, entry.hash] if bundle.plain_files else [entry.blob]
    return [*blobs, *_patches_of(store, bundle)]


def _patches_of(store: ObjectStore, bundle: Bundle) -> list[Digest]:
    """The patches' document and blobs."""
    if bundle.patches is None:
        return []
    listed = parse_patches(read_blob(store, bundle.patches, "a patches document"))
    return [bundle.patches, *(patch.blob for patch in listed)]


def _patches_left(store: ObjectStore, bundle: Bundle) -> list[Digest]:
    """The patches' document and blobs, the document alone if it cannot be read."""
    try:
        return _patches_of(store, bundle)
    except LOST:
        return [bundle.patches] if bundle.patches else []


def _what_is_left(
    store: ObjectStore, known: Bundle, proven: Digest | None
) -> tuple[tuple[FileEntry, ...], list[Digest]]:
    """The files and patches of what is published: `known`, from files with the manifest `proven`.

    Nothing may fail after the commit, whatever is lost of an earlier publish. The files are the same in any manifest.
    """
    for manifest in (known.manifest, proven):
        with suppress(*LOST):
            return read_files(store, manifest), _patches_left(store, known)
    return (), _patches_left(store, known)


def read_files(store: ObjectStore, manifest: Digest | None) -> tuple[FileEntry, ...]:
    """The entries of a stored manifest; none without one. Blocks; raises what is in LOST."""
    if manifest is None:
        return ()
    return parse_manifest(read_blob(store, manifest, "a manifest"))


OPERATIONS = (
    Operation(
        name="list_bundles",
        method="GET",
        path="/v1/apps/{app}/bundles",
        summary="List the bundles, newest first; for the next page, set `older_than` to the last one listed",
        permission=Permission.READ_APP,
        handle=handle_list,
        answer=list[BundleView],
        query=("first", "older_than", "find", "state"),
    ),
    Operation(
        name="publish_bundle",
        method="POST",
        path="/v1/apps/{app}/bundles",
        summary="Publish a bundle whose blobs are uploaded; the server verifies every byte",
        permission=Permission.UPLOAD_BUNDLES,
        handle=handle_publish,
        answer=BundlePublished,
        body=PublishRequest,
        changes=True,
    ),
    Operation(
        name="show_bundle",
        method="GET",
        path="/v1/apps/{app}/bundles/{version}",
        summary="Show a bundle with its files",
        permission=Permission.READ_APP,
        handle=handle_show,
        answer=BundleDetail,
    ),
    Operation(
        name="delete_bundle",
        method="DELETE",
        path="/v1/apps/{app}/bundles/{version}",
        summary="Delete a bundle that no channel offers",
        permission=Permission.DELETE_BUNDLES,
        handle=handle_delete,
        answer=BundleDeleted,
        changes=True,
    ),
    Operation(
        name="withdraw_bundle",
        method="POST",
        path="/v1/apps/{app}/bundles/{version}/withdraw",
        summary="Stop offering a bundle on every channel, for good, and move its devices to the last good one",
        permission=Permission.ROLL_BACK,
        handle=handle_withdraw,
        answer=BundleChanged,
        body=WithdrawRequest,
        changes=True,
    ),
)
