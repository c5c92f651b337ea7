"""Warnings about valid targeting expressions: conditions that match no device, or that forged reports can turn. Pure.

An expression with a warning can still be saved.
"""

import re
from collections.abc import Iterator

from edge.domain.targeting.conditions import Atom, Comparison, Member, TextTest, atoms_of
from edge.domain.targeting.language import FIELDS, Field
from edge.domain.targeting.parser import parse_expression

_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)  # the values of `country`: ISO 3166-1 alpha-2 in capitals
_PART_OF_A_COUNTRY = re.compile(r"[A-Z]{0,2}", re.ASCII)


def warnings_of(where: str, leave: str | None = None) -> tuple[str, ...]:
    """One sentence for each, in the order of the expressions. Raises Invalid `invalid_expression`."""
    conditions = [parse_expression(each) for each in (where, leave) if each is not None]
    return tuple(dict.fromkeys(w for each in conditions for atom in atoms_of(each) for w in _warnings(atom)))


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


_ERRORS = (
    "errors_7d counts what devices report, and anyone can report errors of any device: let it keep no device from a "
    "fix, least of all from a security release"
)


def _is_country(field: Field) -> bool:
    return field is FIELDS["country"]


def _no_country(text: str) -> str:
    return f'no device is in country "{text}": country is two capital letters, like "DE" (ISO 3166-1 alpha-2)'
