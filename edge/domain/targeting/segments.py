"""Compiled segments: all of an app's in one function, so that a check costs one call.

An expression that this release cannot read, written by a newer one, matches no device, as any unknown does: the app is
served, and its other segments work. Commands refuse to save such an expression (`check_expression`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import cast

from edge.domain.buckets import segment_salt
from edge.domain.errors import Invalid
from edge.domain.facts import DeviceFacts
from edge.domain.model import UpdateCheck
from edge.domain.targeting.compiler import PredicateWriter, compiled
from edge.domain.targeting.conditions import Feature, atoms_of
from edge.domain.targeting.id_sets import IdSet
from edge.domain.targeting.language import FACTS
from edge.domain.targeting.parser import parse_expression

FirstMatch = Callable[[UpdateCheck, DeviceFacts], int]
Matches = Callable[[UpdateCheck, DeviceFacts], bool]


def compile_segments(
    app: str, segments: Sequence[tuple[str, str]], *, region: str, sets: Mapping[str, IdSet]
) -> FirstMatch:
    """A function for the index of the first of `segments`, pairs of name and expression, that matches a device; -1:
    none.

    `region` is the node's, or empty. For a set that is missing from `sets`, `in_set` is unknown.
    """
    writer = PredicateWriter(region, sets)
    tests = [f"if {_test(writer, app, name, where)}: return {place}" for place, (name, where) in enumerate(segments)]
    return cast(FirstMatch, _compile(writer, [*tests, "return -1"]))


def compile_segment(app: str, name: str, where: str, *, region: str, sets: Mapping[str, IdSet]) -> Matches:
    """A function for whether a single segment matches a device; otherwise as `compile_segments`."""
    writer = PredicateWriter(region, sets)
    test = _test(writer, app, name, where)
    return cast(Matches, _compile(writer, [f"return True if {test} else False"]))


def asks_facts(where: str) -> bool:
    """Whether an expression reads device facts, which are not in a check."""
    try:
        atoms = atoms_of(parse_expression(where))
    except Invalid:
        return False
    return any(isinstance(atom, Feature) or getattr(atom, "field", None) in FACTS for atom in atoms)


def _test(writer: PredicateWriter, app: str, name: str, where: str) -> str:
    try:
        condition = parse_expression(where)
    except Invalid:
        return "False"
    writer.salt = segment_salt(app, name)
    return writer.surely(condition, True)


def _compile(writer: PredicateWriter, body: Sequence[str]) -> Callable[..., object]:
    lines = [f"    {line}" for line in (*writer.loads(), *body)]
    return compiled("match_segments", ["def match_segments(check, facts):", *lines], writer.namespace)
