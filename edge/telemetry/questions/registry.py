"""Every question about figures, by name: what it is asked with, and the function that answers it from the port."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from edge.telemetry.questions.app_answers import StatsQuestion
from edge.telemetry.questions.port import Figures
from edge.telemetry.questions.reach_times import ReachQuestion, answer_reach
from edge.telemetry.questions.sides import SidesQuestion, answer_sides
from edge.telemetry.questions.stats import answer_stats


class FigureQuestion(NamedTuple):
    """`parameters` is the Struct that `answer` takes."""

    parameters: type[msgspec.Struct]
    answer: Callable[[Figures, Any], msgspec.Struct]

    def ask(self, figures: Figures, parameters: bytes) -> msgspec.Struct:
        """`parameters` are JSON. Raises what the port raises, and Invalid."""
        return self.answer(figures, msgspec.json.decode(parameters, type=self.parameters))


QUESTIONS: Mapping[str, FigureQuestion] = {
    "stats": FigureQuestion(StatsQuestion, answer_stats),
    "sides": FigureQuestion(SidesQuestion, answer_sides),
    "reach": FigureQuestion(ReachQuestion, answer_reach),
}
