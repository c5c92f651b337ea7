"""The experiments of an app, as whoever counts their devices needs them. Pure."""

from collections.abc import Iterator

import msgspec

from edge.domain.comparing.measures import Measure, parse_measures, usual_measures
from edge.domain.errors import Invalid
from edge.domain.model import AppState, Experiment


class RunningExperiment(msgspec.Struct, frozen=True, kw_only=True):
    """An experiment on its channel. Stored with its counts, so a new field needs a default."""

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
    """By channel."""
    for name, channel in sorted(state.channels.items()):
        if channel.experiment is not None:
            yield RunningExperiment(channel=name, experiment=channel.experiment)
