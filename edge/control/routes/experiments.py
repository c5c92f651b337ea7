"""The experiments of an app, one per channel: list, show, start, stop; and when a channel's windows are open."""

import asyncio

from msgspec.structs import asdict

from edge.control.access.roles import Permission
from edge.control.calls import Call, commit, load_app
from edge.control.operations import Operation
from edge.control.shapes.targeting import (
    ArmRequest,
    ArmView,
    ChannelExperiment,
    ExperimentRequest,
    ExperimentStarted,
    ExperimentStopped,
    ExperimentStopRequest,
    ExperimentView,
    WindowsView,
)
from edge.domain.changes.commands import NewArm, StartExperiment, StopExperiment
from edge.domain.comparing.measures import usual_measures
from edge.domain.errors import NotFound
from edge.domain.model import Arm, Channel, Experiment
from edge.domain.schedule.windows import compile_windows
from edge.domain.shares import format_share, parse_share
from edge.domain.states import channel_of


def view_experiment(experiment: Experiment) -> ExperimentView:
    """The experiment as the API shows it, without its channel."""
    return ExperimentView(
        name=experiment.name,
        arms=[_view_arm(arm) for arm in experiment.arms],
        segment=experiment.segment,
        started=experiment.started,
        question=experiment.question,
        measures=list(experiment.measures or usual_measures(experiment.arms)),
    )


async def handle_list(call: Call[None]) -> list[ChannelExperiment]:
    """By channel."""
    state = await load_app(call)
    return [_view(channel) for _, channel in sorted(state.channels.items()) if channel.experiment is not None]


async def handle_show(call: Call[None]) -> ChannelExperiment:
    return _view(channel_of(await load_app(call), call.part("name")))


async def handle_start(call: Call[ExperimentRequest]) -> ExperimentStarted:
    body, name = call.body, call.part("name")
    command = StartExperiment(
        channel=name,
        name=body.name,
        arms=tuple(map(_new_arm, body.arms)),
        segment=body.segment,
        question=body.question,
        measures=body.measures,
        downgrade=body.downgrade,
        again=body.again,
    )
    committed = await commit(call, call.app, command)
    state = committed.state
    channel = channel_of(state, name)
    return ExperimentStarted(
        **asdict(_view(channel)),
        app=state.app,
        revision=state.revision,
        changed=committed.changed,
    )


async def handle_stop(call: Call[ExperimentStopRequest]) -> ExperimentStopped:
    name = call.part("name")
    committed = await commit(call, call.app, StopExperiment(channel=name, keep=call.body.keep))
    state = committed.state
    return ExperimentStopped(
        app=state.app,
        revision=state.revision,
        changed=committed.changed,
        channel=name,
        bundle=channel_of(state, name).bundle,
    )


async def handle_windows(call: Call[None]) -> WindowsView:
    channel = channel_of(await load_app(call), call.part("name"))
    return await asyncio.to_thread(_view_windows, channel, call.ports.clock.now())


def _view_arm(arm: Arm) -> ArmView:
    return ArmView(
        name=arm.name,
        bundle=arm.bundle,
        share=format_share(arm.weight),
        windows=list(arm.windows),
        spread_seconds=arm.spread_seconds,
        segment=arm.segment,
    )


def _new_arm(arm: ArmRequest) -> NewArm:
    return NewArm(
        name=arm.name,
        bundle=arm.bundle,
        weight=parse_share(arm.share),
        windows=arm.windows,
        spread_seconds=arm.spread_seconds,
        segment=arm.segment,
    )


def _view(channel: Channel) -> ChannelExperiment:
    return ChannelExperiment(**asdict(view_experiment(_experiment(channel))), channel=channel.name)


def _experiment(channel: Channel) -> Experiment:
    """Raises NotFound `no_experiment`, also for a repeated start whose experiment has been stopped since."""
    if channel.experiment is None:
        raise NotFound("no_experiment", f"no experiment runs on channel {channel.name!r}")
    return channel.experiment


def _view_windows(channel: Channel, now: float) -> WindowsView:
    schedule = compile_windows(channel.windows)
    is_open = schedule.is_open(now)
    return WindowsView(
        channel=channel.name,
        windows=list(channel.windows),
        rollback_passes=channel.rollback_passes,
        now=now,
        open=is_open,
        opens_at=None if is_open else schedule.opens_at(now),
        closes_at=schedule.closes_at(now) if is_open else None,
    )


OPERATIONS = (
    Operation(
        name="list_experiments",
        method="GET",
        path="/v1/apps/{app}/experiments",
        summary="List the running experiments, by channel",
        permission=Permission.READ_APP,
        handle=handle_list,
        answer=list[ChannelExperiment],
    ),
    Operation(
        name="show_experiment",
        method="GET",
        path="/v1/apps/{app}/channels/{name}/experiment",
        summary="Show a channel's running experiment",
        permission=Permission.READ_APP,
        handle=handle_show,
        answer=ChannelExperiment,
    ),
    Operation(
        name="start_experiment",
        method="POST",
        path="/v1/apps/{app}/channels/{name}/experiment",
        summary="Start an experiment: bundles, times or criteria for shares of a channel's devices, or of a segment's",
        permission=Permission.CHANGE_EXPERIMENTS,
        handle=handle_start,
        answer=ExperimentStarted,
        body=ExperimentRequest,
        changes=True,
    ),
    Operation(
        name="stop_experiment",
        method="POST",
        path="/v1/apps/{app}/channels/{name}/experiment/stop",
        summary="Stop the experiment; the channel offers the kept arm's bundle to all devices",
        permission=Permission.CHANGE_EXPERIMENTS,
        handle=handle_stop,
        answer=ExperimentStopped,
        body=ExperimentStopRequest,
        changes=True,
    ),
    Operation(
        name="show_windows",
        method="GET",
        path="/v1/apps/{app}/channels/{name}/windows",
        summary="Show a channel's maintenance windows, whether one is open now, and when that changes",
        permission=Permission.READ_APP,
        handle=handle_windows,
        answer=WindowsView,
    ),
)
