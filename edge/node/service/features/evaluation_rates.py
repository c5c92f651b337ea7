"""How many features are evaluated for one address and one network: what no standing answer spared. Pure."""

from edge.domain.prefixes import wide_prefix_of
from edge.node.service.limits.event_limits import APPS_LIMIT, WIDE_SHARE, Buckets

# A second and address: a server asks for one feature at a time.
RATE, BURST = 2_000.0, 20_000.0


class EvaluationRates:
    """Of one worker, by app. A server, which shares its network with strangers, counts with its address alone."""

    def __init__(self) -> None:
        self._near = Buckets(RATE, APPS_LIMIT, BURST)
        self._wide = Buckets(WIDE_SHARE * RATE, APPS_LIMIT, WIDE_SHARE * BURST)

    def admit(self, app: str, prefix: str, features: int, now: float, *, for_server: bool) -> bool:
        """`now` in seconds of a monotonic clock."""
        if not self._near.take(f"{app} {prefix}", features, now):
            return False
        return for_server or self._wide.take(f"{app} {wide_prefix_of(prefix)}", features, now)
