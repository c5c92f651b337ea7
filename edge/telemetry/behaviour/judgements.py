"""A device's latest judgement in bytes: as its row keeps it and as the table of behaviour shows it to workers.

A device's features are bits here; which name has which bit is kept for each app (`feature_names`).
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from edge.domain.facts import NOT_JUDGED, Behaviour

# Days judged and first seen, sessions, errors, minutes, hours, seconds; known; features, places, revision.
_JUDGEMENT = struct.Struct("<7HHQII")
JUDGEMENT_BYTES = _JUDGEMENT.size
_UNKNOWN = 0xFFFF
_LARGEST = _UNKNOWN - 1
_FEATURES_KNOWN = 1


@dataclass(frozen=True, slots=True)
class FeatureBits:
    """The features of a device by name. `place_of` returns a name's bit, None for one that has none."""

    bits: int
    place_of: Callable[[str], int | None]

    def __contains__(self, name: object) -> bool:
        place = self.place_of(name) if isinstance(name, str) else None
        return place is not None and self.bits >> place & 1 == 1


def encode_judgement(behaviour: Behaviour, features: int) -> bytes:
    """JUDGEMENT_BYTES. `features` are the device's bits, which count only if `behaviour` knows of any."""
    first_seen_days = behaviour.first_seen_days or 0
    return _JUDGEMENT.pack(
        behaviour.judged_day,
        max(behaviour.judged_day - first_seen_days, 0),
        _two_bytes(behaviour.sessions_7d),
        _two_bytes(behaviour.errors_7d),
        _two_bytes(behaviour.session_minutes_7d),
        _two_bytes(behaviour.update_delay_hours),
        _two_bytes(behaviour.install_seconds),
        _FEATURES_KNOWN if behaviour.features is not None else 0,
        features,
        behaviour.places,
        behaviour.revision,
    )


def parse_judgement(judgement: bytes | None, place_of: Callable[[str], int | None]) -> Behaviour:
    """What `encode_judgement` was given; NOT_JUDGED for nothing."""
    if not judgement:
        return NOT_JUDGED
    day, first_day, *numbers, known, features, places, revision = _JUDGEMENT.unpack(judgement)
    sessions, errors, minutes, hours, seconds = (None if each == _UNKNOWN else each for each in numbers)
    used = FeatureBits(features, place_of) if known else None
    return Behaviour(day - first_day, sessions, errors, minutes, hours, seconds, used, day, places, revision)


def with_features(judgement: bytes | None, features: int) -> bytes | None:
    """The judgement without the bits that are not in `features` any more: another name has them now."""
    if judgement is None:
        return None
    *fields, judged, places, revision = _JUDGEMENT.unpack(judgement)
    return _JUDGEMENT.pack(*fields, judged & features, places, revision)


def _two_bytes(number: int | None) -> int:
    return _UNKNOWN if number is None else min(number, _LARGEST)
