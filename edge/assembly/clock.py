"""The two readings of time that a node's control API, explain and preview use."""

import time

from edge.domain.model import AppId
from edge.domain.schedule.rollout import Moment
from edge.node.service.heard_proofs import HeardProofs
from edge.node.service.rollout_clock import Moments
from edge.store.heads import shard_of
from edge.store.reading import ReleaseReader


class NodeClock:
    """Same as in a worker: where the system clock steps back, no device leaves a rollout."""

    def __init__(self, releases: ReleaseReader, proofs: HeardProofs | None = None) -> None:
        """`proofs` is what a node that follows has heard."""
        self._releases = releases
        self._proofs = proofs
        self._moments = Moments(time.time(), limit_seconds=proofs.limit_seconds if proofs is not None else 0.0)

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def moment(self, app: AppId) -> Moment:
        """The app's rollout clock now; it never goes back."""
        self._moments.learn(self._releases.heads_issued(), self._proofs.heard if self._proofs is not None else None)
        self._moments.tick(self.now())
        return self._moments.of(shard_of(app))
