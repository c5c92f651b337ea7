"""How many events one app and one address prefix may report: token buckets in bounded memory. Pure.

Anyone can forge reports. Real devices that wake together stay far below these limits, and a forger fills no more disk
than they allow. Events above them are answered as if they were stored: an error would make devices send them again.
"""

from collections import OrderedDict
from typing import NamedTuple

from edge.domain.prefixes import wide_prefix_of

BURST_SECONDS = 300  # of the rate may arrive at once: devices that wake together bring a day's events
COST_BYTES = 1024  # events cost one token each, or one for each of these if that is more: the limits protect the disk
WIDE_SHARE = 4  # a wide prefix has as much as this many prefixes: who holds a /48 has 65,536 of them
# Buckets that are kept, about 250 bytes each; the least recently used goes first, and one that was not used for
# BURST_SECONDS is full again, so forgetting it loses nothing. A forger with more prefixes than these makes the oldest
# ones full early; they are then held by their wide prefix, and a forger with more wide prefixes by the app's bucket.
PREFIXES_LIMIT = 16_384
APPS_LIMIT = 10_000  # as many as telemetry counts one by one


class EventLimits:
    """Rates in events per second; 0: no limit."""

    def __init__(self, app_rate: float, prefix_rate: float) -> None:
        self.app_rate, self.prefix_rate = app_rate, prefix_rate
        self._buckets = TieredBuckets(Allowance.of(prefix_rate), Allowance.of(app_rate))

    def admit(self, app: str, prefix: str, events: int, size_bytes: int, now: float) -> bool:
        """Whether all of a request's events, so large as they are stored, are within the limits. `now` in seconds of a
        monotonic clock."""
        return self._buckets.take(app, prefix, cost_of(events, size_bytes), now)


def cost_of(events: int, size_bytes: int) -> int:
    """In tokens."""
    return max(events, 1 + size_bytes // COST_BYTES)


class Allowance(NamedTuple):
    """What a full bucket holds, and what flows into it a second. A rate of 0 is no limit."""

    at_once: float
    per_second: float

    @classmethod
    def of(cls, rate: float) -> "Allowance":
        """BURST_SECONDS of the rate at once."""
        return cls(rate * BURST_SECONDS, rate)

    def times(self, factor: float) -> "Allowance":
        return Allowance(self.at_once * factor, self.per_second * factor)


class TieredBuckets:
    """Each request is charged to its prefix, to its wide prefix and to its app."""

    def __init__(self, prefix: Allowance, app: Allowance, wide_share: float = WIDE_SHARE) -> None:
        self._prefixes = _buckets(prefix, PREFIXES_LIMIT)
        self._wide = _buckets(prefix.times(wide_share), PREFIXES_LIMIT)
        self._apps = _buckets(app, APPS_LIMIT)

    def take(self, app: str, prefix: str, wanted: int, now: float) -> bool:
        """Whether all three have `wanted` tokens; `now` in seconds of a monotonic clock."""
        # The narrow ones first: what they refuse must not use up the app's tokens, which real devices need.
        return (
            self._prefixes.take(prefix, wanted, now)
            and self._wide.take(wide_prefix_of(prefix), wanted, now)
            and self._apps.take(app, wanted, now)
        )


class Buckets:
    """One bucket per key, full at first. A key that was forgotten starts full again."""

    def __init__(self, rate: float, keys_limit: int, burst: float | None = None) -> None:
        """`rate` in tokens per second, 0: no limit; `burst`: what a full bucket holds, by default BURST_SECONDS of the
        rate."""
        self._rate = rate
        self._burst = rate * BURST_SECONDS if burst is None else burst
        self._keys_limit = keys_limit
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str, wanted: int, now: float) -> bool:
        """Take `wanted` tokens, all or none."""
        if not self._rate:
            return True
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self._burst, now)
            if len(self._buckets) > self._keys_limit:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        tokens = bucket.tokens + (now - bucket.since) * self._rate
        if tokens > self._burst:
            tokens = self._burst
        enough = tokens >= wanted
        bucket.tokens, bucket.since = tokens - wanted if enough else tokens, now
        return enough


class _Bucket:
    __slots__ = ("since", "tokens")

    def __init__(self, tokens: float, since: float) -> None:
        self.tokens, self.since = tokens, since


def _buckets(allowance: Allowance, keys_limit: int) -> Buckets:
    return Buckets(allowance.per_second, keys_limit, allowance.at_once)
