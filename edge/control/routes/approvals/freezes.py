"""Freezes: begin, list, end."""

from edge.control.access.roles import Permission
from edge.control.calls import Call, commit, load_app
from edge.control.operations import Operation
from edge.control.shapes.approvals.approval_shapes import FreezeRequest, FreezesChanged, FreezeView
from edge.domain.changes.approving.approval_commands import EndFreeze, StartFreeze
from edge.domain.model import AppState


async def handle_list(call: Call[None]) -> list[FreezeView]:
    return view_freezes(await load_app(call), call.ports.clock.now())


async def handle_start(call: Call[FreezeRequest]) -> FreezesChanged:
    body = call.body
    command = StartFreeze(
        begins=body.begins or 0.0,
        ends=body.ends,
        channels=tuple(body.channels),
        except_rollback=body.except_rollback,
    )
    return await _change(call, command)


async def handle_end(call: Call[None]) -> FreezesChanged:
    return await _change(call, EndFreeze(freeze=call.part("freeze")))


async def _change(call: Call[FreezeRequest] | Call[None], command: StartFreeze | EndFreeze) -> FreezesChanged:
    done = await commit(call, call.app, command)
    views = view_freezes(done.state, call.ports.clock.now())  # one that begins now has begun
    return FreezesChanged(app=call.app, revision=done.state.revision, changed=done.changed, freezes=views)


def view_freezes(state: AppState, now: float) -> list[FreezeView]:
    """Those on at `now`, in seconds since the epoch, or to come, the first first."""
    return [
        FreezeView(
            id=each.id,
            begins=each.begins,
            ends=each.ends,
            on=each.is_on(now),
            channels=list(each.channels),
            except_rollback=each.except_rollback,
            reason=each.reason,
            by=each.by,
        )
        for each in sorted(state.freezes, key=lambda each: each.begins)
        if each.ends > now
    ]


OPERATIONS = (
    Operation(
        name="list_freezes",
        method="GET",
        path="/v1/apps/{app}/freezes",
        summary="List the freezes that are on or to come",
        permission=Permission.READ_APP,
        handle=handle_list,
        answer=list[FreezeView],
    ),
    Operation(
        name="start_freeze",
        method="POST",
        path="/v1/apps/{app}/freezes",
        summary="Change nothing in what devices are offered for a while; what stops a release passes",
        permission=Permission.SET_RULES,
        handle=handle_start,
        answer=FreezesChanged,
        body=FreezeRequest,
        changes=True,
    ),
    Operation(
        name="end_freeze",
        method="DELETE",
        path="/v1/apps/{app}/freezes/{freeze}",
        summary="End a freeze before its time",
        permission=Permission.SET_RULES,
        handle=handle_end,
        answer=FreezesChanged,
        changes=True,
    ),
)
