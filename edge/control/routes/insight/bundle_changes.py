"""What changed between two bundles of an app, and what it costs a device to go from one to the other."""

from collections.abc import Sequence

import msgspec

from edge.control.access.roles import Permission
from edge.control.calls import Call, load_app
from edge.control.operations import Operation, parse_number
from edge.control.routes.bundles import read_files
from edge.control.shapes.insight.bundle_changes import BundleChangesView, FileChangeView, FileGroupView
from edge.control.work_queue import encode_look
from edge.domain.decision.foresight.bundle_changes import ChangedFile, FileFate, compare_files
from edge.domain.errors import Conflict, Malformed
from edge.domain.model import AppState, Bundle, FileEntry
from edge.domain.states import bundle_of
from edge.store.objects.port import ObjectStore

FILES_DEFAULT, FILES_LIMIT = 100, 20_000  # listed; the most that a bundle can have


async def handle_compare(call: Call[None]) -> msgspec.Raw:
    """Raises Malformed `missing_than`, NotFound `unknown_bundle`, Conflict `unknown_files`."""
    state = await load_app(call)
    limit = parse_number(call.request, "files", FILES_DEFAULT, 0, FILES_LIMIT)
    before = call.request.query.get("than")
    if before is None:
        raise Malformed("missing_than", "missing parameter than: the version to compare with")
    older, newer = bundle_of(state, before), bundle_of(state, call.part("version"))
    return await encode_look(call.request, lambda: _compare(call.ports.store, state, older, newer, limit))


def _compare(store: ObjectStore, state: AppState, older: Bundle, newer: Bundle, limit: int) -> BundleChangesView:
    files = compare_files(_files(store, older), _files(store, newer))
    listed = [each for each in files if each.fate is not FileFate.SAME]
    return BundleChangesView(
        app=state.app,
        before=older.version,
        version=newer.version,
        download_bytes=sum(each.download_bytes for each in files),
        zip_bytes=newer.zip_bytes,
        added=_group(files, FileFate.ADDED),
        changed=_group(files, FileFate.CHANGED),
        removed=_group(files, FileFate.REMOVED),
        same=_group(files, FileFate.SAME),
        files=[FileChangeView(**each._asdict()) for each in listed[:limit]],
        more_files=max(0, len(listed) - limit),
    )


def _group(files: Sequence[ChangedFile], fate: FileFate) -> FileGroupView:
    found = [each for each in files if each.fate is fate]
    sizes = (each.was_bytes if fate is FileFate.REMOVED else each.bytes for each in found)
    return FileGroupView(files=len(found), bytes=sum(each or 0 for each in sizes))


def _files(store: ObjectStore, bundle: Bundle) -> tuple[FileEntry, ...]:
    if bundle.manifest is None:
        raise Conflict(
            "unknown_files", f"the files of bundle {bundle.version!r} are unknown: it was encrypted elsewhere"
        )
    return read_files(store, bundle.manifest)


OPERATIONS = (
    Operation(
        name="compare_bundles",
        method="GET",
        path="/v1/apps/{app}/bundles/{version}/changes",
        summary="Compare a bundle with another: files added, changed and gone, and what a device downloads",
        permission=Permission.READ_APP,
        handle=handle_compare,
        answer=BundleChangesView,
        query=("than", "files"),
        refusals=(409,),
    ),
)
