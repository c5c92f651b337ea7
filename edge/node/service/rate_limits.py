"""How often `/channel_self` may be asked, in bounded memory. Pure; `now` is given.

What an app does on purpose stays far below these limits: on, off and on again within a second, a choice at each start.
They stop loops and floods. Every request counts, refused ones too, but a refused one does not make the wait longer.
Counters are a worker's own: a node with n workers lets at most n times as much through. It forgets the oldest first, so
a flood of forged devices can free somebody from a limit, never put one on somebody.
"""

from collections import OrderedDict
from collections.abc import Hashable

from edge.domain.decision.channel_choice import ChannelSelfRequest, ChannelSelfVerb

# Per address and app in a minute. A carrier's address stands for thousands of subscribers whose apps ask at each start;
# a worker answers this many in a second or two.
ADDRESS_REQUESTS = 6000
ADDRESS_SECONDS = 60.0
DEVICE_REQUESTS = 5  # per app, device and verb in a second (device-protocol §3.2): more is a loop in the app's own code
DEVICE_SECONDS = 1.0

WINDOWS_LIMIT = 32_768  # of each kind: 290 bytes each, both together below 20 MB (a test holds it)


class Windows:
    """Counts by key in windows that begin with a key's first request and last `seconds`."""

    def __init__(self, allowed: int, seconds: float, limit: int = WINDOWS_LIMIT) -> None:
        self._allowed = allowed
        self._seconds = seconds
        self._limit = limit
        self._windows: OrderedDict[int, tuple[float, int]] = OrderedDict()  # begin, count; oldest begin first

    def __len__(self) -> int:
        return len(self._windows)

    def admit(self, key: Hashable, now: float) -> bool:
        """Count one more; whether it is let through. `now` in seconds of any clock."""
        # Only the hash is kept: Python's is secret to this process, so nobody can choose keys that meet in one.
        place = hash(key)
        begin, count = self._windows.get(place, (now, 0))
        if not 0 <= now - begin < self._seconds:  # over, or a clock that was set back
            self._windows.pop(place)
            begin, count = now, 0
        self._windows[place] = (begin, count + 1)
        self._drop(now)
        return count < self._allowed

    def _drop(self, now: float) -> None:
        """The oldest while there are too many, and whatever is over: at most two a call, so no call takes long."""
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
        """Whether to go on. `prefix` is what one subscriber holds (`Peer.prefix`); `now` in seconds of any clock.

        The address comes first, and a set without a channel counts for its address alone.
        """
        if not self._addresses.admit((prefix, request.app), now):
            return False
        if request.device is None or (request.verb is ChannelSelfVerb.SET and not request.channel):
            return True
        return self._devices.admit((request.app, request.device, request.verb.value), now)

    def __len__(self) -> int:
        return len(self._addresses) + len(self._devices)
