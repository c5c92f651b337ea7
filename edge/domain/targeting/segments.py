"""Compiled segments: all of an app's in one function, so that a check costs one call.

An expression that this release cannot read, written by a newer one, matches no device, as any unknown does: the app is
served, and its other segments work. Commands refuse to save such an expression (`check_expression`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import cast

from edge.domain.buckets import segment_salt
from edge.domain.errors import Invalid
from edge.domain.facts import NO_FACTS, Behaviour, DeviceFacts
from edge.domain.model import Segment, SegmentName, UpdateCheck
from edge.domain.targeting.behavioural import remembered_parts, with_memory
from edge.domain.targeting.compiler import NO_MEMORY, PredicateWriter, SegmentMemory, compiled
from edge.domain.targeting.conditions import UsedFeature, atoms_of, reads_behaviour
from edge.domain.targeting.id_sets import IdSet
from edge.domain.targeting.parser import parse_expression
from edge.domain.targeting.places import NO_PLACE, NodePlace

FirstMatch = Callable[[UpdateCheck, DeviceFacts], int]
Matches = Callable[[UpdateCheck, DeviceFacts], bool]

NOTHING_KEPT: Mapping[str, SegmentMemory] = MappingProxyType({})


def compile_segments(
    app: str,
    segments: Sequence[tuple[str, str]],
    *,
    place: NodePlace,
    sets: Mapping[str, IdSet],
    memories: Mapping[str, SegmentMemory] = NOTHING_KEPT,
) -> FirstMatch:
    """A function for the index of the first of `segments`, pairs of name and expression, that matches a device; -1:
    none.

    `place` is the node's. For a set that is missing from `sets`, `in_set` is unknown. `memories` are those
    of segments that have one, by name.
    """
    writer = PredicateWriter(place, sets)
    tests = [
        f"if {_test(writer, app, name, where, memories.get(name, NO_MEMORY))}: return {place}"
        for place, (name, where) in enumerate(segments)
    ]
    return cast(FirstMatch, _compile(writer, [*tests, "return -1"]))


def compile_segment(
    app: str, name: str, where: str, *, place: NodePlace, sets: Mapping[str, IdSet], memory: SegmentMemory = NO_MEMORY
) -> Matches:
    """A function for whether a single segment matches a device; otherwise as `compile_segments`."""
    writer = PredicateWriter(place, sets)
    test = _test(writer, app, name, where, memory)
    return cast(Matches, _compile(writer, [f"return True if {test} else False"]))


def compile_each(
    app: str,
    segments: Mapping[SegmentName, Segment],
    *,
    place: NodePlace,
    sets: Mapping[str, IdSet],
    memories: Mapping[str, SegmentMemory],
    same: Mapping[SegmentName, tuple[Segment, Matches]],
) -> dict[SegmentName, tuple[Segment, Matches]]:
    """A function for each segment, as `compile_segment` makes them; those in `same` are there already."""

    def compiled_one(name: SegmentName, segment: Segment) -> tuple[Segment, Matches]:
        return segment, compile_segment(app, name, segment.where, place=place, sets=sets, memory=memories[name])

    return {name: same.get(name) or compiled_one(name, segment) for name, segment in segments.items()}


def compile_parts(app: str, name: str, where: str, memory: SegmentMemory) -> list[Callable[[Behaviour], bool]]:
    """For each part of the expression that reads behaviour alone, whether a device is in it, as of a judgement that
    still has the `places` of the one before."""
    tests = []
    for part in remembered_parts(where):
        writer = PredicateWriter(NO_PLACE, {})
        writer.memory = memory
        tests.append(_of_behaviour(_compile(writer, [f"return True if {writer.surely(part, True)} else False"])))
    return tests


def memory_of(segment: Segment, held: Collection[str]) -> SegmentMemory:
    """`held` are the names of the segments that a rollout or an experiment reads now (`states.held_segments`)."""
    try:
        leave = None if segment.leave is None else parse_expression(segment.leave)
    except Invalid:
        leave = None
    return SegmentMemory(leave, segment.places, segment.since, segment.name in held)


def asks_facts(where: str) -> bool:
    """Whether an expression reads device facts, which are not in a check."""
    try:
        atoms = atoms_of(parse_expression(where))
    except Invalid:
        return False
    return any(map(reads_behaviour, atoms))


def features_read(*expressions: str | None) -> frozenset[str]:
    """The features that they name."""
    names = set()
    for expression in expressions:
        with suppress(Invalid):
            atoms = atoms_of(parse_expression(expression)) if expression is not None else ()
            names |= {atom.name for atom in atoms if isinstance(atom, UsedFeature)}
    return frozenset(names)


def _of_behaviour(matches: Callable[..., object]) -> Callable[[Behaviour], bool]:
    return lambda behaviour: matches(None, NO_FACTS._replace(behaviour=behaviour)) is True


def _test(writer: PredicateWriter, app: str, name: str, where: str, memory: SegmentMemory) -> str:
    try:
        condition = parse_expression(where)
    except Invalid:
        return "False"
    if memory.held or memory.leave is not None:
        condition = with_memory(condition)
    writer.salt, writer.memory = segment_salt(app, name), memory
    return writer.surely(condition, True)


def _compile(writer: PredicateWriter, body: Sequence[str]) -> Callable[..., object]:
    lines = [f"    {line}" for line in (*writer.loads(), *body)]
    return compiled("match_segments", ["def match_segments(check, facts):", *lines], writer.namespace)
