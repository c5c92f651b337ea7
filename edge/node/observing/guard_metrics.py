"""Metrics of the guard of releases. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from edge.wire.exposition import Family, Sample


class GuardSeen(NamedTuple):
    """`watched` releases go on under guard; `deeds` count by kind, and `given_up` too, since the node started;
    `blocked` findings could not be acted on yet; `blind`: there are releases to watch, and counting stands still;
    `unwatched` releases are beyond how many a node counts; `held` steps wait for nodes that say nothing."""

    watched: int = 0
    deeds: Mapping[str, int] = {}
    blocked: int = 0
    given_up: int = 0
    blind: bool = False
    unwatched: int = 0
    held: int = 0


def build_guard_metrics(seen: GuardSeen) -> list[Family]:
    """In a fixed order."""
    watched = "Releases under guard that go on."
    acts = "What the guard did: pause, rollback, tell, advance, wait."
    blocked = "Findings of the guard that could not be acted on yet, since the store cannot be read or written."
    given_up = "Findings of the guard that could not be acted on for too long."
    blind = "1 while releases are under guard and counting stands still, so the guard sees nothing."
    unwatched = "Releases under guard that nothing is counted of, as the node counts as many others as it can."
    held = "Steps whose time is up, and that wait for the reports of nodes that have said nothing for 15 minutes."
    deeds = [Sample({"deed": deed}, n) for deed, n in sorted(seen.deeds.items())]
    return [
        Family("edge_guard_watched_releases", "gauge", watched, [Sample({}, seen.watched)]),
        Family("edge_guard_acts_total", "counter", acts, deeds),
        Family("edge_guard_blocked", "gauge", blocked, [Sample({}, seen.blocked)]),
        Family("edge_guard_given_up_total", "counter", given_up, [Sample({}, seen.given_up)]),
        Family("edge_guard_blind", "gauge", blind, [Sample({}, seen.blind)]),
        Family("edge_guard_unwatched_releases", "gauge", unwatched, [Sample({}, seen.unwatched)]),
        Family("edge_guard_held_steps", "gauge", held, [Sample({}, seen.held)]),
    ]
