"""Experiments on features: start, stop, and what they show."""

from msgspec import structs

from edge.control.access.roles import Permission
from edge.control.calls import Call, commit, load_app
from edge.control.operations import Operation
from edge.control.routes.features.feature_views import start_of
from edge.control.routes.features.features import FEATURE, feature_changed
from edge.control.routes.figures.sides import missing_notes
from edge.control.shapes.features.feature_shapes import (
    FeatureChanged,
    FeatureExperimentRequest,
    FeatureExperimentStopRequest,
)
from edge.domain.changes.features.feature_commands import StopFeatureExperiment
from edge.domain.comparing.reading import ExperimentReading
from edge.domain.comparing.running import on_feature, place_of_feature
from edge.domain.states import feature_of
from edge.telemetry.trials.trial_reading import ExperimentAsked


async def handle_start(call: Call[FeatureExperimentRequest]) -> FeatureChanged:
    name = call.part("name")
    return feature_changed(await commit(call, call.app, start_of(name, call.body)), name)


async def handle_stop(call: Call[FeatureExperimentStopRequest]) -> FeatureChanged:
    name = call.part("name")
    return feature_changed(await commit(call, call.app, StopFeatureExperiment(feature=name, keep=call.body.keep)), name)


async def handle_reading(call: Call[None]) -> ExperimentReading:
    """Of the feature's experiment, or of the last one that it had. Raises NotFound `no_experiment`."""
    name = call.part("name")
    experiment = feature_of(await load_app(call), name).experiment
    running = on_feature(name, experiment) if experiment is not None else None
    now_ms = int(call.ports.clock.now() * 1000)
    asked = ExperimentAsked(app=call.app, channel=place_of_feature(name), now_ms=now_ms, running=running)
    read = await call.ports.telemetry.ask("experiment_reading", asked, ExperimentReading)
    return structs.replace(read, notes=(*read.notes, *missing_notes(call, read)))


OPERATIONS = (
    Operation(
        name="start_feature_experiment",
        method="POST",
        path=f"{FEATURE}/experiment",
        summary="Start an experiment: several values of a feature, each for a share of the devices",
        permission=Permission.CHANGE_FEATURES,
        handle=handle_start,
        answer=FeatureChanged,
        body=FeatureExperimentRequest,
        changes=True,
    ),
    Operation(
        name="stop_feature_experiment",
        method="POST",
        path=f"{FEATURE}/experiment/stop",
        summary="Stop the experiment; every device that no rule takes gets the kept arm's value",
        permission=Permission.CHANGE_FEATURES,
        handle=handle_stop,
        answer=FeatureChanged,
        body=FeatureExperimentStopRequest,
        changes=True,
    ),
    Operation(
        name="read_feature_experiment",
        method="GET",
        path=f"{FEATURE}/experiment/reading",
        summary="Show what the feature's experiment shows and what it does not, also after it was stopped",
        permission=Permission.READ_APP,
        handle=handle_reading,
        answer=ExperimentReading,
    ),
)
