"""Every question about figures, by name: what it is asked with, and the function that answers it from the port."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from edge.telemetry.questions.app_answers import StatsQuestion
from edge.telemetry.questions.feature_use import FeatureUseQuestion, answer_feature_use
from edge.telemetry.questions.port import Figures
from edge.telemetry.questions.reach_times import ReachQuestion, answer_reach
from edge.telemetry.questions.sides import SidesQuestion, answer_sides
from edge.telemetry.questions.stats import answer_stats


class FigureQuestion(NamedTuple):
    """`parameters` is the Struct that `answer` takes; `without_now` are the same without the moment they are asked at,
    equal for questions whose answers are the same while nothing is counted."""

    parameters: type[msgspec.Struct]
    answer: Callable[[Figures, Any], msgspec.Struct]
    without_now: Callable[[Any], msgspec.Struct]

    def ask(self, figures: Figures, parameters: bytes) -> msgspec.Struct:
        """`parameters` are JSON. Raises what the port raises, and Invalid."""
        return self.answer(figures, msgspec.json.decode(parameters, type=self.parameters))

    def key(self, parameters: bytes) -> bytes:
        """The same for the same question, asked again some seconds later. Raises as `ask`."""
        asked = msgspec.json.decode(parameters, type=self.parameters)
        return msgspec.json.encode(self.without_now(asked))


def _of_last(asked: StatsQuestion | FeatureUseQuestion) -> msgspec.Struct:
    """The last 24 hours, whenever."""
    return msgspec.structs.replace(asked, since_ms=asked.until_ms - asked.since_ms, until_ms=0)


def _until_now(asked: SidesQuestion | ReachQuestion) -> msgspec.Struct:
    return msgspec.structs.replace(asked, until_ms=0)


QUESTIONS: Mapping[str, FigureQuestion] = {
    "stats": FigureQuestion(StatsQuestion, answer_stats, _of_last),
    "sides": FigureQuestion(SidesQuestion, answer_sides, _until_now),
    "feature_use": FigureQuestion(FeatureUseQuestion, answer_feature_use, _of_last),
    "reach": FigureQuestion(ReachQuestion, answer_reach, _until_now),
}
