"""Warnings about valid targeting expressions: conditions that match no device, or that forged reports can turn. Pure.

An expression with a warning can still be saved.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping

from edge.domain.targeting.conditions import (
    Atom,
    Comparison,
    Condition,
    Member,
    Operator,
    TextTest,
    atoms_of,
)
from edge.domain.targeting.language import FIELDS, Field
from edge.domain.targeting.parser import parse_expression

_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)  # the values of `country`: ISO 3166-1 alpha-2 in capitals
_PART_OF_A_COUNTRY = re.compile(r"[A-Z]{0,2}", re.ASCII)


def warnings_of(where: str, leave: str | None = None) -> tuple[str, ...]:
    """One sentence for each, in the order of the expressions. Raises Invalid `invalid_expression`."""
    conditions = [parse_expression(each) for each in (where, leave) if each is not None]
    found = dict.fromkeys(w for each in conditions for atom in atoms_of(each) for w in _warnings(atom))
    if len(conditions) == 2 and _nobody_leaves(*conditions):
        found[_NOBODY_LEAVES] = None
    return tuple(found)


def _nobody_leaves(where: Condition, leave: Condition) -> bool:
    """Of two comparisons of one field with whole numbers, which is what people write: other expressions are not
    judged. Between the two borders and around them, all values are tried."""
    if not isinstance(where, Comparison) or not isinstance(leave, Comparison) or where.field is not leave.field:
        return False
    enters, leaves = where.other, leave.other
    if not isinstance(enters, int) or not isinstance(leaves, int):
        return False
    borders = {0, *(border + step for border in (enters, leaves) for step in (-1, 0, 1))}
    values = [value for value in borders if value >= 0 and _HOLDS[leave.operator](value, leaves)]
    return all(_HOLDS[where.operator](value, enters) for value in values)


def _warnings(atom: Atom) -> Iterator[str]:
    match atom:
        case Comparison(field=field, other=other) if FIELDS["errors_7d"] in (field, other):
            yield _ERRORS
        case Member(field=field) if field is FIELDS["errors_7d"]:
            yield _ERRORS
        case Comparison(field=field, other=str(text)) if _is_country(field) and not _COUNTRY.fullmatch(text):
            yield _no_country(text)
        case Member(field=field, values=values) if _is_country(field):
            yield from (_no_country(str(text)) for text in values if not _COUNTRY.fullmatch(str(text)))
        case TextTest(field=field, text=text) if _is_country(field) and not _PART_OF_A_COUNTRY.fullmatch(text):
            yield _no_country(text)


_HOLDS: Mapping[Operator, Callable[[int, int], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_NOBODY_LEAVES = (
    "no device ever leaves: wherever --leave is true, --where is true, too, and then the device is in; give a border "
    "on the other side, as --where 'sessions_7d > 10' --leave 'sessions_7d < 7'"
)
_ERRORS = (
    "errors_7d counts what devices report, and anyone can report errors of any device: let it keep no device from a "
    "fix, least of all from a security release"
)


def _is_country(field: Field) -> bool:
    return field is FIELDS["country"]


def _no_country(text: str) -> str:
    return f'no device is in country "{text}": country is two capital letters, like "DE" (ISO 3166-1 alpha-2)'
