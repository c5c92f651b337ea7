"""Apps: list, create, show, delete, their event keys, their history of revisions, and undo of the latest one."""

import asyncio
import re
import secrets
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import msgspec
from msgspec.structs import asdict

from edge.control.access.judging.approvers import Approvers
from edge.control.access.judging.giving import organisation_for
from edge.control.access.people_document import owner_of
from edge.control.access.roles import CHANGES, Permission
from edge.control.calls import Call, commit, load_app
from edge.control.operations import Operation, parse_number
from edge.control.proposing import approval_warnings, approvers
from edge.control.routes.administration.push_credentials import forget_push
from edge.control.routes.channels import view_channel
from edge.control.shapes.apps import (
    AlteredView,
    AppChanged,
    AppDeleted,
    AppRequest,
    AppSummary,
    AppView,
    EventKeyRequest,
    EventKeysChanged,
    EventKeyView,
    HistoryEntry,
    PutBackDone,
    PutBackRequest,
    UndoDone,
)
from edge.control.shapes.common import WHOLE_LIMIT
from edge.control.shapes.impact import view_channel_impact
from edge.control.shapes.rollouts import UndoRequest
from edge.domain.app_parts.protection import WHOLE_APP
from edge.domain.changes.commands import Command, CreateApp, DeleteApp, MakeEventKey, RemoveEventKeys, Undo
from edge.domain.changes.going_back.putting_back import plan_putting_back
from edge.domain.errors import Conflict, EdgeError, NotFound
from edge.domain.model import AppId, AppState, ChannelName, Phase, parse_app_id
from edge.store.damage import REPAIR
from edge.store.reading import ReleaseReader
from edge.store.releases import Head
from edge.store.revision_document import RevisionLine

EVENT_KEY_BYTES = 18  # of chance: 24 characters
HISTORY_DEFAULT = 50
HISTORY_LIMIT = 1_000  # revisions per answer; each is read from the store and verified
HIDDEN = "device=(hidden)"  # of a summary, for who may not look up devices

_OF_ONE_DEVICE = frozenset({"set_override", "clear_override"})
_DEVICE = re.compile(r"device=\S+")  # ids have no spaces


async def handle_list(call: Call[None]) -> list[AppSummary]:
    """Apps that the token may read, by id; an app that is damaged is listed all the same."""

    def summarize_all() -> list[AppSummary]:
        releases, now, found = call.ports.releases, call.ports.clock.now(), cache(partial(approvers, call.ports))
        readable = sorted((app, head) for app, head in releases.heads().items() if _is_listed(call, app, head))
        return [_summarize(releases, app, head, now, found) for app, head in readable]

    return await asyncio.to_thread(summarize_all)


async def handle_create(call: Call[AppRequest]) -> AppChanged:
    """It belongs to the caller's organisation from then on, or the one that is named. A repeat finishes what a crash
    in between left undone, unless the app has gone on."""
    app, people = parse_app_id(call.body.app), call.ports.people
    document = await asyncio.to_thread(people.last_good)
    existed = await asyncio.to_thread(_existed, call, app)
    owner = organisation_for(document, call.grant, app, call.body.organisation, existed=existed)
    committed = await commit(call, app, CreateApp(app=app, expose_metadata=call.body.expose_metadata))
    if committed.changed:
        await forget_push(call, app)
    made = committed.changed or committed.state.revision == 1
    if call.rehearsal is None and made and owner_of(document, app) != owner:
        await asyncio.to_thread(people.own_created, owner, app)
    if committed.state.deleted:  # a repeated command whose app has been deleted since
        raise NotFound("unknown_app", f"unknown app {app!r}: it was deleted")
    return AppChanged(**asdict(_view(committed.state, call.ports.clock.now())), changed=committed.changed)


def _existed(call: Call[Any], app: AppId) -> bool:
    """Also a deleted one. Blocks."""
    try:
        call.ports.releases.last_head(app)
    except NotFound:
        return False
    return True


async def handle_show(call: Call[None]) -> AppView:
    state = await load_app(call)
    warnings = await asyncio.to_thread(approval_warnings, state, partial(approvers, call.ports))
    return msgspec.structs.replace(_view(state, call.ports.clock.now()), approval_warnings=warnings)


async def handle_delete(call: Call[None]) -> AppDeleted:
    committed = await commit(call, call.app, DeleteApp(app=call.app))
    await forget_push(call, call.app)
    return AppDeleted(app=call.app, revision=committed.state.revision, changed=committed.changed)


async def handle_make_key(call: Call[EventKeyRequest]) -> EventKeysChanged:
    key = f"pk_{secrets.token_urlsafe(EVENT_KEY_BYTES)}"
    committed = await commit(call, call.app, MakeEventKey(key=key, keep_seconds=call.body.keep_seconds))
    return EventKeysChanged(app=call.app, revision=committed.state.revision, changed=committed.changed)


async def handle_remove_keys(call: Call[None]) -> EventKeysChanged:
    committed = await commit(call, call.app, RemoveEventKeys())
    return EventKeysChanged(app=call.app, revision=committed.state.revision, changed=committed.changed)


async def handle_history(call: Call[None]) -> list[HistoryEntry]:
    """Newest first."""
    limit = parse_number(call.request, "limit", HISTORY_DEFAULT, 1, HISTORY_LIMIT)
    before = parse_number(call.request, "before", WHOLE_LIMIT, 1, WHOLE_LIMIT)
    lines = await asyncio.to_thread(call.ports.releases.history, call.app, limit, before)
    return [_view_line(call, line) for line in lines]


async def handle_undo(call: Call[UndoRequest]) -> UndoDone:
    """The revision to undo is fixed first: if the head moves in between, `apply` refuses."""
    (latest,) = await asyncio.to_thread(call.ports.releases.history, call.app, 1)
    wanted = latest.number if call.body.revision is None else call.body.revision
    committed = await commit(
        call, call.app, Undo(revision=wanted, force=call.body.force, latest=call.body.revision is None)
    )
    state = committed.state
    return UndoDone(
        app=state.app,
        revision=state.revision,
        changed=committed.changed,
        undone=_view_line(call, latest) if committed.changed and latest.number == wanted else None,
    )


async def handle_put_back(call: Call[PutBackRequest]) -> PutBackDone:
    """Raises NotFound `unknown_revision`, Conflict `cannot_put_back`, and what the command raises today."""

    def plan() -> tuple[RevisionLine, Command]:
        releases, number = call.ports.releases, call.body.revision
        line = next(iter(releases.history(call.app, 1, number + 1)), None)
        if line is None or line.number != number:
            raise NotFound("unknown_revision", f"app {call.app!r} has no revision {number}")
        if line.previous is None:
            raise Conflict("cannot_put_back", f"revision {number} is the app's first; delete the app instead")
        before = releases.load_revision(call.app, line.previous_number, line.previous)
        return line, plan_putting_back(before, releases.load_revision(call.app, number, line.digest))

    line, command = await asyncio.to_thread(plan)
    committed = await commit(call, call.app, command)
    return PutBackDone(
        app=call.app, revision=committed.state.revision, changed=committed.changed, put_back=_view_line(call, line)
    )


def _view_line(call: Call[Any], line: RevisionLine) -> HistoryEntry:
    may_see = line.kind not in _OF_ONE_DEVICE or call.grant.may(Permission.LOOK_UP_DEVICES, call.app)
    return HistoryEntry(
        revision=line.number,
        digest=line.digest,
        id=line.change_id,
        at=line.at,
        by=line.by,
        kind=line.kind,
        summary=line.summary if may_see else _DEVICE.sub(HIDDEN, line.summary),
        reason=line.reason,
        channels=[view_channel_impact(each) for each in line.channels],
        changes=[AlteredView(**each._asdict()) for each in line.changes],
        approved_by=line.approved_by,
        proposal=line.proposal,
        emergency=line.emergency,
    )


def _is_listed(call: Call[Any], app: str, head: Head) -> bool:
    return not head.deleted and call.grant.may(Permission.READ_APP, app)


def _summarize(
    releases: ReleaseReader, app: AppId, head: Head, now: float, found: Callable[[], Approvers]
) -> AppSummary:
    try:
        state = releases.load_revision(app, head.revision, head.digest)
    except (EdgeError, OSError) as error:
        damaged = f"revision {head.revision} cannot be read: {error}; {REPAIR}"
        return AppSummary(app=app, revision=head.revision, bundles=None, channels=None, overrides=None, damaged=damaged)
    return AppSummary(
        app=state.app,
        revision=state.revision,
        bundles=len(state.bundles),
        channels=len(state.channels),
        overrides=len(state.overrides),
        damaged=None,
        stopped=sum(
            each.rollout is not None and each.rollout.phase is Phase.PAUSED for each in state.channels.values()
        ),
        proposals=_waiting(state, now),
        approval_warnings=approval_warnings(state, found),
    )


def _waiting(state: AppState, now: float) -> int:
    """Proposals that somebody can still approve."""
    return sum(now < each.expires for each in state.proposals.values())


def _view(state: AppState, now: float) -> AppView:
    rule = state.approvals.get(ChannelName(WHOLE_APP))
    return AppView(
        app=state.app,
        revision=state.revision,
        expose_metadata=state.expose_metadata,
        bundles=len(state.bundles),
        overrides=len(state.overrides),
        channels=[view_channel(state, channel) for _, channel in sorted(state.channels.items())],
        proposals=_waiting(state, now),
        freezes=sum(now < each.ends for each in state.freezes),
        approval_people=rule.people if rule is not None else 1,
        approval_kinds=rule.kinds if rule is not None else (),
        event_keys=[EventKeyView(key=each.key, made=each.made, until=each.until or None) for each in state.event_keys],
    )


OPERATIONS = (
    Operation(
        name="list_apps",
        method="GET",
        path="/v1/apps",
        summary="List the apps that the token may read",
        permission=Permission.LIST_APPS,
        handle=handle_list,
        answer=list[AppSummary],
    ),
    Operation(
        name="create_app",
        method="POST",
        path="/v1/apps",
        summary="Create an app",
        permission=Permission.CREATE_APP,
        handle=handle_create,
        answer=AppChanged,
        body=AppRequest,
        changes=True,
        refusals=(404,),
    ),
    Operation(
        name="show_app",
        method="GET",
        path="/v1/apps/{app}",
        summary="Show an app: its channels, and how many bundles and overrides it has",
        permission=Permission.READ_APP,
        handle=handle_show,
        answer=AppView,
    ),
    Operation(
        name="delete_app",
        method="DELETE",
        path="/v1/apps/{app}",
        summary="Delete an app and everything in it but its history; its devices get no more updates",
        permission=Permission.DELETE_APP,
        handle=handle_delete,
        answer=AppDeleted,
        changes=True,
    ),
    Operation(
        name="make_event_key",
        method="POST",
        path="/v1/apps/{app}/event-keys",
        summary="Make the key that events of the app's own code need from now on; the former one is taken for a while",
        permission=Permission.CHANGE_APP,
        handle=handle_make_key,
        answer=EventKeysChanged,
        body=EventKeyRequest,
        changes=True,
    ),
    Operation(
        name="remove_event_keys",
        method="DELETE",
        path="/v1/apps/{app}/event-keys",
        summary="Take events of the app's own code without a key",
        permission=Permission.CHANGE_APP,
        handle=handle_remove_keys,
        answer=EventKeysChanged,
        changes=True,
    ),
    Operation(
        name="show_history",
        method="GET",
        path="/v1/apps/{app}/history",
        summary="List the app's revisions, newest first; for the next page, set `before` to the last one listed",
        permission=Permission.READ_APP,
        handle=handle_history,
        answer=list[HistoryEntry],
        query=("limit", "before"),
    ),
    Operation(
        name="undo",
        method="POST",
        path="/v1/apps/{app}/undo",
        summary="Undo the app's latest change, of any kind, in a new revision",
        permission=Permission.CHANGE_APP,
        or_else=CHANGES,
        handle=handle_undo,
        answer=UndoDone,
        body=UndoRequest,
        changes=True,
    ),
    Operation(
        name="put_back",
        method="POST",
        path="/v1/apps/{app}/put-back",
        summary="Put back what an older change altered, a segment, an override or a channel's settings, in a new one",
        permission=Permission.CHANGE_APP,
        or_else=CHANGES,
        handle=handle_put_back,
        answer=PutBackDone,
        body=PutBackRequest,
        changes=True,
    ),
)
