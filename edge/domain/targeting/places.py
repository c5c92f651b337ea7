"""Where a node is: what segments compare with `region`, and from where `distance` is measured. Pure.

The distance of a device is that from the node to the centre of the device's country, along the surface: of a device no
more is known than its country, if that. In a large country it may be off by a thousand kilometres and more.
"""

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from edge.domain.errors import Invalid
from edge.domain.targeting.country_centres import CENTRES

EARTH_KM = 6_371.0088  # the mean radius (IUGG); the true distance differs by 0.6 % at most
_LOCATION = re.compile(r"\s*(-?[0-9]{1,3}(?:\.[0-9]{1,9})?)\s*,\s*(-?[0-9]{1,3}(?:\.[0-9]{1,9})?)\s*", re.ASCII)

NOWHERE_NEAR: Mapping[str, int] = MappingProxyType({})


class Location(NamedTuple):
    """In degrees: north and east are positive."""

    latitude: float
    longitude: float


class NodePlace(NamedTuple):
    """A node's. What is not configured is unknown: `region` "", `location` None."""

    region: str = ""
    location: Location | None = None

    @property
    def distances(self) -> Mapping[str, int]:
        """Whole kilometres from here by country. Empty where it is not known where here is."""
        return NOWHERE_NEAR if self.location is None else _distances(self.location)


NO_PLACE = NodePlace()


def parse_location(text: str) -> Location | None:
    """ "52.5,13.4": latitude and longitude in degrees; None for "". Raises Invalid `invalid_location`."""
    if not text:
        return None
    found = _LOCATION.fullmatch(text)
    if found is None or not (abs(float(found[1])) <= 90 and abs(float(found[2])) <= 180):
        raise Invalid(
            "invalid_location",
            f"{text[:64]!r} is not a latitude from -90 to 90 and a longitude from -180 to 180 in degrees, as 52.5,13.4",
        )
    return Location(float(found[1]), float(found[2]))


def distance_km(here: Location, there: Location) -> int:
    """Along a great circle, rounded."""
    north, far_north = math.radians(here.latitude), math.radians(there.latitude)
    east = math.radians(there.longitude - here.longitude)
    half = math.sin((far_north - north) / 2) ** 2 + math.cos(north) * math.cos(far_north) * math.sin(east / 2) ** 2
    return round(2 * EARTH_KM * math.asin(math.sqrt(min(1.0, half))))


@lru_cache(16)  # a process has one place; tests have some
def _distances(here: Location) -> Mapping[str, int]:
    return MappingProxyType({country: distance_km(here, Location(*centre)) for country, centre in CENTRES.items()})
