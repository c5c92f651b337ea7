"""How far devices are: published distributions of round-trip times, and what a measured curve means under one.

The percentiles are copied from the sources named with them. Beyond the outermost ones nothing is known, so the nearest
tenth counts for all of it: the far tail is worse than these means say.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

STEPS = 1_000  # of the numeric mean over the quantiles; a finer one changes no printed digit


class Distances(NamedTuple):
    name: str
    quantiles: tuple[tuple[float, float], ...]  # (share of devices, the longest round trip of theirs in seconds)
    source: str


# Archipelago probes an address in every routed IPv4 /24, so this is address space seen from one place, not people:
# sparsely used networks count like crowded ones, and only hosts that answer count.
_ARK = "CAIDA Archipelago monitor statistics, CCDF of destination RTTs (IPv4), 10/25/50/75/90th percentile: "
ONE_NODE_PARIS = Distances(
    "one node in Paris",
    ((0.10, 0.027239), (0.25, 0.049502), (0.50, 0.132663), (0.75, 0.200851), (0.90, 0.276551)),
    _ARK + "ory5-fr, https://www.caida.org/projects/ark/statistics/ory5-fr/dest_rtt_ccdf.html",
)
ONE_NODE_TOKYO = Distances(
    "one node in Tokyo",
    ((0.10, 0.039987), (0.25, 0.110502), (0.50, 0.167812), (0.75, 0.250410), (0.90, 0.276345)),
    _ARK + "hnd-jp, https://www.caida.org/projects/ark/statistics/monitor/hnd-jp/dest_rtt_ccdf.html",
)
# Only the median is stated in the abstract; a single quantile is a single round trip for all, which shows what the
# middle session gets and nothing about the rest.
NEAR_NODES = Distances(
    "nodes near everybody (median only)",
    ((0.50, 0.039),),
    'B. Schlinker et al., "Internet Performance from Facebook\'s Edge", IMC 2019, abstract: most sessions have a '
    "MinRTT below 39 ms, https://doi.org/10.1145/3355369.3355567",
)
PUBLISHED = (ONE_NODE_PARIS, ONE_NODE_TOKYO, NEAR_NODES)


def interpolate(points: Sequence[tuple[float, float]], at: float) -> float:
    """The value at `at` on straight lines through ascending points; the end points' values outside of them."""
    if at <= points[0][0]:
        return points[0][1]
    for (left, low), (right, high) in pairwise(points):
        if at <= right:
            return low + (high - low) * (at - left) / (right - left)
    return points[-1][1]


def mean_over(places: Distances, seconds_at: Callable[[float], float]) -> float:
    """The mean of what `seconds_at(round trip)` says over all of its devices."""
    shares = ((step + 0.5) / STEPS for step in range(STEPS))
    return sum(seconds_at(interpolate(places.quantiles, share)) for share in shares) / STEPS


def share_within(places: Distances, limit_seconds: float, seconds_at: Callable[[float], float]) -> float:
    """The share of devices for which `seconds_at(round trip)` is at most the limit."""
    shares = ((step + 0.5) / STEPS for step in range(STEPS))
    return sum(seconds_at(interpolate(places.quantiles, share)) <= limit_seconds for share in shares) / STEPS
