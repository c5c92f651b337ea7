"""Warnings about valid targeting expressions with conditions that match no device. Pure.

An expression with a warning can still be saved: nodes may know more later.
"""

import re
from collections.abc import Iterator

from edge.domain.targeting.conditions import Atom, Comparison, Feature, Member, TextTest, atoms_of
from edge.domain.targeting.language import FACTS, FIELDS, Field
from edge.domain.targeting.parser import parse_expression

_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)  # the values of `country`: ISO 3166-1 alpha-2 in capitals
_PART_OF_A_COUNTRY = re.compile(r"[A-Z]{0,2}", re.ASCII)


def warnings_of(where: str) -> tuple[str, ...]:
    """One sentence for each, in the order of the expression. Raises Invalid `invalid_expression`."""
    return tuple(dict.fromkeys(w for atom in atoms_of(parse_expression(where)) for w in _warnings(atom)))


def _warnings(atom: Atom) -> Iterator[str]:
    match atom:
        case Feature():
            yield _unknown(f'feature("{atom.name}")')
        case Comparison(field=field) | Member(field=field) if field in FACTS:
            yield _unknown(field.name)
        case Comparison(field=field, other=str(text)) if _is_country(field) and not _COUNTRY.fullmatch(text):
            yield _no_country(text)
        case Member(field=field, values=values) if _is_country(field):
            yield from (_no_country(str(text)) for text in values if not _COUNTRY.fullmatch(str(text)))
        case TextTest(field=field, text=text) if _is_country(field) and not _PART_OF_A_COUNTRY.fullmatch(text):
            yield _no_country(text)


def _is_country(field: Field) -> bool:
    return field is FIELDS["country"]


def _unknown(name: str) -> str:
    return f"{name} is not known for any device yet, so a condition on it matches none"


def _no_country(text: str) -> str:
    return f'no device is in country "{text}": country is two capital letters, like "DE" (ISO 3166-1 alpha-2)'
