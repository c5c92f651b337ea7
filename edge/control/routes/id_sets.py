"""The id sets of an app: list, show, upload, delete. The node keeps hashes of the ids, never the list itself."""

import asyncio
from pathlib import Path

import msgspec
from msgspec.structs import asdict

from edge.control.access.roles import Permission
from edge.control.calls import Call, commit, load_app
from edge.control.operations import Operation
from edge.control.shapes.targeting import IdSetChanged, IdSetDeleted, IdSetView
from edge.control.uploads import receive_file
from edge.control.work_queue import VERIFICATIONS
from edge.domain.changes import segments as segment_changes
from edge.domain.changes.commands import DeleteIdSet, PutIdSet
from edge.domain.model import Digest, StoredIdSet
from edge.domain.states import id_set_of
from edge.domain.targeting.id_sets import IDS_TEXT_LIMIT_BYTES, encode_id_set, parse_id_set, parse_ids
from edge.store.healing import keep_bytes
from edge.store.objects.port import ObjectStore
from edge.store.stored_document import digest_of

_ANY_BLOB = Digest("0" * 64)


def _view(held: StoredIdSet) -> IdSetView:
    return msgspec.convert(held, IdSetView, from_attributes=True)


async def handle_list(call: Call[None]) -> list[IdSetView]:
    """By name."""
    state = await load_app(call)
    return [_view(held) for _, held in sorted(state.id_sets.items())]


async def handle_show(call: Call[None]) -> IdSetView:
    return _view(id_set_of(await load_app(call), call.part("name")))


async def handle_put(call: Call[None]) -> IdSetChanged:
    name, store = call.part("name"), call.ports.store
    # Refuse what the change would refuse before megabytes are read; nothing is left in the store then.
    segment_changes.carry_out(await load_app(call), PutIdSet(name=name, blob=_ANY_BLOB, ids=0))
    turn = call.request.app[VERIFICATIONS].turn()
    async with receive_file(call.stream, store, IDS_TEXT_LIMIT_BYTES) as file, turn:
        put = await asyncio.to_thread(_store_ids, None if call.rehearsal is not None else store, name, file.path)
    committed = await commit(call, call.app, put)
    state = committed.state
    view = _view(id_set_of(state, name))  # not found: a repeated command whose set has been deleted since
    return IdSetChanged(**asdict(view), app=state.app, revision=state.revision, changed=committed.changed)


async def handle_delete(call: Call[None]) -> IdSetDeleted:
    name = call.part("name")
    committed = await commit(call, call.app, DeleteIdSet(name=name))
    state = committed.state
    return IdSetDeleted(app=state.app, revision=state.revision, changed=committed.changed, name=name)


def _store_ids(store: ObjectStore | None, name: str, file: Path) -> PutIdSet:
    """Data before pointer: the set is in the store before a revision names it. `store` is None in a dry run, which
    leaves nothing behind. Takes a second of CPU for a million ids."""
    blob = encode_id_set(parse_ids(file.read_bytes()))
    digest = digest_of(blob) if store is None else keep_bytes(store, blob)
    return PutIdSet(name=name, blob=digest, ids=len(parse_id_set(blob)))


OPERATIONS = (
    Operation(
        name="list_id_sets",
        method="GET",
        path="/v1/apps/{app}/id-sets",
        summary="List the id sets by name",
        permission=Permission.READ_APP,
        handle=handle_list,
        answer=list[IdSetView],
    ),
    Operation(
        name="show_id_set",
        method="GET",
        path="/v1/apps/{app}/id-sets/{name}",
        summary="Show how many ids a set holds",
        permission=Permission.READ_APP,
        handle=handle_show,
        answer=IdSetView,
    ),
    Operation(
        name="put_id_set",
        method="PUT",
        path="/v1/apps/{app}/id-sets/{name}",
        summary="Create or replace an id set: device ids or custom ids in UTF-8, one per line",
        permission=Permission.CHANGE_SEGMENTS,
        handle=handle_put,
        answer=IdSetChanged,
        body_limit_bytes=IDS_TEXT_LIMIT_BYTES,
        changes=True,
        streams="text/plain",
    ),
    Operation(
        name="delete_id_set",
        method="DELETE",
        path="/v1/apps/{app}/id-sets/{name}",
        summary="Delete an id set that no segment uses",
        permission=Permission.CHANGE_SEGMENTS,
        handle=handle_delete,
        answer=IdSetDeleted,
        changes=True,
    ),
)
