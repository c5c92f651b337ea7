"""Which parts of an expression read nothing but how a device is used: what judgements decide and remember of it.

In `platform == "ios" && sessions_7d > 10` that is `sessions_7d > 10`: a check answers the rest at any time. Pure.
"""

from collections.abc import Iterator

from edge.domain.errors import Invalid
from edge.domain.targeting.conditions import (
    AllOf,
    AnyOf,
    Condition,
    Constant,
    Not,
    Remembered,
    atoms_of,
    negated,
    reads_behaviour,
)
from edge.domain.targeting.parser import parse_expression

PLACES_LIMIT = 32  # parts of an app's segments: a device's judgement remembers each in one bit


def with_memory(condition: Condition) -> Condition:
    """The same condition, each of its largest parts that read behaviour alone in a `Remembered`, which is nowhere under
    a `Not`: numbered from 0, from left to right."""
    return _numbered(_marked(_positive(condition, True)), [0])


def parts_of(condition: Condition) -> Iterator[Remembered]:
    """The parts of what `with_memory` returned."""
    match condition:
        case Remembered():
            yield condition
        case AllOf(items) | AnyOf(items):
            for item in items:
                yield from parts_of(item)
        case _:
            pass


def remembered_parts(where: str) -> tuple[Remembered, ...]:
    """Of an expression; none if this release cannot read it."""
    try:
        return tuple(parts_of(with_memory(parse_expression(where))))
    except Invalid:
        return ()


def is_behavioural(condition: Condition) -> bool:
    """Whether it reads behaviour and nothing else."""
    atoms = [atom for atom in atoms_of(condition) if not isinstance(atom, Constant)]
    return bool(atoms) and all(map(reads_behaviour, atoms))


def _positive(condition: Condition, wanted: bool) -> Condition:
    """The condition, or its opposite, with `Not` around nothing but atoms."""
    match condition:
        case Not(inner):
            return _positive(inner, not wanted)
        case AllOf(items):
            return (AllOf if wanted else AnyOf)(tuple(_positive(item, wanted) for item in items))
        case AnyOf(items):
            return (AnyOf if wanted else AllOf)(tuple(_positive(item, wanted) for item in items))
        case _:
            return condition if wanted else negated(condition)


def _marked(condition: Condition) -> Condition:
    """The parts have no numbers yet."""
    if is_behavioural(condition):
        return Remembered(0, condition)
    match condition:
        case AllOf(items):
            return AllOf(tuple(map(_marked, _together(items, AllOf))))
        case AnyOf(items):
            return AnyOf(tuple(map(_marked, _together(items, AnyOf))))
        case _:
            return condition


def _together(items: tuple[Condition, ...], joined: type[AllOf] | type[AnyOf]) -> list[Condition]:
    """With those that read behaviour alone as one, in the place of the first."""
    behavioural = tuple(item for item in items if is_behavioural(item))
    if len(behavioural) < 2:
        return list(items)
    one = joined(behavioural)
    return [one if item is behavioural[0] else item for item in items if item not in behavioural[1:]]


def _numbered(condition: Condition, next_part: list[int]) -> Condition:
    match condition:
        case Remembered(inner=inner):
            next_part[0] += 1
            return Remembered(next_part[0] - 1, inner)
        case AllOf(items):
            return AllOf(tuple(_numbered(item, next_part) for item in items))
        case AnyOf(items):
            return AnyOf(tuple(_numbered(item, next_part) for item in items))
        case _:
            return condition
