"""Where nodes and countries are: what a location may be, and distances that are known from elsewhere."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.domain.errors import Invalid
from edge.domain.targeting.country_centres import CENTRES
from edge.domain.targeting.places import EARTH_KM, NO_PLACE, Location, NodePlace, distance_km, parse_location

LOCATIONS = st.builds(Location, st.floats(-90, 90), st.floats(-180, 180))


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("", None),
        ("52.5,13.4", Location(52.5, 13.4)),
        (" -33.9 , 151.2 ", Location(-33.9, 151.2)),
        ("90,-180", Location(90.0, -180.0)),
        ("0,0", Location(0.0, 0.0)),
    ],
)
def test_a_location_is_latitude_and_longitude(text, location):
    assert parse_location(text) == location


@pytest.mark.parametrize(
    "text", ["52.5", "52.5;13.4", "91,0", "0,181", "nan,0", "1e1,0", "52.5,13.4,1", "٥,1", "-,-", "0." + "0" * 99]
)
def test_anything_else_is_refused_by_name(text):
    with pytest.raises(Invalid, match="is not a latitude") as refused:
        parse_location(text)
    assert refused.value.code == "invalid_location"


@pytest.mark.parametrize(
    ("here", "there", "km"),
    [
        (Location(52.52, 13.405), Location(48.857, 2.352), 878),  # Berlin, Paris
        (Location(40.713, -74.006), Location(51.507, -0.128), 5_570),  # New York, London
        (Location(-18.142, 178.442), Location(-13.834, -171.77), 1_150),  # Suva, Apia: across the date line
        (Location(0, 0), Location(0, 180), 20_015),
        (Location(1, 1), Location(1, 1), 0),
    ],
)
def test_distances_are_those_of_a_globe(here, there, km):
    assert distance_km(here, there) == pytest.approx(km, abs=3)


@given(LOCATIONS, LOCATIONS)
def test_a_distance_is_the_same_both_ways_and_never_beyond_the_far_side(here, there):
    assert distance_km(here, there) == distance_km(there, here)
    assert 0 <= distance_km(here, there) <= round(3.14159266 * EARTH_KM)


def test_centres_are_on_earth_and_named_by_two_capitals():
    assert len(CENTRES) == 249
    assert all(re.fullmatch("[A-Z]{2}", country) for country in CENTRES)
    assert all(parse_location(f"{latitude},{longitude}") for latitude, longitude in CENTRES.values())


@pytest.mark.parametrize(
    ("country", "inside"),
    [
        ("DE", (51, 10)),
        ("US", (40, -99)),
        ("FR", (46.5, 2.5)),
        ("AU", (-26, 134)),
        ("BR", (-11, -53)),
        ("JP", (37, 138)),
    ],
)
def test_a_centre_is_in_the_middle_of_its_country(country, inside):
    assert distance_km(Location(*CENTRES[country]), Location(*inside)) < 150


def test_a_place_knows_the_distance_of_every_country_or_of_none():
    berlin = NodePlace("eu", Location(52.5, 13.4))
    assert berlin.distances.keys() == CENTRES.keys() and berlin.distances["DE"] == 258
    assert not NodePlace("eu").distances and not NO_PLACE.distances
