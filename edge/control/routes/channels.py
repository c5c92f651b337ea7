"""The channels of an app: list, create, show, change, roll back, delete, and which devices can take what they offer."""

from msgspec.structs import asdict

from edge.control.access.roles import Permission
from edge.control.calls import Call, ChangeResult, commit, load_app, weigh
from edge.control.operations import Operation
from edge.control.routes.experiments import view_experiment
from edge.control.shapes.channels import (
    ChannelChanged,
    ChannelDeleted,
    ChannelPatch,
    ChannelRequest,
    ChannelRolledBack,
    ChannelView,
    ReplacedView,
    TakenBackView,
)
from edge.control.shapes.impact import ReachView
from edge.control.shapes.rollouts import RollbackRequest, RolloutSummary
from edge.domain.changes.commands import ChannelSettings, CreateChannel, DeleteChannel, RollBack, SetChannel
from edge.domain.changes.replacing import what_was_replaced
from edge.domain.model import AppState, Channel, ChannelName
from edge.domain.states import channel_of, last_good, served_of


def view_channel(state: AppState, channel: Channel) -> ChannelView:
    """The channel as the API shows it, with its latest rollout in short."""
    rollout = channel.rollout
    bundle = state.bundles.get(channel.bundle) if channel.bundle is not None else None
    settings = {name: getattr(channel, name) for name in ChannelSettings.__struct_fields__}
    rule = state.approvals.get(channel.name)
    return ChannelView(
        **settings,
        approval_people=rule.people if rule is not None else 1,
        approval_kinds=rule.kinds if rule is not None else (),
        name=channel.name,
        withdrawn=bundle.withdrawn if bundle is not None else "",
        bundle_changed=channel.changed,
        bundle_changed_by=channel.changed_by,
        rolled_back=channel.rolled_back,
        earlier=list(channel.earlier),
        last_good=last_good(state, channel),
        served=served_of(state, channel),
        taken_back=[TakenBackView(bundle=each.bundle, at=each.at, by=each.by) for each in channel.taken_back],
        rollout=RolloutSummary(bundle=rollout.bundle, phase=rollout.phase) if rollout is not None else None,
        experiment=view_experiment(channel.experiment) if channel.experiment is not None else None,
    )


def view_replaced(committed: ChangeResult, channel: str | None) -> ReplacedView | None:
    """What the change replaced on the channel; None if nothing."""
    if committed.before is None or channel is None:
        return None
    replaced = what_was_replaced(committed.before, committed.state, ChannelName(channel))
    if replaced is None:
        return None
    rollout = replaced.rollout
    return ReplacedView(
        bundle=replaced.bundle,
        changed=replaced.changed,
        by=replaced.by,
        withdrawn=replaced.withdrawn,
        rollout=RolloutSummary(bundle=rollout.bundle, phase=rollout.phase) if rollout is not None else None,
        experiment=replaced.experiment,
    )


def _view_changed(committed: ChangeResult, name: str) -> ChannelChanged:
    """Raises NotFound `unknown_channel`: a repeated command whose channel has been deleted since."""
    state = committed.state
    return ChannelChanged(
        **asdict(view_channel(state, channel_of(state, name))),
        app=state.app,
        revision=state.revision,
        changed=committed.changed,
        replaced=view_replaced(committed, name),
    )


async def handle_list(call: Call[None]) -> list[ChannelView]:
    """By name."""
    state = await load_app(call)
    return [view_channel(state, channel) for _, channel in sorted(state.channels.items())]


async def handle_create(call: Call[ChannelRequest]) -> ChannelChanged:
    body = call.body
    command = CreateChannel(name=body.name, settings=_settings(body), replace=body.replace)
    return _view_changed(await commit(call, call.app, command), body.name)


async def handle_show(call: Call[None]) -> ChannelView:
    state = await load_app(call)
    return view_channel(state, channel_of(state, call.part("name")))


async def handle_reach(call: Call[None]) -> ReachView:
    return await call.ports.known_devices.reach(call.app, ChannelName(call.part("name")))


async def handle_set(call: Call[ChannelPatch]) -> ChannelChanged:
    body, name = call.body, call.part("name")
    command = SetChannel(
        name=name,
        settings=_settings(body),
        replace=body.replace,
        force=body.force,
        downgrade=body.downgrade,
        again=body.again,
        if_current=body.if_current,
    )
    return _view_changed(await commit(call, call.app, command), name)


async def handle_rollback(call: Call[RollbackRequest]) -> ChannelRolledBack:
    """Roll back first, count the impact afterwards."""
    name = call.part("name")
    done = await commit(call, call.app, RollBack(channel=name, to=call.body.to))
    return ChannelRolledBack(**asdict(_view_changed(done, name)), impact=await weigh(call, done))


async def handle_delete(call: Call[None]) -> ChannelDeleted:
    name = call.part("name")
    committed = await commit(call, call.app, DeleteChannel(name=name))
    state = committed.state
    return ChannelDeleted(app=state.app, revision=state.revision, changed=committed.changed, name=name)


def _settings(body: ChannelPatch | ChannelRequest) -> ChannelSettings:
    return ChannelSettings(**{name: getattr(body, name) for name in ChannelSettings.__struct_fields__})


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
        permission=Permission.CHANGE_CHANNELS,
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
        name="show_reach",
        method="GET",
        path="/v1/apps/{app}/channels/{name}/reach",
        summary="Count the known devices that can take what a channel offers, and why the others cannot",
        permission=Permission.READ_APP,
        handle=handle_reach,
        answer=ReachView,
    ),
    Operation(
        name="set_channel",
        method="PATCH",
        path="/v1/apps/{app}/channels/{name}",
        summary="Change a channel's settings; absent ones stay",
        permission=Permission.CHANGE_CHANNELS,
        handle=handle_set,
        answer=ChannelChanged,
        body=ChannelPatch,
        changes=True,
    ),
    Operation(
        name="roll_channel_back",
        method="POST",
        path="/v1/apps/{app}/channels/{name}/rollback",
        summary="End a channel's rollout or experiment, or return the channel to what it offered before",
        permission=Permission.ROLL_BACK,
        handle=handle_rollback,
        answer=ChannelRolledBack,
        body=RollbackRequest,
        changes=True,
    ),
    Operation(
        name="delete_channel",
        method="DELETE",
        path="/v1/apps/{app}/channels/{name}",
        summary="Delete a channel that no override uses",
        permission=Permission.CHANGE_CHANNELS,
        handle=handle_delete,
        answer=ChannelDeleted,
        changes=True,
    ),
)
