"""The type checker of targeting expressions: turns what the parser read into conditions, or refuses it by column."""

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from edge.domain.errors import Invalid
from edge.domain.model import Platform, parse_device_id, parse_name
from edge.domain.shares import WHOLE_SHARE
from edge.domain.targeting.conditions import (
    FLIPPED,
    Bucket,
    Comparison,
    Condition,
    Constant,
    Flag,
    InSet,
    Member,
    Operator,
    TextTest,
    UsedFeature,
    Value,
    negated,
)
from edge.domain.targeting.language import FIELDS, FUNCTIONS, METHODS, REFUSED, Field, Kind
from edge.domain.targeting.lexer import SHOWN_LIMIT, Token, refusal
from edge.domain.versions import NUMBER_LIMIT, Version, parse_version

NUMBER_MAX = (1 << 63) - 1  # CEL's integers have 64 bits
FEATURE_NAME_LIMIT = 64  # characters
BUCKET_DECIMALS = 3  # a device's bucket is one of 100,000

_SHORT_VERSION = re.compile(rf"[0-9]{{1,{NUMBER_LIMIT}}}(?:\.[0-9]{{1,{NUMBER_LIMIT}}}){{0,2}}")
_PLATFORMS = {platform.value: platform for platform in Platform}


class Number(NamedTuple):
    """A number as written; its type depends on where it is used."""

    text: str


class Term(NamedTuple):
    """A part of an expression and the column at which it starts, from 1."""

    value: Field | str | Number | Condition
    column: int


def named(token: Token) -> Term:
    """What a bare name stands for. Raises Invalid `invalid_expression`, as everything here."""
    field = FIELDS.get(token.text)
    if field is not None:
        return Term(Flag(field) if field.kind is Kind.FLAG else field, token.column)
    if token.text in ("true", "false"):
        return Term(Constant(token.text == "true"), token.column)
    if token.text in FUNCTIONS:
        raise refusal(token.column, f"{token.text} is a function: write it like {FUNCTIONS[token.text].example}")
    raise _unknown(token, "field", (*FIELDS, *FUNCTIONS))


def as_condition(term: Term) -> Condition:
    """The term as a condition; refused if it is a bare value."""
    value = term.value
    if isinstance(value, Field | str | Number):
        raise refusal(term.column, f"{_shown(term)} is {_kind_of(term)}, not a condition: compare it with something")
    return value


def compared(operator: Operator, column: int, left: Term, right: Term) -> Condition:
    """`column` is the operator's."""
    if not isinstance(left.value, Field):
        if isinstance(right.value, Field):
            return compared(FLIPPED[operator], column, right, left)
        return _flags_compared(operator, column, left, right)
    field, other = left.value, right.value
    if not field.kind.is_ordered and operator not in ("==", "!="):
        raise refusal(column, f"{field.kind.value} has no order: {operator!r} cannot compare {field.name}")
    if not isinstance(other, Field):
        return Comparison(operator, field, literal_for(field, right))
    if field.kind is not other.kind:
        raise refusal(column, f"{field.name} is {field.kind.value} and {other.name} is {other.kind.value}")
    return Comparison(operator, field, other)


def member(left: Term, values: Sequence[Term]) -> Condition:
    field = left.value
    if not isinstance(field, Field):
        raise refusal(left.column, f"'in' needs a field with a value before it, not {_shown(left)}")
    return Member(field, tuple(literal_for(field, value) for value in values))


def check_function(name: Token) -> None:
    if name.text not in FUNCTIONS:
        raise _unknown(name, "function", FUNCTIONS)


def check_method(name: Token) -> None:
    if name.text not in METHODS:
        raise _unknown(name, "method", METHODS)


def called(name: Token, arguments: Sequence[Term]) -> Condition:
    """The call of a function whose name `check_function` has accepted."""
    argument = _only(name, arguments)
    if name.text == "bucket":
        return Bucket(_thousandths(argument))
    text = argument.value
    if not isinstance(text, str):
        raise refusal(argument.column, f"{name.text} takes a name in quotes, not {_shown(argument)}")
    if name.text == "in_set":
        return InSet(_set_name(text, argument.column))
    if not 0 < len(text) <= FEATURE_NAME_LIMIT:
        raise refusal(argument.column, f"the name of a feature must have 1 to {FEATURE_NAME_LIMIT} characters")
    return UsedFeature(text)


def method_called(on: Term, name: Token, arguments: Sequence[Term]) -> Condition:
    """The call of a method whose name `check_method` has accepted."""
    field = on.value
    if not isinstance(field, Field) or not field.kind.is_text:
        raise refusal(name.column, f"{name.text} is for texts; {_shown(on)} is {_kind_of(on)}")
    argument = _only(name, arguments)
    if not isinstance(argument.value, str):
        raise refusal(argument.column, f"{name.text} takes a text in quotes, not {_shown(argument)}")
    return TextTest(name.text, field, argument.value)


def literal_for(field: Field, term: Term) -> Value:
    """A literal as a value of the field's kind."""
    value = term.value
    if isinstance(value, Number) and field.kind is Kind.NUMBER:
        return _whole(value.text, term.column)
    if not isinstance(value, str) or field.kind is Kind.NUMBER:
        quoted = ": write it in quotes" if isinstance(value, Number) and field.kind is Kind.VERSION else ""
        raise refusal(term.column, f"{field.name} is {field.kind.value}; {_shown(term)} is {_kind_of(term)}{quoted}")
    match field.kind:
        case Kind.VERSION:
            return _version(value, term.column)
        case Kind.PLATFORM:
            return _platform(value, term.column)
        case Kind.DEVICE:
            return _device(value, term.column)
        case _:
            return value


def _flags_compared(operator: Operator, column: int, left: Term, right: Term) -> Condition:
    """A condition compared with `true` or `false`; anything else would be another spelling of && and ||."""
    if isinstance(left.value, str | Number) and isinstance(right.value, str | Number):
        raise refusal(left.column, "a comparison needs a field on one side")
    if operator not in ("==", "!="):
        raise refusal(column, f"{Kind.FLAG.value} has no order: {operator!r} cannot compare it")
    first, second = as_condition(left), as_condition(right)
    if not isinstance(second, Constant):
        first, second = second, first
    if not isinstance(second, Constant):
        raise refusal(column, "a condition can be compared only with true or false; use '&&', '||' and '!'")
    return first if second.value is (operator == "==") else negated(first)


def _only(name: Token, arguments: Sequence[Term]) -> Term:
    if len(arguments) != 1:
        raise refusal(name.column, f"{name.text} takes one argument, not {len(arguments)}")
    return arguments[0]


def _thousandths(term: Term) -> int:
    if not isinstance(term.value, Number):
        raise refusal(term.column, f"bucket takes a percentage like 0.5, not {_shown(term)}")
    whole, _, decimals = term.value.text.partition(".")
    thousandths = int(whole + decimals[:BUCKET_DECIMALS].ljust(BUCKET_DECIMALS, "0"))
    if len(decimals) > BUCKET_DECIMALS or not 0 < thousandths <= WHOLE_SHARE:
        raise refusal(term.column, f"a percentage must be 0.001 to 100, with at most {BUCKET_DECIMALS} decimals")
    return thousandths


def _whole(text: str, column: int) -> int:
    if "." in text:
        raise refusal(column, f"{text[:SHOWN_LIMIT]} is not a whole number")
    if int(text) > NUMBER_MAX:
        raise refusal(column, f"a number is at most {NUMBER_MAX}")
    return int(text)


def _version(text: str, column: int) -> Version:
    """A semantic version, or its first one or two numbers. Stricter than for devices: "1.2.x" is a mistake."""
    strict = parse_version(text)
    if strict is not None:
        return strict
    if _SHORT_VERSION.fullmatch(text) is None:
        raise refusal(column, f"{text[:SHOWN_LIMIT]!r} is not a version like 14, 14.2 or 14.2.0-beta.1")
    major, minor, patch, *_ = (*map(int, text.split(".")), 0, 0)
    return Version(major, minor, patch)


def _platform(text: str, column: int) -> Platform:
    if text not in _PLATFORMS:
        raise refusal(column, f"{text[:SHOWN_LIMIT]!r} is not a platform: {', '.join(_PLATFORMS)}")
    return _PLATFORMS[text]


def _device(text: str, column: int) -> str:
    try:
        return parse_device_id(text)
    except Invalid as error:
        raise refusal(column, error.message) from error


def _set_name(text: str, column: int) -> str:
    try:
        return parse_name("id set", text)
    except Invalid as error:
        raise refusal(column, error.message) from error


def _unknown(token: Token, what: str, known: Iterable[str]) -> Invalid:
    if token.text in REFUSED:
        return refusal(token.column, REFUSED[token.text])
    shown = token.text[:SHOWN_LIMIT]
    close = difflib.get_close_matches(shown, known, n=1)
    return refusal(token.column, f"unknown {what} {shown!r}" + (f"; did you mean {close[0]!r}?" if close else ""))


def _kind_of(term: Term) -> str:
    match term.value:
        case Field(kind=kind):
            return kind.value
        case Number():
            return "a number"
        case str():
            return Kind.TEXT.value
        case _:
            return Kind.FLAG.value


def _shown(term: Term) -> str:
    match term.value:
        case Field(name=name) | Flag(Field(name=name)):
            return name
        case Number(text):
            return text[:SHOWN_LIMIT]
        case str(text):
            return repr(text[:SHOWN_LIMIT])
        case Constant(value):
            return str(value).lower()
        case _:
            return "a condition"
