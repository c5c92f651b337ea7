"""The time that decisions use: this process's clock, and how much of it the heads prove. Updated once a second.

A signed head shard proves how recent the node's view of its apps is; see `domain.schedule.rollout.proven_time`.
"""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from edge.domain.schedule.freshness import HeardProof, Staleness, staleness_of
from edge.domain.schedule.rollout import GRACE_SECONDS, Moment, proven_time
from edge.node.service.heard_proofs import since_boot


class ServiceClock(NamedTuple):
    """The clocks of what serves devices; all return seconds. `now` is since the epoch and may be set, `steady` never
    jumps: limits count by it. `since_boot` counts while the machine sleeps, too, and is the same in all processes."""

    now: Callable[[], float]
    steady: Callable[[], float]
    since_boot: Callable[[], float] = since_boot


SYSTEM = ServiceClock(time.time, time.monotonic)

NEVER = 0.0  # for a shard that is not signed yet: its rollouts do not advance


class Moments:
    """Per head shard. `tick` updates them; reading one is a look-up. `now` is in seconds since the epoch;
    `turned` is called after each update. `limit_seconds` is how old a proof may be, 0: the node holds the truth.
    A node that does not may miss a pause at any moment, so no share rises there past what is signed."""

    def __init__(self, now: float, since_boot: Callable[[], float] = since_boot, limit_seconds: float = 0.0) -> None:
        self.now = now
        self.limit_seconds = limit_seconds
        self._since_boot = since_boot
        self._heard: dict[str, float] = {}
        self.turned: Callable[[], None] = _nobody_hears
        self._issued: dict[str, float] = {}
        self._moments: dict[str, Moment] = {}

    def learn(self, issued: Mapping[str, float], heard: Mapping[str, float] | None = None) -> None:
        """`issued` is when each verified shard was signed, in seconds since the epoch; `heard` when this node heard
        that, in seconds since the machine's boot."""
        self._issued.update(issued)
        self._heard.update(heard or {})
        self.tick(self.now)

    def tick(self, now: float) -> None:
        """`now` is the node's clock, in seconds since the epoch."""
        self.now = now
        before = self._moments
        booted = self._since_boot() if self.limit_seconds else 0.0
        grace = 0.0 if self.limit_seconds else GRACE_SECONDS
        self._moments = {
            shard: Moment(
                now,
                proven_time(now, issued, before[shard].proven if shard in before else NEVER, grace),
                self._staleness(shard, issued, now, booted),
            )
            for shard, issued in self._issued.items()
        }
        self.turned()

    def stale(self) -> list[Staleness]:
        """Of each shard of which nothing new is offered."""
        return [moment.stale for moment in self._moments.values() if moment.stale is not None]

    def _staleness(self, shard: str, issued: float, now: float, booted: float) -> Staleness | None:
        if not self.limit_seconds:
            return None
        proof = HeardProof(issued, self._heard.setdefault(shard, booted))
        return staleness_of(proof, now, booted, self.limit_seconds)

    def of(self, shard: str) -> Moment:
        """For a shard without a signature, nothing is proven."""
        return self._moments.get(shard) or Moment(self.now, NEVER)


def _nobody_hears() -> None:
    pass
