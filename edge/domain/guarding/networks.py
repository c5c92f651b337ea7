"""How many votes one network may have, and what a count says without its two worst networks. Pure.

Reports carry no proof, and whoever forges them has few networks. A network is what one holder has (`prefixes`): the
/24 of an IPv4 address, the /48 of an IPv6 address.
"""

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeVar

CAP_FROM = 200  # votes up to which the cap stays as it is at first
CAP_FIRST = 3  # votes of one network until then; later as many times the root of how often CAP_FROM is in the votes
WIDE_CAPS = 10  # the votes of an IPv6 /32, a provider's, as a multiple of a network's
LEFT_OUT = 2  # networks without which an alarm must hold: two offices, or one broken proxy and one attacker

TRUSTED_NETWORK = 0  # of the networks that the operator trusts: never capped, never left out, of its own node's votes

CountKind = TypeVar("CountKind")


class NetworkVotes(NamedTuple):
    """The counted votes of one network, in one count."""

    network: int
    attempts: int
    failed: int


def cap_of(votes: int) -> int:
    """ceil(3 sqrt(max(votes, 200) / 200)): the votes that one network may have when so many are counted in all."""
    squared = CAP_FIRST * CAP_FIRST * max(votes, CAP_FROM)
    return math.isqrt((squared - 1) // CAP_FROM) + 1  # exactly: floats round otherwise elsewhere


def is_counted(counted: int, of_network: int, of_wide: int | None = None) -> bool:
    """Whether another vote is counted, judged once, when it arrives, whatever becomes of it: `counted` votes there are
    before it, `of_network` of its network, `of_wide` of its IPv6 /32 (None: it has none). A vote of a trusted network
    is always counted; do not ask."""
    cap = cap_of(counted + 1)
    return of_network < cap and (of_wide is None or of_wide < WIDE_CAPS * cap)


def without_worst(
    whole: CountKind,
    networks: Iterable[CountKind],
    take_away: Callable[[CountKind, CountKind], CountKind],
    odds: Callable[[CountKind], float],
) -> tuple[CountKind, float]:
    """The count without those LEFT_OUT of `networks` that speak most against the release, one after another, and its
    log odds. None is taken away that speaks for it."""
    left, kept, said = whole, list(networks), odds(whole)
    for _ in range(LEFT_OUT):
        tried = [(odds(take_away(left, each)), index) for index, each in enumerate(kept)]
        if not tried or min(tried)[0] >= said:
            break
        said, index = min(tried)
        left = take_away(left, kept.pop(index))
    return left, said
