"""The time that decisions use: this process's clock, and how much of it the heads prove. Updated once a second.

A signed head shard proves how recent the node's view of its apps is; see `domain.schedule.rollout.proven_time`.
"""

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from edge.domain.schedule.rollout import Moment, proven_time


class ServiceClock(NamedTuple):
    """The clocks of what serves devices; both return seconds. `now` is since the epoch and may be set, `steady` never
    jumps: limits count by it."""

    now: Callable[[], float]
    steady: Callable[[], float]


SYSTEM = ServiceClock(time.time, time.monotonic)

NEVER = 0.0  # for a shard that is not signed yet: its rollouts do not advance


class Moments:
    """Per head shard. `tick` updates them; reading one is a look-up. `now` is in seconds since the epoch;
    `turned` is called after each update."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.turned: Callable[[], None] = _nobody_hears
        self._issued: dict[str, float] = {}
        self._moments: dict[str, Moment] = {}

    def learn(self, issued: Mapping[str, float]) -> None:
        """`issued` is when each verified shard was signed, in seconds since the epoch."""
        self._issued.update(issued)
        self.tick(self.now)

    def tick(self, now: float) -> None:
        """`now` is the node's clock, in seconds since the epoch."""
        self.now = now
        before = self._moments
        self._moments = {
            shard: Moment(now, proven_time(now, issued, before[shard].proven if shard in before else NEVER))
            for shard, issued in self._issued.items()
        }
        self.turned()

    def of(self, shard: str) -> Moment:
        """For a shard without a signature, nothing is proven."""
        return self._moments.get(shard) or Moment(self.now, NEVER)


def _nobody_hears() -> None:
    pass
