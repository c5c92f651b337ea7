"""How many events one app and one address prefix may report: token buckets in bounded memory. Pure.

Anyone can forge reports. Real devices that wake together stay far below these limits, and a forger fills no more disk
than they allow. Events above them are answered as if they were stored: an error would make devices send them again.
"""

from collections import OrderedDict
from typing import NamedTuple

BURST_SECONDS = 300  # of the rate may arrive at once: devices that wake together bring a day's events
COST_BYTES = 1024  # an event costs one token, and one more for each of these: the limits protect the disk
# Buckets that are kept, about 250 bytes each; the least recently used goes first. A forger with more prefixes than
# that is stopped by the app's bucket.
PREFIXES_LIMIT = 16_384
APPS_LIMIT = 10_000  # as many as telemetry counts one by one


class EventLimits:
    """Rates in events per second; 0: no limit."""

    def __init__(self, app_rate: float, prefix_rate: float) -> None:
        self._apps = Buckets(app_rate, APPS_LIMIT)
        self._prefixes = Buckets(prefix_rate, PREFIXES_LIMIT)

    def admit(self, app: str, prefix: str, records: list[bytes], now: float) -> bool:
        """Whether all of a request's events are within the limits. `now` in seconds of a monotonic clock."""
        cost = sum(1 + len(record) // COST_BYTES for record in records)
        # The prefix first: what it is refused must not use up the app's tokens, which real devices need.
        return self._prefixes.take(prefix, cost, now) and self._apps.take(app, cost, now)


class Buckets:
    """One bucket per key, full at first. A key that was forgotten starts full again."""

    def __init__(self, rate: float, keys_limit: int) -> None:
        self._rate = rate
        self._burst = rate * BURST_SECONDS
        self._keys_limit = keys_limit
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str, wanted: int, now: float) -> bool:
        """Take `wanted` tokens, all or none."""
        if not self._rate:
            return True
        tokens, since = self._buckets.get(key) or _Bucket(self._burst, now)
        tokens = min(self._burst, tokens + (now - since) * self._rate)
        enough = tokens >= wanted
        self._buckets[key] = _Bucket(tokens - wanted if enough else tokens, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._keys_limit:
            self._buckets.popitem(last=False)
        return enough


class _Bucket(NamedTuple):
    tokens: float
    since: float
