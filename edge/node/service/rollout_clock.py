"""The moment that this worker's decisions are made at: its clock, and what of it the heads prove. Kept once a second.

A head shard proves how new this node's knowledge of its apps is; `domain.rollout.proven_time` says what follows.
"""

from collections.abc import Mapping

from edge.domain.schedule.rollout import Moment, proven_time

NEVER = 0.0  # of a shard that nobody has signed yet: its rollouts stay at their beginning


class Moments:
    """By shard of the heads. `tick` keeps them; reading one is a look-up."""

    def __init__(self, now: float) -> None:
        self.now = now
        self._issued: dict[str, float] = {}
        self._moments: dict[str, Moment] = {}

    def learn(self, issued: Mapping[str, float]) -> None:
        """When the heads were signed that this node has verified, in seconds since the epoch."""
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

    def of(self, shard: str) -> Moment:
        return self._moments.get(shard) or Moment(self.now, NEVER)
