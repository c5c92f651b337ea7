"""What came of each side of a channel's rollout, and of each arm of its experiment."""

from collections.abc import Sequence

from msgspec import structs

from edge.control.access.roles import Permission
from edge.control.calls import Call, load_app
from edge.control.operations import Operation
from edge.control.routes.feed.missing_reports import missing_reports, missing_words
from edge.domain.comparing.reading import ExperimentReading
from edge.domain.comparing.running import RunningExperiment
from edge.domain.decision.sides import CONTROL, NEW, REST
from edge.domain.errors import NotFound
from edge.domain.model import AppState
from edge.domain.states import channel_of
from edge.telemetry.questions.sides import SideAsked, SidesAnswer, SidesQuestion
from edge.telemetry.trials.trial_reading import ExperimentAsked


async def handle_rollout(call: Call[None]) -> SidesAnswer:
    """The sides new, control (if devices are held out) and rest. Raises NotFound `no_rollout`."""
    channel = channel_of(await load_app(call), call.part("name"))
    rollout = channel.rollout
    if rollout is None:
        raise NotFound("no_rollout", f"channel {channel.name!r} has had no rollout")
    names = (NEW, *((CONTROL,) if rollout.hold_out else ()), REST)
    sides = [SideAsked(side=f"{rollout.salt}/{name}", bundle=rollout.bundle if name == NEW else "") for name in names]
    return await _ask(call, rollout.started, sides)


async def handle_experiment(call: Call[None]) -> SidesAnswer:
    """Its arms, in their order. Raises NotFound `no_experiment`."""
    channel = channel_of(await load_app(call), call.part("name"))
    experiment = channel.experiment
    if experiment is None:
        raise NotFound("no_experiment", f"no experiment runs on channel {channel.name!r}")
    arms = [SideAsked(arm=f"{experiment.salt}/{arm.name}", bundle=arm.bundle) for arm in experiment.arms]
    return await _ask(call, experiment.started, arms)


async def handle_reading(call: Call[None]) -> ExperimentReading:
    """Of the channel's experiment, or of the last one that it had. Raises NotFound `no_experiment`."""
    channel = channel_of(await load_app(call), call.part("name"))
    running = None
    if channel.experiment is not None:
        running = RunningExperiment(channel=channel.name, experiment=channel.experiment)
    now_ms = int(call.ports.clock.now() * 1000)
    asked = ExperimentAsked(app=call.app, channel=channel.name, now_ms=now_ms, running=running)
    read = await call.ports.telemetry.ask("experiment_reading", asked, ExperimentReading)
    return structs.replace(read, notes=(*read.notes, *missing_notes(call, read)))


def missing_notes(call: Call[None], read: ExperimentReading) -> list[str]:
    """Of nodes that may still send something of the experiment's time."""
    ends = read.ended_ms / 1000 if read.ended_ms is not None else call.ports.clock.now()
    return [
        f"{missing_words(each)}: what its devices did since then is not in it."
        for each in missing_reports(call.ports)
        if each.until is None or each.until < ends
    ]


def drawn_names(state: AppState) -> dict[str, str]:
    """Of the sides and arms of all channels, by what identifies them: `production 1.2.0 new`, `production look control`
    of the experiment look."""
    names = {}
    for channel in state.channels.values():
        if (rollout := channel.rollout) is not None:
            for side in (NEW, CONTROL, REST):
                names[f"{rollout.salt}/{side}"] = f"{channel.name} {rollout.bundle} {side}"
        if (experiment := channel.experiment) is not None:
            for arm in experiment.arms:
                names[f"{experiment.salt}/{arm.name}"] = f"{channel.name} {experiment.name} {arm.name}"
    return names


async def _ask(call: Call[None], started: float, sides: Sequence[SideAsked]) -> SidesAnswer:
    asked = SidesQuestion(
        app=call.app, since_ms=int(started * 1000), until_ms=int(call.ports.clock.now() * 1000), sides=list(sides)
    )
    return await call.ports.telemetry.ask("sides", asked, SidesAnswer)


OPERATIONS = (
    Operation(
        name="show_rollout_figures",
        method="GET",
        path="/v1/apps/{app}/channels/{name}/rollout/figures",
        summary="Show what came of each side of the channel's latest rollout",
        permission=Permission.READ_APP,
        handle=handle_rollout,
        answer=SidesAnswer,
    ),
    Operation(
        name="show_experiment_figures",
        method="GET",
        path="/v1/apps/{app}/channels/{name}/experiment/figures",
        summary="Show what came of each arm of the channel's running experiment",
        permission=Permission.READ_APP,
        handle=handle_experiment,
        answer=SidesAnswer,
    ),
    Operation(
        name="read_experiment",
        method="GET",
        path="/v1/apps/{app}/channels/{name}/experiment/reading",
        summary="Show what the channel's experiment shows and what it does not, also after it was stopped",
        permission=Permission.READ_APP,
        handle=handle_reading,
        answer=ExperimentReading,
    ),
)
