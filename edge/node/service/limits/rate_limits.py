"""How often `/channel_self` may be requested, in bounded memory. Pure.

What an app does on purpose stays far below these limits: on, off and on again within a second, a choice at each start.
They stop loops and floods. Refused requests count too, but do not extend the wait. Each worker counts for itself: a
node with n workers admits at most n times as many. The oldest counters are dropped first, so a flood of forged devices
can lift a device's limit, but never impose one.
"""

from collections import OrderedDict
from collections.abc import Hashable

from edge.domain.decision.channel_choice import ChannelSelfRequest, ChannelSelfVerb

# Per address and app per minute. A carrier's address stands for thousands of subscribers whose apps send one at each
# start; a worker answers this many in a second or two.
ADDRESS_REQUESTS = 6000
ADDRESS_SECONDS = 60.0
DEVICE_REQUESTS = 5  # per app, device and verb per second (PROTOCOL.md §3.2): more is a loop in the app
DEVICE_SECONDS = 1.0

WINDOWS_LIMIT = 32_768  # of each kind: 290 bytes each, both together below 20 MB (a test holds it)


class Windows:
    """Counts per key, in windows that start with the key's first request and last `seconds`."""

    def __init__(self, allowed: int, seconds: float, limit: int = WINDOWS_LIMIT) -> None:
        self._allowed = allowed
        self._seconds = seconds
        self._limit = limit
        self._windows: OrderedDict[int, tuple[float, int]] = OrderedDict()  # begin, count; oldest begin first

    def __len__(self) -> int:
        return len(self._windows)

    def admit(self, key: Hashable, now: float) -> bool:
        """Count a request; whether it is within the limit. `now` in seconds of any clock."""
        # Only the hash is kept: Python's is secret to this process, so no one can choose keys that collide.
        place = hash(key)
        begin, count = self._windows.get(place, (now, 0))
        if not 0 <= now - begin < self._seconds:  # over, or a clock that was set back
            self._windows.pop(place)
            begin, count = now, 0
        self._windows[place] = (begin, count + 1)
        self._drop(now)
        return count < self._allowed

    def _drop(self, now: float) -> None:
        """Drop windows that have ended, and the oldest if there are too many: at most two per call, so none is slow."""
        for _ in range(2):
            begin, _count = next(iter(self._windows.values()))
            if len(self._windows) <= self._limit and now - begin < self._seconds:
                return
            self._windows.popitem(last=False)


class ChannelLimits:
    """Both limits of one worker."""

    def __init__(self, windows_limit: int = WINDOWS_LIMIT) -> None:
        self._addresses = Windows(ADDRESS_REQUESTS, ADDRESS_SECONDS, windows_limit)
        self._devices = Windows(DEVICE_REQUESTS, DEVICE_SECONDS, windows_limit)

    def admit(self, request: ChannelSelfRequest, prefix: str, now: float) -> bool:
        """Whether a request is within both limits. `prefix` is `Peer.prefix`; `now` in seconds of any clock.

        The address comes first, and a set without a channel counts for its address alone.
        """
        if not self._addresses.admit((prefix, request.app), now):
            return False
        if request.device is None or (request.verb is ChannelSelfVerb.SET and not request.channel):
            return True
        return self._devices.admit((request.app, request.device, request.verb.value), now)

    def __len__(self) -> int:
        return len(self._addresses) + len(self._devices)
