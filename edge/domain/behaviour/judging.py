"""What the segments of an app ask of the judgements of its devices. Pure."""

from collections.abc import Iterable

from edge.domain.behaviour.daily_counts import JudgedPart, Judging
from edge.domain.model import AppState, Segment
from edge.domain.states import held_segments
from edge.domain.targeting.segments import compile_parts, features_read, memory_of


def judging_segments(state: AppState) -> list[tuple[Segment, bool]]:
    """The segments that read how devices are used, and whether each is held (`states.held_segments`)."""
    held = held_segments(state)
    return [
        (each, name in held)
        for name, each in state.segments.items()
        if each.places or features_read(each.where, each.leave)
    ]


def build_judging(app: str, revision: int, segments: Iterable[tuple[Segment, bool]]) -> Judging:
    """`segments` are those of `judging_segments`, at that revision of the app."""
    parts: list[JudgedPart] = []
    features: frozenset[str] = frozenset()
    for segment, is_held in segments:
        memory = memory_of(segment, {segment.name} if is_held else ())
        tests = compile_parts(app, segment.name, segment.where, memory)
        if len(tests) == len(segment.places):
            for place, test in zip(segment.places, tests, strict=True):
                parts.append(JudgedPart(place, segment.since, test))
        features |= features_read(segment.where, segment.leave)
    return Judging(revision, tuple(parts), features)
