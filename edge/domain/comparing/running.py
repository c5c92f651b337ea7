"""The experiments of an app, as whoever counts their devices needs them. Pure."""

from collections.abc import Iterator

import msgspec

from edge.domain.app_parts.stored_features import FeatureExperiment
from edge.domain.comparing.measures import Measure, parse_measures, usual_measures
from edge.domain.errors import Invalid
from edge.domain.model import AppState, Arm, Experiment, SegmentName, VersionName

_OF_FEATURE = "feature:"


class RunningExperiment(msgspec.Struct, frozen=True, kw_only=True):
    """An experiment on its channel, or on a feature: `place_of_feature` is its channel then. Stored with its counts, so
    a new field needs a default."""

    channel: str
    experiment: Experiment

    def measures(self) -> tuple[Measure, ...]:
        """What it compares, in its order. What this release does not know is left out."""
        wanted = self.experiment.measures or usual_measures(self.experiment.arms)
        try:
            return parse_measures(wanted)
        except Invalid:  # begun by a later release
            return parse_measures(usual_measures(self.experiment.arms))


def experiments_of(state: AppState) -> Iterator[RunningExperiment]:
    """Those on channels, by channel, then those on features."""
    for name, channel in sorted(state.channels.items()):
        if channel.experiment is not None:
            yield RunningExperiment(channel=name, experiment=channel.experiment)
    for of, feature in sorted(state.features.items()):
        if feature.experiment is not None:
            yield on_feature(of, feature.experiment)


def place_of_feature(feature: str) -> str:
    """What stands for a feature where experiments have a channel; no channel is called so."""
    return f"{_OF_FEATURE}{feature}"


def feature_of_place(place: str) -> str | None:
    """The feature; None: it is a channel."""
    return place.removeprefix(_OF_FEATURE) if place.startswith(_OF_FEATURE) else None


def on_feature(feature: str, experiment: FeatureExperiment) -> RunningExperiment:
    """A feature's experiment, in the form in which all are counted."""
    counted = Experiment(
        name=experiment.name,
        arms=tuple(
            Arm(name=arm.name, bundle=VersionName(""), weight=arm.weight, value=arm.value) for arm in experiment.arms
        ),
        salt=experiment.salt,
        segment=None if experiment.segment is None else SegmentName(experiment.segment),
        started=experiment.started,
        question=experiment.question,
        measures=experiment.measures,
    )
    return RunningExperiment(channel=place_of_feature(feature), experiment=counted)
