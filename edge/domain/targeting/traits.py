"""Traits: what counts of a device besides what it says of its app and release. Its place in a draw, or in an id set.

Devices that agree in every trait that a segment reads, and in the other fields of their checks, are all in the segment
or all not. Facts are no traits. Device ids are bytes here, lower-case UUIDs as requests have them.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from edge.domain.buckets import bucket_of_written, segment_salt
from edge.domain.errors import Invalid
from edge.domain.targeting.conditions import Atom, Bucket, Comparison, InSet, Member, TextTest, atoms_of
from edge.domain.targeting.id_sets import IdSet, id_hash, written_hash
from edge.domain.targeting.language import FIELDS, Field
from edge.domain.targeting.parser import parse_expression

_DEVICE_ID, _CUSTOM_ID = FIELDS["device_id"], FIELDS["custom_id"]


class Draw(NamedTuple):
    """Between which of the `borders`, ascending, the device's bucket is."""

    salt: bytes
    borders: tuple[int, ...]

    def of(self, device: bytes, custom_id: str) -> int:
        return bisect_right(self.borders, bucket_of_written(self.salt, device))


class OnList(NamedTuple):
    """Whether the device or its custom id is in the set."""

    ids: IdSet

    def of(self, device: bytes, custom_id: str) -> int:
        return self.ids.holds(written_hash(device)) or bool(custom_id and self.ids.holds(id_hash(custom_id)))


Trait = Draw | OnList


class Traits(NamedTuple):
    """All that is read of a device. The flags: the very text of its id, or of its custom id, is read as well."""

    read: tuple[Trait, ...] = ()
    device_id: bool = False
    custom_id: bool = False


def together(parts: Iterable[Traits]) -> Traits:
    """What all parts read; each trait once."""
    listed = list(parts)
    return Traits(
        tuple(dict.fromkeys(trait for each in listed for trait in each.read)),
        any(each.device_id for each in listed),
        any(each.custom_id for each in listed),
    )


def segment_traits(app: str, name: str, where: str, sets: Mapping[str, IdSet]) -> Traits:
    """What a segment reads. Nothing if this release cannot read the expression: then it matches no device."""
    try:
        atoms = list(atoms_of(parse_expression(where)))
    except Invalid:
        return Traits()
    shares = sorted({atom.thousandths for atom in atoms if isinstance(atom, Bucket)})
    names = dict.fromkeys(atom.name for atom in atoms if isinstance(atom, InSet))
    fields = {field for atom in atoms for field in _fields_of(atom)}
    return Traits(
        (
            *([Draw(segment_salt(app, name), tuple(shares))] if shares else []),
            *(OnList(sets[each]) for each in names if each in sets),
        ),
        _DEVICE_ID in fields,
        _CUSTOM_ID in fields,
    )


def _fields_of(atom: Atom) -> Iterator[Field]:
    match atom:
        case Member(field=field) | TextTest(field=field):
            yield field
        case Comparison(field=field, other=other):
            yield field
            if isinstance(other, Field):
                yield other
