"""What the segments of an app ask of the judgements of its devices. Pure."""

from typing import NamedTuple

from edge.domain.behaviour.daily_counts import JudgedPart, Judging
from edge.domain.model import AppState, Segment
from edge.domain.states import held_segments
from edge.domain.targeting.segments import compile_parts, features_read, memory_of


class JudgedSegments(NamedTuple):
    """The segments of an app, at one of its revisions, that read how devices are used; `held` are the names of those
    that no device leaves by it (`states.held_segments`), `used` what the rules of its features ask of what a device
    used."""

    revision: int = 0
    segments: tuple[Segment, ...] = ()
    held: tuple[str, ...] = ()
    used: tuple[str, ...] = ()


def judging_segments(state: AppState) -> JudgedSegments:
    """Of the state's revision."""
    reading = tuple(each for each in state.segments.values() if each.places or features_read(each.where, each.leave))
    held = held_segments(state)
    rules = (rule.where for each in state.features.values() for rule in each.rules)
    used = tuple(sorted(features_read(*rules)))
    return JudgedSegments(state.revision, reading, tuple(each.name for each in reading if each.name in held), used)


def build_judging(app: str, judged: JudgedSegments) -> Judging:
    """As functions. A part without a place is not remembered."""
    parts: list[JudgedPart] = []
    features = frozenset(judged.used)
    for segment in judged.segments:
        tests = compile_parts(app, segment.name, segment.where, memory_of(segment, judged.held))
        if len(tests) == len(segment.places):
            places = zip(segment.places, tests, strict=True)
            parts += [JudgedPart(place, segment.since, test) for place, test in places]
        features |= features_read(segment.where, segment.leave)
    return Judging(judged.revision, tuple(parts), features)
