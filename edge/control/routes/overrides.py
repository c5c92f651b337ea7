"""Overrides of an app: which devices an operator put on which channel."""

from edge.control.calls import Call, commit, load_app
from edge.control.operations import Operation
from edge.control.roles import Permission
from edge.control.shapes.devices import OverrideChanged, OverrideCleared, OverrideRequest, OverrideView
from edge.domain.changes.commands import ClearOverride, SetOverride
from edge.domain.errors import NotFound
from edge.domain.model import parse_device_id


async def handle_list(call: Call[None]) -> list[OverrideView]:
    """By device id."""
    state = await load_app(call)
    return [OverrideView(device=device, channel=name) for device, name in sorted(state.overrides.items())]


async def handle_set(call: Call[OverrideRequest]) -> OverrideChanged:
    device = parse_device_id(call.part("device"))
    committed = await commit(call, call.app, SetOverride(device=device, channel=call.body.channel))
    state = committed.state
    channel = state.overrides.get(device)
    if channel is None:  # a repeated command, cleared since
        raise NotFound("unknown_override", f"device {device!r} has no override in app {state.app!r}")
    return OverrideChanged(
        app=state.app, revision=state.revision, changed=committed.changed, device=device, channel=channel
    )


async def handle_clear(call: Call[None]) -> OverrideCleared:
    device = parse_device_id(call.part("device"))
    committed = await commit(call, call.app, ClearOverride(device=device))
    state = committed.state
    return OverrideCleared(app=state.app, revision=state.revision, changed=committed.changed, device=device)


OPERATIONS = (
    Operation(
        name="list_overrides",
        method="GET",
        path="/v1/apps/{app}/overrides",
        summary="List the overrides by device id",
        permission=Permission.READ_APP,
        handle=handle_list,
        answer=list[OverrideView],
    ),
    Operation(
        name="set_override",
        method="PUT",
        path="/v1/apps/{app}/overrides/{device}",
        summary="Put a device on a channel",
        permission=Permission.CHANGE_APP,
        handle=handle_set,
        answer=OverrideChanged,
        body=OverrideRequest,
        changes=True,
    ),
    Operation(
        name="clear_override",
        method="DELETE",
        path="/v1/apps/{app}/overrides/{device}",
        summary="Let a device follow the ordinary rules again",
        permission=Permission.CHANGE_APP,
        handle=handle_clear,
        answer=OverrideCleared,
        changes=True,
    ),
)
