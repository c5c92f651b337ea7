"""Segments held against Google's own CEL runtime, and against an interpreter that is slow and obvious."""

from functools import lru_cache

from cel_expr_python import cel
from expression_world import (
    APP,
    CEL_CALLS,
    SEGMENT,
    SETS,
    Compared,
    cel_values,
    conditions,
    meaning,
    worlds,
    written,
    written_for_cel,
)
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.targeting.conditions import Comparison, Not
from edge.domain.targeting.language import FIELDS, Kind
from edge.domain.targeting.parser import parse_expression
from edge.domain.targeting.segments import compile_segment, compile_segments

_CEL_TYPES = {Kind.FLAG: cel.Type.BOOL, Kind.NUMBER: cel.Type.INT, Kind.VERSION: cel.Type.INT}


@lru_cache(1)
def cel_environment():
    variables = {field.name: _CEL_TYPES.get(field.kind, cel.Type.STRING) for field in FIELDS.values()}
    return cel.NewEnv(variables=variables | dict.fromkeys(CEL_CALLS, cel.Type.BOOL))


def outcome_in_cel(condition, world) -> bool | None:
    """None where CEL ends in an error, which is how a value that is missing goes through its && and ||."""
    result = cel_environment().compile(written_for_cel(condition)).eval(data=cel_values(world))
    return None if result.type() == cel.Type.ERROR else result.value()


def outcome(condition, world) -> bool | None:
    """Told apart by asking for the opposite as well."""
    text = written(condition)
    matches, does_not = (
        compile_segment(APP, SEGMENT, where, place=world.place, sets=SETS)(world.check, world.facts)
        for where in (text, f"!({text})")
    )
    assert isinstance(matches, bool)
    assert not (matches and does_not)
    return True if matches else (False if does_not else None)


@given(conditions, worlds())
def test_an_expression_means_what_it_means_to_cel(condition, world):
    assert outcome(condition, world) == outcome_in_cel(condition, world)


@given(conditions, worlds())
def test_an_expression_means_what_the_slow_interpreter_says(condition, world):
    assert outcome(condition, world) == meaning(condition, world)


@given(st.lists(conditions, max_size=5), worlds())
def test_the_first_segment_that_matches_is_found(several, world):
    # One name for all, so that `bucket` is the one that the interpreter knows.
    segments = [(SEGMENT, written(condition)) for condition in several]
    first = compile_segments(APP, segments, place=world.place, sets=SETS)(world.check, world.facts)
    outcomes = [meaning(condition, world) for condition in several]
    assert first == (outcomes.index(True) if True in outcomes else -1)


@given(conditions)
def test_what_is_read_is_what_was_written(condition):
    if not isinstance(condition, Compared) and _is_plain(condition):
        assert parse_expression(written(condition)) == condition


def _is_plain(condition) -> bool:
    """Whether the parser keeps the tree as it is: no negations it takes back, no condition compared."""
    parts = getattr(condition, "items", None) or (getattr(condition, "inner", None),)
    if isinstance(condition, Not) and type(condition.inner).__name__ in ("Not", "Constant"):
        return False
    return all(part is None or (not isinstance(part, Compared) and _is_plain(part)) for part in parts)


_characters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
_SHORT = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "'": "\\'", "\a": "\\a", "`": "\\`"}


@st.composite
def _text_literals(draw) -> tuple[str, str]:
    """A text, and a way to write it."""
    text = draw(st.text(_characters, max_size=12))
    ways = [
        lambda c: _SHORT.get(c, c),
        lambda c: f"\\u{ord(c):04x}" if ord(c) < 0x10000 else f"\\U{ord(c):08X}",
        lambda c: f"\\x{ord(c):02x}" if ord(c) < 0x100 else c,
    ]
    quote = draw(st.sampled_from("\"'"))
    return text, quote + "".join(draw(st.sampled_from(ways))(character) for character in text) + quote


@given(_text_literals())
def test_a_text_literal_is_what_it_is_to_cel(literal):
    text, source = literal
    where = f"custom_id == {source}"
    assert parse_expression(where) == Comparison("==", FIELDS["custom_id"], text)
    assert cel_environment().compile(where).eval(data={"custom_id": text}).value() is True
