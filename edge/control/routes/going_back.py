"""Ways back: a channel to what it offered before, an app to what it was before its last change."""

import asyncio

from msgspec.structs import asdict

from edge.control.calls import Call, commit, require, weigh
from edge.control.operations import Operation
from edge.control.roles import Permission
from edge.control.routes.apps import view_line
from edge.control.routes.channels import view_changed
from edge.control.shapes.apps import UndoDone
from edge.control.shapes.channels import ChannelRolledBack
from edge.control.shapes.rollouts import RollbackRequest, UndoRequest
from edge.domain.changes.commands import RollBack, Undo
from edge.domain.model import AppState


async def handle_rollback(call: Call[RollbackRequest]) -> ChannelRolledBack:
    """Rolled back first, counted afterwards."""
    name = call.part("name")
    done = await commit(call, call.app, RollBack(channel=name, to=call.body.to))
    return ChannelRolledBack(**asdict(view_changed(done, name)), impact=await weigh(call, done))


async def handle_undo(call: Call[UndoRequest]) -> UndoDone:
    """What is undone is named before: if the head moves meanwhile, `apply` refuses."""

    def permit(undone: AppState, earlier: AppState) -> None:
        if undone.deleted != earlier.deleted:
            require(call, Permission.DELETE_APP)

    (latest,) = await asyncio.to_thread(call.ports.releases.history, call.app, 1)
    wanted = latest.number if call.body.revision is None else call.body.revision
    committed = await commit(
        call, call.app, Undo(revision=wanted, force=call.body.force, latest=call.body.revision is None), permit
    )
    state = committed.state
    return UndoDone(
        app=state.app,
        revision=state.revision,
        changed=committed.changed,
        undone=view_line(latest) if committed.changed and latest.number == wanted else None,
    )


OPERATIONS = (
    Operation(
        name="roll_channel_back",
        method="POST",
        path="/v1/apps/{app}/channels/{name}/rollback",
        summary="End what is on its way to a channel, or offer what it offered before",
        permission=Permission.CHANGE_APP,
        handle=handle_rollback,
        answer=ChannelRolledBack,
        body=RollbackRequest,
        changes=True,
    ),
    Operation(
        name="undo",
        method="POST",
        path="/v1/apps/{app}/undo",
        summary="Take back the app's last change, of any kind, as a new revision",
        permission=Permission.CHANGE_APP,
        handle=handle_undo,
        answer=UndoDone,
        body=UndoRequest,
        changes=True,
    ),
)
