"""How people use an app over a day, in twenty places: when devices check, how fast they download, when they install.

Everything here is an assumption, stated where it is used, and drawn from one seed. Devices start the app at rates of
their own (Gamma, shape 0.6, mean 3 a day, as in the guard's drills), more in the evening than at night by their own
clock: the busiest hour has 1.9 times the mean. Each start is a check. A session lasts 3 minutes in the median.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DAY_SECONDS = 86_400
SHAPE, STARTS_A_DAY = 0.6, 3.0
PEAK_HOUR, SWING = 20, 0.9  # local time of the busiest hour; the quietest has a tenth of the mean
SESSION_SECONDS, SESSION_SIGMA = 180.0, 1.0  # lognormal
RATE_BPS, RATE_SIGMA = 8e6, 1.0  # lognormal: what one device gets of its own line
AT_ONCE = 0.3  # of the apps, or of the people: installed when downloaded, not when the session ends


class RegionOfDay(NamedTuple):
    """`hours` east of UTC; `share` of all devices."""

    name: str
    hours: int
    share: float


# Shares follow where people with phones live, by eye: what counts is that the twenty do not wake together.
REGIONS = (
    *(RegionOfDay("us-west", -8, 0.04), RegionOfDay("us-central", -6, 0.05), RegionOfDay("us-east", -5, 0.07)),
    *(RegionOfDay("mexico", -6, 0.04), RegionOfDay("andes", -5, 0.03), RegionOfDay("brazil", -3, 0.07)),
    *(RegionOfDay("uk", 0, 0.04), RegionOfDay("eu-west", 1, 0.07), RegionOfDay("eu-central", 1, 0.06)),
    *(RegionOfDay("eu-east", 2, 0.05), RegionOfDay("turkey", 3, 0.03), RegionOfDay("gulf", 3, 0.03)),
    *(RegionOfDay("africa-west", 1, 0.03), RegionOfDay("africa-south", 2, 0.02), RegionOfDay("india-west", 5, 0.09)),
    *(RegionOfDay("india-south", 5, 0.08), RegionOfDay("indochina", 7, 0.06), RegionOfDay("indonesia", 7, 0.06)),
    *(RegionOfDay("japan", 9, 0.05), RegionOfDay("australia", 10, 0.03)),
)


class Start(NamedTuple):
    """The app of device `device` is opened `at` seconds after the publish, for `session_seconds`."""

    at: float
    device: int
    session_seconds: float


def starts_of_day(region: RegionOfDay, devices: int, publish_hour_utc: float, seed: int) -> list[Start]:
    """The starts of the 24 hours after the publish, in order."""
    draw = np.random.default_rng([seed, REGIONS.index(region)])
    rates = draw.gamma(SHAPE, STARTS_A_DAY / SHAPE, devices)
    counts = draw.poisson(rates)
    owners = np.repeat(np.arange(devices), counts)
    times = _times(draw, len(owners), publish_hour_utc + region.hours)
    sessions = draw.lognormal(np.log(SESSION_SECONDS), SESSION_SIGMA, len(owners))
    order = np.argsort(times, kind="stable")
    return [
        Start(*each)
        for each in zip(times[order].tolist(), owners[order].tolist(), sessions[order].tolist(), strict=True)
    ]


def rates_bps(region: RegionOfDay, devices: int, seed: int) -> NDArray[np.float64]:
    """Of each device's own line."""
    return np.random.default_rng([seed, 1_000 + REGIONS.index(region)]).lognormal(np.log(RATE_BPS), RATE_SIGMA, devices)


def at_once(region: RegionOfDay, devices: int, seed: int) -> NDArray[np.bool_]:
    return np.random.default_rng([seed, 2_000 + REGIONS.index(region)]).random(devices) < AT_ONCE


def activity(local_hour: float) -> float:
    """Of the mean."""
    return float(1 + SWING * np.cos((local_hour - PEAK_HOUR) / 24 * 2 * np.pi))


def _times(draw: np.random.Generator, count: int, local_hour: float) -> NDArray[np.float64]:
    """Thinned from even ones: as many as are wanted, each with the odds of its hour."""
    found: list[NDArray[np.float64]] = []
    while sum(map(len, found)) < count:
        tried = draw.uniform(0, DAY_SECONDS, max(64, 2 * count))
        odds = 1 + SWING * np.cos((local_hour + tried / 3_600 - PEAK_HOUR) / 24 * 2 * np.pi)
        found.append(tried[draw.uniform(0, 1 + SWING, len(tried)) < odds])
    return np.concatenate(found)[:count] if found else np.empty(0)


def sizes_of(devices: int) -> Iterator[tuple[RegionOfDay, int]]:
    for region in REGIONS:
        yield region, round(devices * region.share)
