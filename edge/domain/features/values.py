"""Values of features: JSON texts in one spelling, of the kind that the feature has.

Integers and floats are kept apart, since clients do: a float is written `1.0`. Integers are those that every JSON
reader has exactly.
"""

import json
from math import isfinite
from typing import Any

from edge.domain.app_parts.stored_features import FeatureKind
from edge.domain.errors import Invalid

VALUE_LIMIT_BYTES = 16 * 1024  # of one value: each client fetches it with every other one
DEPTH_LIMIT = 16  # arrays and objects in each other: readers in apps recurse
INTEGER_LIMIT = 2**53 - 1  # exact in a double, which is what JavaScript has

_NOUNS = {
    FeatureKind.BOOLEAN: "true or false",
    FeatureKind.STRING: "a text",
    FeatureKind.INTEGER: "a whole number, such as 3",
    FeatureKind.FLOAT: "a number, such as 0.5",
    FeatureKind.JSON: "a JSON object or array",
}


def canonical_value(kind: FeatureKind, text: str, what: str) -> str:
    """The value in JSON `text` in the one spelling that is stored and sent. `what` names it in errors. Raises Invalid
    `invalid_value`, `value_too_large`."""
    if len(text) > 8 * VALUE_LIMIT_BYTES:  # as much as escapes can add
        raise _too_large(what, len(text))
    value = _parsed(text, what)
    if kind is FeatureKind.FLOAT and type(value) is int and abs(value) <= INTEGER_LIMIT:
        value = float(value)
    if not _is_of(kind, value):
        raise Invalid(
            "invalid_value", f"{what}: {_shown(text)} is not {_NOUNS[kind]}, which a {kind.value} feature has"
        )
    _check_inside(value, what, 0)
    spelled = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    size = len(spelled.encode())
    if size > VALUE_LIMIT_BYTES:
        raise _too_large(what, size)
    return spelled


def kind_of_number(text: str) -> FeatureKind:
    """Which kind of number a feature has whose default is written so: 3 is an integer, 3.0 is a float."""
    return FeatureKind.FLOAT if type(_parsed(text, "the default")) is float else FeatureKind.INTEGER


def _parsed(text: str, what: str) -> Any:
    try:
        value = json.loads(text, parse_constant=_no_constant)
        text.encode()
    except (ValueError, RecursionError) as error:  # UnicodeEncodeError is one, an integer of 5,000 digits another
        raise Invalid(
            "invalid_value", f"{what}: {_shown(text)} is no JSON value: quote texts, as in '\"blue\"'"
        ) from error
    return value


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _is_of(kind: FeatureKind, value: object) -> bool:
    match kind:
        case FeatureKind.BOOLEAN:
            return type(value) is bool
        case FeatureKind.STRING:
            return type(value) is str
        case FeatureKind.INTEGER:
            return type(value) is int
        case FeatureKind.FLOAT:
            return type(value) is float
        case FeatureKind.JSON:
            return isinstance(value, dict | list)


def _check_inside(value: object, what: str, depth: int) -> None:
    if depth > DEPTH_LIMIT:
        raise Invalid("invalid_value", f"{what}: more than {DEPTH_LIMIT} arrays and objects in each other")
    match value:
        case bool():
            pass
        case int() if abs(value) > INTEGER_LIMIT:
            raise Invalid(
                "invalid_value", f"{what}: a whole number is at most {INTEGER_LIMIT}, which clients read exactly"
            )
        case float() if not isfinite(value):
            raise Invalid("invalid_value", f"{what}: a number is too large")
        case str():
            _check_text(value, what)
        case dict():
            for name, each in value.items():
                _check_text(name, what)
                _check_inside(each, what, depth + 1)
        case list():
            for each in value:
                _check_inside(each, what, depth + 1)


def _check_text(text: str, what: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Invalid("invalid_value", f"{what}: an unpaired surrogate is not a character") from error


def _shown(text: str) -> str:
    shown = text if len(text) <= 40 else f"{text[:40]}…"
    return shown.encode(errors="replace").decode()


def _too_large(what: str, size: int) -> Invalid:
    return Invalid("value_too_large", f"{what} has {size} bytes; the limit is {VALUE_LIMIT_BYTES}")
