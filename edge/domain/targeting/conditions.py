"""A parsed and checked targeting expression: a tree of conditions. One that exists is well typed.

A comparison has its field on the left; literals have the kind of their field. The parser bounds the depth.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from edge.domain.model import Platform
from edge.domain.targeting.language import FACTS, Field
from edge.domain.versions import Version

Operator = Literal["==", "!=", "<", "<=", ">", ">="]
Value = str | int | Version | Platform

FLIPPED: dict[Operator, Operator] = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
NEGATED: dict[Operator, Operator] = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


@dataclass(frozen=True, slots=True)
class Constant:
    """`true` or `false`."""

    value: bool


@dataclass(frozen=True, slots=True)
class Flag:
    """A boolean field by itself."""

    field: Field


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field compared with a value or with another field."""

    operator: Operator
    field: Field
    other: Field | Value


@dataclass(frozen=True, slots=True)
class Member:
    """`in`: a field equals one of the values."""

    field: Field
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class TextTest:
    """A method on a text field, such as `startsWith`."""

    method: str  # of language.METHODS
    field: Field
    text: str


@dataclass(frozen=True, slots=True)
class Bucket:
    """The device is in the segment's share of `thousandths` of a percent."""

    thousandths: int  # of a percent, 1 to 100_000


@dataclass(frozen=True, slots=True)
class InSet:
    """The device id or the custom id is in the id set of that name."""

    name: str


@dataclass(frozen=True, slots=True)
class UsedFeature:
    """The device has used the feature of that name."""

    name: str


@dataclass(frozen=True, slots=True)
class Not:
    """True where `inner` is surely false."""

    inner: "Condition"


@dataclass(frozen=True, slots=True)
class AllOf:
    """`&&`."""

    items: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """`||`."""

    items: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Remembered:
    """`inner` reads nothing but how the device is used, and where it once was true it may go on to be (`behavioural`).
    `part` is its number in the expression."""

    part: int
    inner: "Condition"


Atom = Constant | Flag | Comparison | Member | TextTest | Bucket | InSet | UsedFeature
Condition = Atom | Not | AllOf | AnyOf | Remembered


def negated(condition: Condition) -> Condition:
    """The opposite condition, no deeper: two negations cancel out."""
    match condition:
        case Constant(value):
            return Constant(not value)
        case Not(inner):
            return inner
        case _:
            return Not(condition)


def atoms_of(condition: Condition) -> Iterator[Atom]:
    """Every atom in it, from left to right."""
    match condition:
        case AllOf(items) | AnyOf(items):
            for item in items:
                yield from atoms_of(item)
        case Not(inner) | Remembered(inner=inner):
            yield from atoms_of(inner)
        case _:
            yield condition


def reads_behaviour(atom: Atom) -> bool:
    """Whether it reads how the device is used, which is not in a check."""
    return isinstance(atom, UsedFeature) or getattr(atom, "field", None) in FACTS
