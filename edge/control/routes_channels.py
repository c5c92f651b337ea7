"""Channels of an app: list, create, show, change, delete."""

from typing import Any

import msgspec
from msgspec.structs import asdict

from edge.control.operations import Call, Operation, commit, load_app
from edge.control.roles import Permission
from edge.control.shapes import ChannelChanged, ChannelDeleted, ChannelPatch, ChannelRequest, ChannelView
from edge.domain.commands import ChannelSettings, CreateChannel, DeleteChannel, SetChannel
from edge.domain.errors import NotFound
from edge.domain.model import AppState, Channel, ChannelName


def view_channel(channel: Channel) -> ChannelView:
    return msgspec.convert(channel, ChannelView, from_attributes=True)


async def handle_list(call: Call[None]) -> list[ChannelView]:
    """By name."""
    state = await load_app(call)
    return [view_channel(channel) for _, channel in sorted(state.channels.items())]


async def handle_create(call: Call[ChannelRequest]) -> ChannelChanged:
    body = call.body
    return await _change(call, CreateChannel(name=body.name, settings=_settings(body), replace=body.replace))


async def handle_show(call: Call[None]) -> ChannelView:
    return view_channel(_channel(await load_app(call), call.part("name")))


async def handle_set(call: Call[ChannelPatch]) -> ChannelChanged:
    body = call.body
    return await _change(call, SetChannel(name=call.part("name"), settings=_settings(body), replace=body.replace))


async def handle_delete(call: Call[None]) -> ChannelDeleted:
    name = call.part("name")
    committed = await commit(call, call.app, DeleteChannel(name=name))
    state = committed.state
    return ChannelDeleted(app=state.app, revision=state.revision, changed=committed.changed, name=name)


async def _change(call: Call[Any], command: CreateChannel | SetChannel) -> ChannelChanged:
    committed = await commit(call, call.app, command)
    view = view_channel(_channel(committed.state, command.name))
    return ChannelChanged(
        **asdict(view),
        app=committed.state.app,
        revision=committed.state.revision,
        changed=committed.changed,
    )


def _settings(body: ChannelPatch) -> ChannelSettings:
    return ChannelSettings(**{name: getattr(body, name) for name in ChannelSettings.__struct_fields__})


def _channel(state: AppState, name: str) -> Channel:
    """Raises NotFound: also for a repeated command whose channel was deleted since."""
    channel = state.channels.get(ChannelName(name))
    if channel is None:
        raise NotFound("unknown_channel", f"unknown channel {name!r} for app {state.app!r}")
    return channel


OPERATIONS = (
    Operation(
        name="list_channels",
        method="GET",
        path="/v1/apps/{app}/channels",
        summary="List the channels by name",
        permission=Permission.READ_APP,
        handle=handle_list,
        answer=list[ChannelView],
    ),
    Operation(
        name="create_channel",
        method="POST",
        path="/v1/apps/{app}/channels",
        summary="Create a channel",
        permission=Permission.CHANGE_APP,
        handle=handle_create,
        answer=ChannelChanged,
        body=ChannelRequest,
        changes=True,
    ),
    Operation(
        name="show_channel",
        method="GET",
        path="/v1/apps/{app}/channels/{name}",
        summary="Show a channel",
        permission=Permission.READ_APP,
        handle=handle_show,
        answer=ChannelView,
    ),
    Operation(
        name="set_channel",
        method="PATCH",
        path="/v1/apps/{app}/channels/{name}",
        summary="Change a channel's settings; those left out stay",
        permission=Permission.CHANGE_APP,
        handle=handle_set,
        answer=ChannelChanged,
        body=ChannelPatch,
        changes=True,
    ),
    Operation(
        name="delete_channel",
        method="DELETE",
        path="/v1/apps/{app}/channels/{name}",
        summary="Delete a channel that no override holds",
        permission=Permission.CHANGE_APP,
        handle=handle_delete,
        answer=ChannelDeleted,
        changes=True,
    ),
)
