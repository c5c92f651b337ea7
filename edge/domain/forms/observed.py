"""Round trips and rates that a node observed, counted in steps, and the list of links that follows from them. Pure.

A step is a quarter of an octave, so a median is off by 9 % at most, which chooses no other form.
"""

import math
import statistics
from collections.abc import Mapping
from itertools import chain, repeat
from typing import NamedTuple

from edge.domain.forms.choice import LINKS_LIMIT, LinkSince
from edge.domain.forms.link_model import LinkSpeed

REVISE_SECONDS = 86_400.0  # between two revisions, at least
LEAST_SAMPLES = 200  # of a day, for a median that some devices alone do not move
DIFFERS = 1.25  # a link counts as another one from here on: nearer ones could change no choice by a quarter
STEPS_AN_OCTAVE = 4
# What is believed: from a machine beside the node to a satellite's, and from GPRS to a data centre.
SHORTEST_SECONDS, LONGEST_SECONDS = 0.0001, 10.0
SLOWEST_BPS, FASTEST_BPS = 2e4, 1e11

Steps = Mapping[int, int]  # how many were observed, by step


class LinkCounts(NamedTuple):
    """Of one day so far, or of one worker since it started."""

    round_trips: Steps  # of microseconds
    rates: Steps  # of bits per second


NOTHING_OBSERVED = LinkCounts({}, {})


def step_of(value: float) -> int:
    """`value` is at least 1."""
    return round(math.log2(value) * STEPS_AN_OCTAVE)


def median_of(steps: Steps) -> float:
    """The middle of what was counted; there is something."""
    each = chain.from_iterable(repeat(step, count) for step, count in sorted(steps.items()))
    return math.exp2(statistics.median_low(each) / STEPS_AN_OCTAVE)


def added(day: LinkCounts, more: LinkCounts) -> LinkCounts:
    return LinkCounts(_sum(day.round_trips, more.round_trips, 1), _sum(day.rates, more.rates, 1))


def newly(before: LinkCounts, after: LinkCounts) -> LinkCounts:
    """What was counted since; all of `after` if the counters began again."""
    since = LinkCounts(_sum(after.round_trips, before.round_trips, -1), _sum(after.rates, before.rates, -1))
    return after if any(count < 0 for steps in since for count in steps.values()) else since


def revised(links: tuple[LinkSince, ...], day: LinkCounts, now: float) -> tuple[LinkSince, ...]:
    """The list with the day's link, if enough was observed and it is another one; else the same list. The oldest of too
    many goes: then the next one counts for bundles from before it."""
    if any(sum(steps.values()) < LEAST_SAMPLES for steps in day):
        return links
    seconds, rate = median_of(day.round_trips) / 1e6, median_of(day.rates)
    link = LinkSpeed(min(max(seconds, SHORTEST_SECONDS), LONGEST_SECONDS), min(max(rate, SLOWEST_BPS), FASTEST_BPS))
    if not any(max(one / other, other / one) >= DIFFERS for one, other in zip(link, links[-1].link, strict=True)):
        return links
    return (*links, LinkSince(now, link))[-LINKS_LIMIT:]


def is_believable(link: LinkSpeed) -> bool:
    return (
        SHORTEST_SECONDS <= link.round_trip_seconds <= LONGEST_SECONDS and SLOWEST_BPS <= link.rate_bps <= FASTEST_BPS
    )


def _sum(one: Steps, other: Steps, sign: int) -> dict[int, int]:
    return {
        step: count for step in one.keys() | other.keys() if (count := one.get(step, 0) + sign * other.get(step, 0))
    }
